"""Swin Transformer and its second version."""

from typing import Annotated

from annotated_types import Ge, Lt

from imgcls import options
from imgcls_zoo.catalog.family import Family

Stages = tuple[int, int, int, int]


@options
class Swin:
    """Liu et al., 2021, arXiv:2103.14030."""

    width: Annotated[int, "of the first stage's tokens; each further stage's is twice that before"]
    depths: Annotated[Stages, "blocks in each stage"]
    heads: Annotated[Stages, "in each stage"]
    windows: Annotated[Stages, "side of a window in tokens, in each stage"] = (7, 7, 7, 7)
    drop_path: Annotated[float, Ge(0), Lt(1), "of the last block, rising from 0 at the first"]
    dropout: Annotated[float, Ge(0), Lt(1), "after fully connected layers"] = 0.0
    attention_dropout: Annotated[float, Ge(0), Lt(1), "of attention's scores"] = 0.0


@options
class SwinV2(Swin):
    """Liu et al., 2021, arXiv:2111.09883."""

    windows: Annotated[Stages, "side of a window in tokens, in each stage"] = (8, 8, 8, 8)
    trained_windows: Annotated[Stages, "windows that positions are scaled by; 0: the model's own"] = (0, 0, 0, 0)
    separate_biases: Annotated[bool, "q_bias and v_bias as in the authors' files, not torchvision's qkv.bias"] = (
        False
    )
    zero_init_residual: Annotated[bool, "start each block as the identity, as the authors' code does"] = True


_SWIN = Family(
    build="imgcls_zoo.swin:build",
    layouts="imgcls_zoo.swin:layouts",
    year=2021,
    paper="arXiv:2103.14030",
    source="torchvision, IMAGENET1K_V1 weights",
    interpolation="bicubic",
)
_SWIN_V2 = Family(
    build="imgcls_zoo.swin_v2:build",
    layouts="imgcls_zoo.swin_v2:layouts",
    year=2021,
    paper="arXiv:2111.09883",
    source="torchvision, IMAGENET1K_V1 weights",
    input_size=256,
    eval_resize=260,
    interpolation="bicubic",
)
# tiny; small, base and large
_SHALLOW: Stages = (2, 2, 6, 2)
_DEEP: Stages = (2, 2, 18, 2)


_AUTHORS = "the authors' release, trained on ImageNet-1k"
_FROM_22K = "the authors' release, pretrained on ImageNet-22k"
# at 256 and 384 pixels the last stage has 8x8 and 12x12 tokens: one window, no larger than the image
_WINDOW16: Stages = (16, 16, 16, 8)
_WINDOW24: Stages = (24, 24, 24, 12)
_TRAINED: Stages = (12, 12, 12, 6)

_COUNT = "multiply-adds: {}; PaddleClas's leave the products of attention out"
_COUNT_V2 = "multiply-adds: {}; PaddleClas's match images 7/8 as large, the products of attention left out"
_TORCHVISION_V2, _AUTHORS_V2 = _COUNT_V2.format("torchvision's"), _COUNT_V2.format("the authors'")
_BIASES = "parameters: torchvision's qkv.bias has a part for keys, which stays zero and is no parameter elsewhere"

