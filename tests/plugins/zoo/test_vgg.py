import math

import pytest
import torch
from tests.plugins.zoo.models import built, on_meta
from torch import nn


def convolutions(model):
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_the_number_is_that_of_layers_with_weights(depth):
    model = on_meta(f"vgg{depth}")
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    assert len(convolutions(model)) + len(linear) == depth
    norms = [module for module in on_meta(f"vgg{depth}_bn").modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == len(convolutions(model))


def test_layers_start_as_the_papers_say():
    model = built("vgg16_bn_cifar", 1000)
    for conv in convolutions(model)[1:]:
        expected = math.sqrt(2 / (9 * conv.out_channels))
        assert conv.weight.std().item() == pytest.approx(expected, rel=0.03)
        assert not conv.bias.any()
    assert model.classifier.weight.std().item() == pytest.approx(0.01, rel=0.03)
    assert not model.classifier.bias.any()


def test_dropout_is_before_the_second_and_third_fully_connected_layer():
    kinds = [type(module).__name__ for module in on_meta("vgg11", dropout=0.3).classifier]
    assert kinds == ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    assert on_meta("vgg11", dropout=0.3).classifier[2].p == 0.3


def test_the_variant_for_cifar_has_one_linear_layer_on_one_pixel():
    model = built("vgg16_bn_cifar")
    assert isinstance(model.classifier, nn.Linear)
    assert model.features(torch.zeros(1, 3, 32, 32)).shape == (1, 512, 1, 1)
