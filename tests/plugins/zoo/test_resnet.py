import pytest
import torch
from tests.plugins.zoo.models import built, count, on_meta

# as published by torchvision, at 1,000 classes and three channels
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_resnets_have_torchvisions_number_of_parameters(name, expected):
    assert count(on_meta(name)) == expected


def test_the_stride_of_a_bottleneck_is_the_3x3s():
    block = on_meta("resnet50").layer2[0]
    assert (block.conv1.stride, block.conv2.stride, block.conv3.stride) == ((1, 1), (2, 2), (1, 1))


def test_zero_init_residual_starts_each_block_as_the_identity():
    model = built("resnet50", 10, 3, zero_init_residual=True).train()
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        for block in stage:
            assert torch.equal(block.bn3.weight, torch.zeros_like(block.bn3.weight))
    x = torch.randn(2, 256, 8, 8).relu()
    assert torch.equal(model.layer1[1](x), x)
    ones = built("resnet50", 10, 3)
    assert torch.equal(ones.layer1[1].bn3.weight, torch.ones(256))


def test_dropout_acts_in_training_only():
    model = built("resnet18", 10, 3, dropout=0.5)
    assert model.dropout.p == 0.5
    model.eval()
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(model(images), model(images))
