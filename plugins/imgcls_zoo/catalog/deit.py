"""DeiT, with and without distillation token."""

from typing import Annotated, Any

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class DeiT:
    """Touvron et al., 2020, Training data-efficient image transformers & distillation through attention."""

    width: Annotated[int, Gt(0), "of the tokens"]
    heads: Annotated[int, Gt(0), "of each self-attention; divides the width"]
    depth: Annotated[int, Gt(0), "blocks"] = 12
    image_size: Annotated[int, Gt(0), "pixels that there are position embeddings for; interpolated for others"] = (
        224
    )
    distilled: Annotated[bool, "a distillation token with a classifier of its own"] = False
    distillation_weight: Annotated[float, Ge(0), "of that classifier's loss; the class token's has 1"] = 1.0
    dropout: Annotated[float, Ge(0), Lt(1), "of positions and of each fully connected layer but qkv"] = 0.0
    drop_path: Annotated[float, Ge(0), Lt(1), "of the last block, rising from 0"] = 0.1


_DEIT = Family(
    build="imgcls_zoo.deit:build",
    layouts="imgcls_zoo.deit:layouts",
    year=2020,
    paper="arXiv:2012.12877",
    source="the authors' release; multiply-adds: timm's benchmarks of PyTorch 1.13",
    interpolation="bicubic",
)
_NOTE = "PaddleClas leaves out the products of queries, keys and values in its multiply-adds"
_LARGER: dict[str, Any] = {"input_size": 384, "eval_resize": 438}

MODELS = (
    _DEIT.row(
        "deit_tiny",
        DeiT(width=192, heads=3),
        params=5_717_416,
        macs_g=1.26,
        top1=72.202,
        paddleclas="DeiT_tiny_patch16_224",
        note=_NOTE,
    ),
    _DEIT.row(
        "deit_small",
        DeiT(width=384, heads=6),
        params=22_050_664,
        macs_g=4.61,
        top1=79.854,
        paddleclas="DeiT_small_patch16_224",
        note=_NOTE,
    ),
    _DEIT.row(
        "deit_base",
        DeiT(width=768, heads=12),
        params=86_567_656,
        macs_g=17.58,
        top1=81.846,
        paddleclas="DeiT_base_patch16_224",
        note=_NOTE,
    ),
    _DEIT.row(
        "deit_base_384",
        DeiT(width=768, heads=12, image_size=384),
        params=86_859_496,
        macs_g=55.54,
        top1=82.890,
        paddleclas="DeiT_base_patch16_384",
        note=_NOTE,
        **_LARGER,
    ),
    _DEIT.row(
        "deit_tiny_distilled",
        DeiT(width=192, heads=3, distilled=True),
        params=5_910_800,
        macs_g=1.27,
        top1=74.476,
        paddleclas="DeiT_tiny_distilled_patch16_224",
        note=_NOTE,
    ),
    _DEIT.row(
        "deit_small_distilled",
        DeiT(width=384, heads=6, distilled=True),
        params=22_436_432,
        macs_g=4.63,
        top1=81.164,
        paddleclas="DeiT_small_distilled_patch16_224",
        note=_NOTE,
    ),
    _DEIT.row(
        "deit_base_distilled",
        DeiT(width=768, heads=12, distilled=True),
        params=87_338_192,
        macs_g=17.68,
        top1=83.372,
        paddleclas="DeiT_base_distilled_patch16_224",
        note=_NOTE,
    ),
    _DEIT.row(
        "deit_base_distilled_384",
        DeiT(width=768, heads=12, distilled=True, image_size=384),
        params=87_630_032,
        macs_g=55.65,
        top1=85.224,
        paddleclas="DeiT_base_distilled_patch16_384",
        note=_NOTE,
        **_LARGER,
    ),
)
