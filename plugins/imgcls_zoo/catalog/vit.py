"""ViT in the sizes of its paper, and the two smaller ones that came later."""

from typing import Annotated, Any

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import HALF, Family


@options
class ViT:
    """Dosovitskiy et al., 2020, An image is worth 16x16 words, arXiv:2010.11929."""

    patch: Annotated[int, Gt(0), "height and width of a patch in pixels"]
    width: Annotated[int, Gt(0), "of the tokens"]
    depth: Annotated[int, Gt(0), "blocks"]
    heads: Annotated[int, Gt(0), "of each self-attention; divides the width"]
    mlp_ratio: Annotated[int, Gt(0), "hidden layer of the perceptrons, in widths"] = 4
    image_size: Annotated[int, Gt(0), "pixels that there are position embeddings for; interpolated for others"] = (
        224
    )
    dropout: Annotated[float, Ge(0), Lt(1), "of positions and of each fully connected layer but qkv"] = 0.1
    attention_dropout: Annotated[float, Ge(0), Lt(1), "of the attention's scores"] = 0.0
    drop_path: Annotated[float, Ge(0), Lt(1), "of the last block, rising from 0; the paper has none"] = 0.0
    qkv_bias: Annotated[bool, "queries, keys and values have a bias"] = True
    scale: Annotated[float | None, Gt(0), "of the scores; unset: one over the root of a head's width"] = None
    epsilon: Annotated[float, Gt(0), "of the normalisations"] = 1e-6


_VIT = Family(
    build="imgcls_zoo.vit:build",
    layouts="imgcls_zoo.vit:layouts",
    year=2020,
    paper="arXiv:2010.11929",
    source="torchvision, IMAGENET1K_V1 weights",
)
# the authors' own weights see pixels in -1..1 and no crop
_FINE_TUNED: dict[str, Any] = {
    "source": "the authors' repository, from ImageNet-21k; multiply-adds: timm's benchmarks of PyTorch 1.13",
    "input_size": 384,
    "eval_resize": 384,
    "mean": HALF,
    "std": HALF,
}
_SMALLER: dict[str, Any] = {
    "year": 2021,
    "paper": "arXiv:2106.10270",
    "source": "timm, augreg_in21k_ft_in1k weights; multiply-adds: its benchmarks of PyTorch 1.13",
    "eval_resize": 248,
    "interpolation": "bicubic",
    "mean": HALF,
    "std": HALF,
}
_WITHOUT_ATTENTION = "PaddleClas leaves out the products of queries, keys and values"

MODELS = (
    _VIT.row(
        "vit_ti_16",
        ViT(patch=16, width=192, depth=12, heads=3, dropout=0.0),
        params=5_717_416,
        macs_g=1.26,
        top1=75.454,
        **_SMALLER,
    ),
    _VIT.row(
        "vit_s_16",
        ViT(patch=16, width=384, depth=12, heads=6, dropout=0.0),
        params=22_050_664,
        macs_g=4.61,
        top1=81.384,
        **_SMALLER,
    ),
    _VIT.row(
        "vit_small_768_16",
        ViT(
            patch=16,
            width=768,
            depth=8,
            heads=8,
            mlp_ratio=3,
            dropout=0.0,
            qkv_bias=False,
            scale=768**-0.5,
            epsilon=1e-5,
        ),
        params=48_754_408,
        macs_g=9.89,
        top1=77.69,
        paddleclas="ViT_small_patch16_224",
        source="PaddleClas; multiply-adds: measured",
        mean=HALF,
        std=HALF,
        note="timm's ViT-S of 2020, before DeiT's took that name: 8 blocks as wide as ViT-B's, scores over the "
        f"root of the whole width; {_WITHOUT_ATTENTION}, 0.48 billion",
    ),
    _VIT.row(
        "vit_b_16",
        ViT(patch=16, width=768, depth=12, heads=12),
        params=86_567_656,
        macs_g=17.564,
        top1=81.072,
        paddleclas="ViT_base_patch16_224",
        note=f"multiply-adds: torchvision's; {_WITHOUT_ATTENTION}",
    ),
    _VIT.row(
        "vit_b_16_384",
        ViT(patch=16, width=768, depth=12, heads=12, image_size=384),
        params=86_859_496,
        macs_g=55.54,
        top1=84.62,
        paddleclas="ViT_base_patch16_384",
        note=f"multiply-adds: timm's; {_WITHOUT_ATTENTION}",
        **_FINE_TUNED,
    ),
    _VIT.row(
        "vit_b_32",
        ViT(patch=32, width=768, depth=12, heads=12),
        params=88_224_232,
        macs_g=4.409,
        top1=75.912,
    ),
    _VIT.row(
        "vit_b_32_384",
        ViT(patch=32, width=768, depth=12, heads=12, image_size=384),
        params=88_297_192,
        macs_g=13.06,
        top1=81.79,
        paddleclas="ViT_base_patch32_384",
        note=f"multiply-adds: timm's; {_WITHOUT_ATTENTION}",
        **_FINE_TUNED,
    ),
    _VIT.row(
        "vit_l_16",
        ViT(patch=16, width=1024, depth=24, heads=16),
        params=304_326_632,
        macs_g=61.555,
        top1=79.662,
        paddleclas="ViT_large_patch16_224",
        eval_resize=242,
        note=f"multiply-adds: torchvision's; {_WITHOUT_ATTENTION}",
    ),
    _VIT.row(
        "vit_l_16_384",
        ViT(patch=16, width=1024, depth=24, heads=16, image_size=384),
        params=304_715_752,
        macs_g=191.21,
        top1=85.07,
        paddleclas="ViT_large_patch16_384",
        note=f"multiply-adds: timm's; {_WITHOUT_ATTENTION}",
        **_FINE_TUNED,
    ),
    _VIT.row(
        "vit_l_32",
        ViT(patch=32, width=1024, depth=24, heads=16),
        params=306_535_400,
        macs_g=15.378,
        top1=76.972,
    ),
    _VIT.row(
        "vit_l_32_384",
        ViT(patch=32, width=1024, depth=24, heads=16, image_size=384),
        params=306_632_680,
        macs_g=45.31,
        top1=81.78,
        paddleclas="ViT_large_patch32_384",
        note=f"multiply-adds: timm's; {_WITHOUT_ATTENTION}",
        **_FINE_TUNED,
    ),
    _VIT.row(
        "vit_h_14",
        ViT(patch=14, width=1280, depth=32, heads=16),
        params=632_045_800,
        macs_g=167.295,
        top1=85.708,
        source="torchvision, IMAGENET1K_SWAG_LINEAR_V1 weights",
        eval_resize=224,
        interpolation="bicubic",
    ),
)
