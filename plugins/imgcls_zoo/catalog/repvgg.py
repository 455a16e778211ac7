"""RepVGG."""

from typing import Annotated

from annotated_types import Gt

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class RepVGG:
    """Ding et al., 2021, arXiv:2101.03697: a plain network at inference, one of three branches in training."""

    layers: Annotated[tuple[int, int, int, int], "blocks in each stage after the first, which is one block"]
    widths: Annotated[tuple[float, float], "multipliers a, of stages 1 to 3 (64, 128, 256), and b, of 4 (512)"]
    groups: Annotated[int, Gt(0), "of the convolutions of every second block"] = 1
    squeeze_excite: Annotated[bool, "after each block's sum, as in D2se"] = False


_REPVGG = Family(
    build="imgcls_zoo.repvgg:build",
    layouts="imgcls_zoo.repvgg:layouts",
    year=2021,
    paper="arXiv:2101.03697",
    source="MMPretrain's table of the authors' weights",
)


def _listed(params_m: float, macs_g: float) -> str:
    return f"PaddleClas lists what for_inference() returns, {params_m} M parameters and {macs_g} G multiply-adds"


def _deployed(params_m: float, macs_g: float) -> str:
    return f"for_inference() returns {params_m} M parameters and {macs_g} G multiply-adds"


_AT_320 = "; trained at 224 pixels, which the figures are for; at 320, as PaddleClas has it, the top-1 is 83.55 %"

MODELS = (
    _REPVGG.row(
        "repvgg_a0",
        RepVGG(layers=(2, 4, 14, 1), widths=(0.75, 2.5)),
        params=9_108_968,
        macs_g=1.52,
        top1=72.41,
        paddleclas="RepVGG_A0",
        note=_listed(8.31, 1.36),
    ),
    _REPVGG.row(
        "repvgg_a1",
        RepVGG(layers=(2, 4, 14, 1), widths=(1.0, 2.5)),
        params=14_092_264,
        macs_g=2.64,
        top1=74.47,
        paddleclas="RepVGG_A1",
        note=_listed(12.79, 2.37),
    ),
    _REPVGG.row(
        "repvgg_a2",
        RepVGG(layers=(2, 4, 14, 1), widths=(1.5, 2.75)),
        params=28_210_600,
        macs_g=5.7,
        top1=76.48,
        paddleclas="RepVGG_A2",
        note=_listed(25.50, 5.12),
    ),
    _REPVGG.row(
        "repvgg_b0",
        RepVGG(layers=(4, 6, 16, 1), widths=(1.0, 2.5)),
        params=15_817_960,
        macs_g=3.42,
        top1=75.14,
        paddleclas="RepVGG_B0",
        note=_listed(14.34, 3.06),
    ),
    _REPVGG.row(
        "repvgg_b1",
        RepVGG(layers=(4, 6, 16, 1), widths=(2.0, 4.0)),
        params=57_415_016,
        macs_g=13.16,
        top1=78.37,
        paddleclas="RepVGG_B1",
        note=_listed(51.83, 11.82),
    ),
    _REPVGG.row(
        "repvgg_b1g2",
        RepVGG(layers=(4, 6, 16, 1), widths=(2.0, 4.0), groups=2),
        params=45_782_376,
        macs_g=9.82,
        top1=77.79,
        paddleclas="RepVGG_B1g2",
        note=_listed(41.36, 8.82),
    ),
    _REPVGG.row(
        "repvgg_b1g4",
        RepVGG(layers=(4, 6, 16, 1), widths=(2.0, 4.0), groups=4),
        params=39_966_056,
        macs_g=8.15,
        top1=77.58,
        paddleclas="RepVGG_B1g4",
        note=_listed(36.13, 7.32),
    ),
    _REPVGG.row(
        "repvgg_b2",
        RepVGG(layers=(4, 6, 16, 1), widths=(2.5, 5.0)),
        params=89_022_376,
        macs_g=20.46,
        top1=78.78,
        paddleclas="RepVGG_B2",
        note=_listed(80.32, 18.39),
    ),
    _REPVGG.row(
        "repvgg_b2g4",
        RepVGG(layers=(4, 6, 16, 1), widths=(2.5, 5.0), groups=4),
        params=61_758_376,
        macs_g=12.63,
        top1=79.38,
        paddleclas="RepVGG_B2g4",
        note=_listed(55.78, 11.34),
    ),
    _REPVGG.row(
        "repvgg_b3",
        RepVGG(layers=(4, 6, 16, 1), widths=(3.0, 5.0)),
        params=123_085_288,
        macs_g=29.17,
        top1=80.52,
        paddleclas="RepVGG_B3",
        note=_deployed(110.96, 26.22),
    ),
    _REPVGG.row(
        "repvgg_b3g4",
        RepVGG(layers=(4, 6, 16, 1), widths=(3.0, 5.0), groups=4),
        params=83_825_128,
        macs_g=17.9,
        top1=80.22,
        paddleclas="RepVGG_B3g4",
        note=_deployed(75.63, 16.08),
    ),
    _REPVGG.row(
        "repvgg_d2se",
        RepVGG(layers=(8, 14, 24, 1), widths=(2.5, 5.0), squeeze_excite=True),
        params=133_334_836,
        macs_g=36.56,
        top1=81.81,
        paddleclas="RepVGG_D2se",
        note=_deployed(120.39, 32.85) + _AT_320,
    ),
)
