"""The models there are: one row a variant. Imports no torch."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt

from imgcls import Component, options

# Means and deviations of ImageNet-1k's training images, in 0..1, as every published weight file uses them.
IMAGENET = {"channels": 3, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@options
class LeNet5:
    """LeCun et al., 1998, Gradient-based learning applied to document recognition."""

    activation: Annotated[Literal["tanh", "relu"], "tanh is the paper's"] = "tanh"
    pooling: Annotated[Literal["average", "max"], "average is the paper's"] = "average"


@options
class ResNet:
    """He et al., 2015, arXiv:1512.03385, with the stride in the 3x3 convolution as in torchvision."""

    block: Annotated[Literal["basic", "bottleneck"], "two 3x3 convolutions, or 1x1, 3x3, 1x1"]
    layers: Annotated[tuple[int, int, int, int], "blocks in each stage"]
    zero_init_residual: Annotated[bool, "start each block as the identity (Goyal et al., 2017)"] = True
    dropout: Annotated[float, Ge(0), Lt(1), "before the classifier"] = 0.0


@dataclass(frozen=True)
class _Row:
    name: str
    build: str
    options: Any
    year: int
    paper: str
    params_m: float  # millions, at the facts' own number of classes
    input_size: int
    eval_resize: int
    top1: float | None = None  # percent on ImageNet-1k, as published by the source
    source: str = ""
    normalisation: Any = None

    def component(self) -> Component:
        facts = {
            "year": self.year,
            "paper": self.paper,
            "params_m": self.params_m,
            "top1": self.top1,
            "source": self.source,
            "input_size": self.input_size,
            "eval_resize": self.eval_resize,
            "interpolation": "bilinear",
            **(self.normalisation or IMAGENET),
        }
        summary = f"{self.params_m:.4g} M parameters, {self.input_size} px, {self.year}, {self.paper}"
        return Component(self.name, self.build, type(self.options), self.options, summary, facts)


_GREY = {"channels": 1, "mean": (0.5,), "std": (0.5,)}
_LENET = "Proc. IEEE 86(11)"
_RESNET = "arXiv:1512.03385"
_TORCHVISION = "torchvision, IMAGENET1K_V1 weights"


def _resnet(
    depth: int,
    block: Literal["basic", "bottleneck"],
    layers: tuple[int, int, int, int],
    params: float,
    top1: float,
) -> _Row:
    return _Row(
        f"resnet{depth}",
        "imgcls_zoo.resnet:build",
        ResNet(block=block, layers=layers),
        2015,
        _RESNET,
        params,
        224,
        256,
        top1,
        _TORCHVISION,
    )


_ROWS = (
    _Row("lenet5", "imgcls_zoo.lenet:build", LeNet5(), 1998, _LENET, 0.061706, 32, 32, normalisation=_GREY),
    _Row(
        "lenet5_28",
        "imgcls_zoo.lenet:build_28",
        LeNet5(),
        1998,
        _LENET,
        0.061706,
        28,
        28,
        normalisation=_GREY,
    ),
    _resnet(18, "basic", (2, 2, 2, 2), 11.689512, 69.758),
    _resnet(34, "basic", (3, 4, 6, 3), 21.797672, 73.314),
    _resnet(50, "bottleneck", (3, 4, 6, 3), 25.557032, 76.130),
    _resnet(101, "bottleneck", (3, 4, 23, 3), 44.549160, 77.374),
    _resnet(152, "bottleneck", (3, 8, 36, 3), 60.192808, 78.312),
)

MODELS = tuple(row.component() for row in _ROWS)