MODELS = (
    _SWIN.row(
        "swin_t",
        Swin(width=96, depths=_SHALLOW, heads=(3, 6, 12, 24), drop_path=0.2),
        params=28_288_354,
        macs_g=4.491,
        top1=81.474,
        eval_resize=232,
        paddleclas="SwinTransformer_tiny_patch4_window7_224",
        note=_COUNT.format("torchvision's"),
    ),
    _SWIN.row(
        "swin_s",
        Swin(width=96, depths=_DEEP, heads=(3, 6, 12, 24), drop_path=0.3),
        params=49_606_258,
        macs_g=8.741,
        top1=83.196,
        eval_resize=246,
        paddleclas="SwinTransformer_small_patch4_window7_224",
    ),
    _SWIN.row(
        "swin_b",
        Swin(width=128, depths=_DEEP, heads=(4, 8, 16, 32), drop_path=0.5),
        params=87_768_224,
        macs_g=15.431,
        top1=83.582,
        eval_resize=238,
        paddleclas="SwinTransformer_base_patch4_window7_224",
    ),
    _SWIN.row(
        "swin_b_384",
        Swin(width=128, depths=_DEEP, heads=(4, 8, 16, 32), windows=(12, 12, 12, 12), drop_path=0.5),
        params=87_903_584,
        macs_g=47.1,
        top1=84.5,
        source=_AUTHORS,
        input_size=384,
        eval_resize=384,
        paddleclas="SwinTransformer_base_patch4_window12_384",
        note=_COUNT.format("the authors'"),
    ),
    _SWIN.row(
        "swin_l",
        Swin(width=192, depths=_DEEP, heads=(6, 12, 24, 48), drop_path=0.2),
        params=196_532_476,
        macs_g=34.5,
        top1=86.3,
        source=_FROM_22K,
        paddleclas="SwinTransformer_large_patch4_window7_224",
    ),
    _SWIN.row(
        "swin_l_384",
        Swin(width=192, depths=_DEEP, heads=(6, 12, 24, 48), windows=(12, 12, 12, 12), drop_path=0.2),
        params=196_735_516,
        macs_g=103.9,
        top1=87.3,
        source=_FROM_22K,
        input_size=384,
        eval_resize=384,
        paddleclas="SwinTransformer_large_patch4_window12_384",
        note=_COUNT.format("the authors'"),
    ),
    _SWIN_V2.row(
        "swin_v2_t",
        SwinV2(width=96, depths=_SHALLOW, heads=(3, 6, 12, 24), drop_path=0.2),
        params=28_351_570,
        macs_g=5.94,
        top1=82.072,
        paddleclas="SwinTransformerV2_tiny_patch4_window8_256",
        note=f"{_BIASES}; {_TORCHVISION_V2}",
    ),
    _SWIN_V2.row(
        "swin_v2_s",
        SwinV2(width=96, depths=_DEEP, heads=(3, 6, 12, 24), drop_path=0.3),
        params=49_737_442,
        macs_g=11.546,
        top1=83.712,
        paddleclas="SwinTransformerV2_small_patch4_window8_256",
        note=f"{_BIASES}; {_TORCHVISION_V2}",
    ),
    _SWIN_V2.row(
        "swin_v2_b",
        SwinV2(width=128, depths=_DEEP, heads=(4, 8, 16, 32), drop_path=0.5),
        params=87_930_848,
        macs_g=20.325,
        top1=84.112,
        eval_resize=272,
        paddleclas="SwinTransformerV2_base_patch4_window8_256",
        note=f"{_BIASES}; {_TORCHVISION_V2}",
    ),
    _SWIN_V2.row(
        "swin_v2_t_window16",
        SwinV2(
            width=96, depths=_SHALLOW, heads=(3, 6, 12, 24), windows=_WINDOW16, separate_biases=True, drop_path=0.2
        ),
        params=28_347_154,
        macs_g=6.6,
        top1=82.8,
        source=_AUTHORS,
        eval_resize=292,
        paddleclas="SwinTransformerV2_tiny_patch4_window16_256",
        note=_AUTHORS_V2,
    ),
    _SWIN_V2.row(
        "swin_v2_s_window16",
        SwinV2(
            width=96, depths=_DEEP, heads=(3, 6, 12, 24), windows=_WINDOW16, separate_biases=True, drop_path=0.3
        ),
        params=49_728_418,
        macs_g=12.6,
        top1=84.1,
        source=_AUTHORS,
        eval_resize=292,
        paddleclas="SwinTransformerV2_small_patch4_window16_256",
        note=_AUTHORS_V2,
    ),
    _SWIN_V2.row(
        "swin_v2_b_window16",
        SwinV2(
            width=128, depths=_DEEP, heads=(4, 8, 16, 32), windows=_WINDOW16, separate_biases=True, drop_path=0.5
        ),
        params=87_918_816,
        macs_g=21.8,
        top1=84.6,
        source=_AUTHORS,
        eval_resize=292,
        paddleclas="SwinTransformerV2_base_patch4_window16_256",
        note=_AUTHORS_V2,
    ),
    _SWIN_V2.row(
        "swin_v2_b_window24_384",
        SwinV2(
            width=128,
            depths=_DEEP,
            heads=(4, 8, 16, 32),
            windows=_WINDOW24,
            trained_windows=_TRAINED,
            separate_biases=True,
            drop_path=0.2,
        ),
        params=87_918_816,
        macs_g=54.7,
        top1=87.1,
        source=_FROM_22K,
        input_size=384,
        eval_resize=384,
        paddleclas="SwinTransformerV2_base_patch4_window24_384",
        note=_AUTHORS_V2,
    ),
    _SWIN_V2.row(
        "swin_v2_l_window16",
        SwinV2(
            width=192,
            depths=_DEEP,
            heads=(6, 12, 24, 48),
            windows=_WINDOW16,
            trained_windows=_TRAINED,
            separate_biases=True,
            drop_path=0.2,
        ),
        params=196_739_932,
        macs_g=47.5,
        top1=86.9,
        source=_FROM_22K,
        eval_resize=292,
        paddleclas="SwinTransformerV2_large_patch4_window16_256",
        note=_AUTHORS_V2,
    ),
    _SWIN_V2.row(
        "swin_v2_l_window24_384",
        SwinV2(
            width=192,
            depths=_DEEP,
            heads=(6, 12, 24, 48),
            windows=_WINDOW24,
            trained_windows=_TRAINED,
            separate_biases=True,
            drop_path=0.2,
        ),
        params=196_739_932,
        macs_g=115.4,
        top1=87.6,
        source=_FROM_22K,
        input_size=384,
        eval_resize=384,
        paddleclas="SwinTransformerV2_large_patch4_window24_384",
        note=_AUTHORS_V2,
    ),
)
