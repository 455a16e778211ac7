"""The models are those of the papers, to the last parameter."""

import dataclasses
import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from imgcls.component import load
from imgcls_zoo.catalog import MODELS, LeNet5, ResNet
from imgcls_zoo.lenet import build_28

BY_NAME = {component.name: component for component in MODELS}
# as published by torchvision, at 1,000 classes and three channels
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}


def built(name, num_classes=1000, in_channels=3, **options):
    component = BY_NAME[name]
    chosen = dataclasses.replace(component.defaults, **options)
    torch.manual_seed(0)
    return load(component.build)(chosen, num_classes=num_classes, in_channels=in_channels)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_resnets_have_the_published_number_of_parameters(name, expected):
    with torch.device("meta"):
        assert count(built(name)) == expected


@pytest.mark.parametrize("name", ["lenet5", "lenet5_28"])
def test_lenet_has_the_papers_number_of_parameters(name):
    assert count(built(name, 10, 1)) == 61_706


def test_the_catalogues_facts_are_those_of_the_models():
    for component in MODELS:
        classes, channels = (10, 1) if component.name.startswith("lenet") else (1000, 3)
        with torch.device("meta"):
            assert count(built(component.name, classes, channels)) == round(component.facts["params_m"] * 1e6)
        assert (
            len(component.facts["mean"]) == len(component.facts["std"]) == component.facts["channels"] == channels
        )
        assert component.facts["eval_resize"] >= component.facts["input_size"]


def test_names_are_unique_and_the_catalogue_imports_no_torch():
    assert len(BY_NAME) == len(MODELS)
    code = "import sys, imgcls_zoo.catalog as c; assert c.MODELS; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_parameters_have_torchvisions_names_and_shapes():
    with torch.device("meta"):
        basic, deep = (dict(built(name).state_dict()) for name in ("resnet18", "resnet50"))
    assert {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_mean": (64,),
        "layer1.0.conv1.weight": (64, 64, 3, 3),
        "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer2.0.downsample.1.num_batches_tracked": (),
        "layer4.1.bn2.bias": (512,),
        "fc.weight": (1000, 512),
        "fc.bias": (1000,),
    }.items() <= {name: tuple(tensor.shape) for name, tensor in basic.items()}.items()
    assert {
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer3.5.conv3.weight": (1024, 256, 1, 1),
        "layer4.2.bn3.weight": (2048,),
        "fc.weight": (1000, 2048),
    }.items() <= {name: tuple(tensor.shape) for name, tensor in deep.items()}.items()
    assert (len(basic), len(deep)) == (122, 320)
    assert "layer1.0.downsample.0.weight" not in basic


def test_the_stride_of_a_bottleneck_is_the_3x3s():
    with torch.device("meta"):
        block = built("resnet50").layer2[0]
    assert (block.conv1.stride, block.conv2.stride, block.conv3.stride) == ((1, 1), (2, 2), (1, 1))


CASES = [
    ("lenet5", 10, 1, 32), ("lenet5_28", 10, 1, 28), ("lenet5", 3, 3, 40), ("lenet5_28", 7, 3, 64),
    ("resnet18", 1000, 3, 64), ("resnet18", 10, 1, 32), ("resnet34", 4, 3, 40), ("resnet50", 7, 3, 33),
]  # fmt: skip


@pytest.mark.parametrize(("name", "classes", "channels", "size"), CASES)
def test_any_classes_channels_and_sizes_give_logits_and_every_parameter_a_gradient(name, classes, channels, size):
    options = {"zero_init_residual": False} if name.startswith("resnet") else {}
    model = built(name, classes, channels, **options)
    images, labels = torch.randn(4, channels, size, size), torch.arange(4) % classes
    logits = model(images)
    assert logits.shape == (4, classes)
    nn.functional.cross_entropy(logits, labels).backward()
    dead = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


def test_zero_init_residual_starts_each_block_as_the_identity():
    model = built("resnet50", 10, 3, zero_init_residual=True).train()
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        for block in stage:
            assert torch.equal(block.bn3.weight, torch.zeros_like(block.bn3.weight))
    x = torch.randn(2, 256, 8, 8).relu()
    assert torch.equal(model.layer1[1](x), x)
    ones = built("resnet50", 10, 3, zero_init_residual=False)
    assert torch.equal(ones.layer1[1].bn3.weight, torch.ones(256))


@pytest.mark.parametrize(("name", "classes", "channels", "size"), [
    ("lenet5", 10, 1, 32), ("resnet18", 1000, 3, 64), ("resnet18", 10, 3, 64), ("resnet50", 100, 3, 64),
])  # fmt: skip
def test_the_first_loss_is_that_of_a_guess(name, classes, channels, size):
    model = built(name, classes, channels)
    generator = torch.Generator().manual_seed(1)
    logits = model(torch.randn(16, channels, size, size, generator=generator))
    loss = nn.functional.cross_entropy(logits, torch.arange(16) * 7 % classes).item()
    assert abs(loss - math.log(classes)) < 0.35


def test_lenet_on_28_is_lenet_on_32_with_a_border_of_zeros():
    one, other = built("lenet5", 10, 1), built("lenet5_28", 10, 1)
    other.load_state_dict(one.state_dict())
    images = torch.randn(3, 1, 28, 28)
    assert torch.allclose(other(images), one(nn.functional.pad(images, (2,) * 4)), atol=1e-6)


def test_lenets_options_change_what_they_say():
    paper = build_28(LeNet5(), 10, 1)
    modern = build_28(LeNet5(activation="relu", pooling="max"), 10, 1)
    assert isinstance(paper.activation, nn.Tanh)
    assert isinstance(paper.s2, nn.AvgPool2d)
    assert isinstance(modern.activation, nn.ReLU)
    assert isinstance(modern.s4, nn.MaxPool2d)


def test_dropout_acts_in_training_only():
    model = built("resnet18", 10, 3, dropout=0.5)
    assert model.dropout.p == 0.5
    model.eval()
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(model(images), model(images))
    assert ResNet(block="basic", layers=(1, 1, 1, 1)).dropout == 0
