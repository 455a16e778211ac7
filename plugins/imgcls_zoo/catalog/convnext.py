"""ConvNeXt."""

from typing import Annotated, Any

from annotated_types import Ge, Gt, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class ConvNeXt:
    """Liu et al., 2022, A ConvNet for the 2020s, arXiv:2201.03545."""

    depths: Annotated[tuple[int, int, int, int], "blocks in each stage"]
    widths: Annotated[tuple[int, int, int, int], "channels of each stage"]
    drop_path: Annotated[float, Ge(0), Lt(1), "of the last block, rising from 0"]
    layer_scale: Annotated[float, Gt(0), "what each branch is multiplied by at the start, arXiv:2103.17239"] = 1e-6
    head_init_scale: Annotated[float, Gt(0), "of the classifier's first weights; 0.001 to fine-tune"] = 1.0


_CONVNEXT = Family(
    build="imgcls_zoo.convnext:build",
    layouts="imgcls_zoo.convnext:layouts",
    year=2022,
    paper="arXiv:2201.03545",
    source="torchvision, IMAGENET1K_V1 weights",
)
_AT_384: dict[str, Any] = {
    "source": "the paper's Table 1",
    "input_size": 384,
    "eval_resize": 384,
    "interpolation": "bicubic",
}

MODELS = (
    _CONVNEXT.row(
        "convnext_tiny",
        ConvNeXt(depths=(3, 3, 9, 3), widths=(96, 192, 384, 768), drop_path=0.1),
        params=28_589_128,
        macs_g=4.456,
        top1=82.520,
        eval_resize=236,
        paddleclas="ConvNeXt_tiny",
    ),
    _CONVNEXT.row(
        "convnext_small",
        ConvNeXt(depths=(3, 3, 27, 3), widths=(96, 192, 384, 768), drop_path=0.4),
        params=50_223_688,
        macs_g=8.684,
        top1=83.616,
        eval_resize=230,
        paddleclas="ConvNeXt_small",
    ),
    _CONVNEXT.row(
        "convnext_base",
        ConvNeXt(depths=(3, 3, 27, 3), widths=(128, 256, 512, 1024), drop_path=0.5),
        params=88_591_464,
        macs_g=15.355,
        top1=84.062,
        eval_resize=232,
        paddleclas="ConvNeXt_base_224",
    ),
    _CONVNEXT.row(
        "convnext_base_384",
        ConvNeXt(depths=(3, 3, 27, 3), widths=(128, 256, 512, 1024), drop_path=0.8, head_init_scale=0.001),
        params=88_591_464,
        macs_g=45.0,
        top1=85.1,
        paddleclas="ConvNeXt_base_384",
        **_AT_384,
    ),
    _CONVNEXT.row(
        "convnext_large",
        ConvNeXt(depths=(3, 3, 27, 3), widths=(192, 384, 768, 1536), drop_path=0.5),
        params=197_767_336,
        macs_g=34.361,
        top1=84.414,
        eval_resize=232,
        paddleclas="ConvNeXt_large_224",
    ),
    _CONVNEXT.row(
        "convnext_large_384",
        ConvNeXt(depths=(3, 3, 27, 3), widths=(192, 384, 768, 1536), drop_path=0.95, head_init_scale=0.001),
        params=197_767_336,
        macs_g=101.0,
        top1=85.5,
        paddleclas="ConvNeXt_large_384",
        **_AT_384,
    ),
)
