"""LeNet-5."""

from typing import Annotated, Literal

from imgcls import options
from imgcls_zoo.catalog.family import Family


@options
class LeNet5:
    """LeCun et al., 1998, Gradient-based learning applied to document recognition."""

    activation: Annotated[Literal["tanh", "relu"], "tanh is the paper's"] = "tanh"
    pooling: Annotated[Literal["average", "max"], "average is the paper's"] = "average"
    padding: Annotated[Literal[0, 2], "of the first convolution: 0 for 32 pixels, 2 for 28"] = 0


_LENET = Family(
    build="imgcls_zoo.lenet:build",
    year=1998,
    paper="Proc. IEEE 86(11)",
    source="counted by hand from the paper's Figure 2",
    input_size=32,
    eval_resize=32,
    mean=(0.5,),
    std=(0.5,),
    classes=10,
)

# multiply-adds: C1 117,600, C3 240,000, C5 48,000, F6 10,080, output 840
MODELS = (
    _LENET.row("lenet5", LeNet5(), params=61_706, macs_g=0.00041652),
    _LENET.row("lenet5_28", LeNet5(padding=2), params=61_706, macs_g=0.00041652, input_size=28, eval_resize=28),
)
