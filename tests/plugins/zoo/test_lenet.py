import torch
from tests.plugins.zoo.models import built
from torch import nn


def test_lenet_on_28_is_lenet_on_32_with_a_border_of_zeros():
    one, other = built("lenet5", 10, 1), built("lenet5_28", 10, 1)
    other.load_state_dict(one.state_dict())
    images = torch.randn(3, 1, 28, 28)
    assert torch.allclose(other(images), one(nn.functional.pad(images, (2,) * 4)), atol=1e-6)


def test_options_change_what_they_say():
    paper = built("lenet5_28")
    modern = built("lenet5_28", activation="relu", pooling="max")
    assert isinstance(paper.activation, nn.Tanh)
    assert isinstance(paper.s2, nn.AvgPool2d)
    assert isinstance(modern.activation, nn.ReLU)
    assert isinstance(modern.s4, nn.MaxPool2d)
