"""Convolution, normalisation, activation: the word that most families are made of."""

from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

Module = Callable[..., nn.Module]


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: the output is the input's size divided by the stride, rounded up.

    Where the padding is odd, the additional row and column are at the bottom and at the right, so that with a
    stride of 2 the grid lies half a pixel off that of symmetric padding. Weights that were trained in
    TensorFlow (EfficientNet, MixNet, MobileNetV3) lose accuracy without it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        top, bottom = _same(x.shape[-2], self.kernel_size[0], self.stride[0], self.dilation[0])
        left, right = _same(x.shape[-1], self.kernel_size[1], self.stride[1], self.dilation[1])
        if top == bottom and left == right:
            padding = (top, left)
        else:
            x, padding = functional.pad(x, (left, right, top, bottom)), (0, 0)
        return functional.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    whole = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return whole // 2, whole - whole // 2


class ConvNormAct(nn.Sequential):
    """A convolution without bias, its normalisation, and an activation.

    Args:
        inputs, outputs: channels.
        kernel: size in pixels.
        stride, groups, dilation: as of ``nn.Conv2d``.
        norm: makes the normalisation of so many channels; None: there is none, and the convolution has a bias.
        activation: a class that is called with ``inplace=True`` where it has that; None: there is none.
        padding: in pixels; unset: half of the kernel, so that a stride of 1 keeps the size.
        same: pad as TensorFlow does, see :class:`SameConv2d`.
        names: of convolution, normalisation and activation within the module. By default those of
            torchvision's models; the authors' where weights of theirs are to load.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int] = 3,
        stride: int = 1,
        *,
        groups: int = 1,
        dilation: int = 1,
        norm: Module | None = nn.BatchNorm2d,
        activation: Module | None = nn.ReLU,
        padding: int | tuple[int, int] | None = None,
        same: bool = False,
        names: tuple[str, str, str] = ("0", "1", "2"),
    ) -> None:
        if padding is None:
            rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
            padding = ((rows - 1) // 2 * dilation, (columns - 1) // 2 * dilation)
        conv = SameConv2d if same else nn.Conv2d
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers[names[0]] = conv(
            inputs, outputs, kernel, stride, 0 if same else padding, dilation, groups, bias=norm is None
        )
        if norm is not None:
            layers[names[1]] = norm(outputs)
        if activation is not None:
            layers[names[2]] = activated(activation)
        super().__init__(layers)


def activated(activation: Module) -> nn.Module:
    """Return an activation, in place where that saves a tensor a layer.

    Of the others, autograd keeps the input, and would copy it first.
    """
    in_place = (nn.ReLU, nn.ReLU6, nn.LeakyReLU)
    return activation(inplace=True) if activation in in_place else activation()


def make_divisible(value: float, divisor: int = 8, least: int | None = None) -> int:
    """Return a number of channels that is a multiple, never more than 10 % below the value.

    Howard et al., 2017, arXiv:1704.04861 and everything after it scales widths so.
    """
    rounded = max(divisor if least is None else least, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded
