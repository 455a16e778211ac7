"""Three updates, a checkpoint, three more: the same bits as six updates, for every optimizer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from imgcls.component import load
from imgcls.train.checkpoint import Checkpoints, State
from imgcls.train.step import set_rate
from imgcls_optim.optimizers import COMPONENTS

VARIANTS = [
    *((component, {}) for component in COMPONENTS),
    *((c, {"momentum": 0.9, "centered": True}) for c in COMPONENTS if c.name == "rmsprop"),
    *((c, {"base": "adamw", "adaptive": True}) for c in COMPONENTS if c.name == "sam"),
]


def network(layout):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 5)
    )
    return net.to(memory_format=layout)


def updates(net, optimizer, steps):
    for step in steps:
        drawn = torch.Generator().manual_seed(step)
        images = torch.randn(4, 3, 8, 8, generator=drawn)
        labels = torch.randint(5, (4,), generator=drawn)
        set_rate(optimizer, 1 / (1 + step))
        for again in (True, False):
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(net(images), labels).backward()
            if again and hasattr(optimizer, "ascend"):
                optimizer.ascend()
        optimizer.step()


def optimizer_of(component, net, options):
    chosen = {"lr": 0.01, "weight_decay": 0.05, "layer_decay": 0.7, **options}
    return load(component.build)(component.options(**chosen), model=net)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("component", "options"), VARIANTS, ids=lambda value: getattr(value, "name", None))
def test_a_checkpoint_changes_no_bit(tmp_path, component, options, layout):
    whole = network(layout)
    updates(whole, of_whole := optimizer_of(component, whole, options), range(6))

    half = network(layout)
    updates(half, of_half := optimizer_of(component, half, options), range(3))
    checkpoints = Checkpoints(tmp_path, keep=1, warn=pytest.fail)
    checkpoints.save(half, of_half, State(step=3), "{}")
    checkpoints.finish()

    torch.manual_seed(99)
    rest = network(layout)
    for parameter in rest.parameters():
        nn.init.normal_(parameter)
    of_rest = optimizer_of(component, rest, options)
    updates(rest, of_rest, range(90, 91))  # a state that must be replaced
    checkpoints.restore(3, rest, of_rest)
    updates(rest, of_rest, range(3, 6))

    for name, value in whole.state_dict().items():
        assert torch.equal(value, rest.state_dict()[name]), name
    expected, found = of_whole.state_dict(), of_rest.state_dict()
    assert [group["lr"] for group in found["param_groups"]] == [group["lr"] for group in expected["param_groups"]]
    assert found["state"].keys() == expected["state"].keys()
    for number, entry in expected["state"].items():
        for key, value in entry.items():
            same = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
            assert same(value, found["state"][number][key]), (number, key)
