"""What the tests of all families use."""

import dataclasses
import functools

import torch
from torch.utils.flop_counter import FlopCounterMode

from imgcls.component import load
from imgcls_zoo.catalog import MODELS

BY_NAME = {component.name: component for component in MODELS}


def built(name, num_classes=None, in_channels=None, **options):
    """A model on the current default device, by default with the classes and channels of its facts."""
    component = BY_NAME[name]
    chosen = dataclasses.replace(component.defaults, **options)
    torch.manual_seed(0)
    return load(component.build)(
        chosen,
        num_classes=num_classes or component.facts["classes"],
        in_channels=in_channels or component.facts["channels"],
    )


def on_meta(name, *args, **options):
    with torch.device("meta"):
        return built(name, *args, **options)


@functools.cache
def meta_of(name):
    """The variant on meta, made once: for tests that leave it as it is but for its mode."""
    return on_meta(name)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model, channels, size):
    """Of one image, in billions: convolutions, matrix products and attention; the model may be on meta."""
    device = next(model.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, channels, size, size, device=device))
    return counter.get_total_flops() / 2e9


@functools.cache
def smallest_of_each_family():
    """The names of the variants with the fewest multiply-adds of each builder and each class of options."""
    least = {}
    for component in MODELS:
        key = component.build, component.options
        if key not in least or component.facts["macs_g"] < least[key].facts["macs_g"]:
            least[key] = component
    return sorted(component.name for component in least.values())


# one of each kind of network: what a short run of the tests looks at; the others are among the long tests
QUICK = (
    "lenet5",
    "resnet18",
    "mobilenet_v2_x0_25",
    "shufflenet_v2_x0_25",
    "efficientnet_b0",
    "regnet_x_200mf",
    "vit_ti_16",
)


def marked(names):
    """The names as parameters, those that are not quick among the long tests."""
    import pytest

    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]


def main_logits(outputs):
    return outputs if isinstance(outputs, torch.Tensor) else outputs.logits


def loss_of(outputs, labels):
    cross_entropy = torch.nn.functional.cross_entropy
    if isinstance(outputs, torch.Tensor):
        return cross_entropy(outputs.float(), labels)
    loss = cross_entropy(outputs.logits.float(), labels)
    return loss + sum(weight * cross_entropy(logits.float(), labels) for weight, logits in outputs.auxiliary)
