"""Which parameter gets which rate and which decay, the same for all optimizers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from imgcls import UserError
from imgcls.component import load
from imgcls.plugins import installed
from imgcls.train.step import set_rate
from imgcls_optim.optimizers import COMPONENTS
from imgcls_optim.optimizers._groups import layer_levels, layer_scales, parameter_groups
from imgcls_optim.optimizers.adamw import AdamW
from imgcls_optim.optimizers.sgd import SGD

each_optimizer = pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))


class Transformer(nn.Module):
    """The names that a vision transformer has."""

    no_weight_decay = frozenset({"position", "class_token"})

    def __init__(self, depth=3, width=4):
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, 5, width))
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.patches = nn.Conv2d(1, width, 2, stride=2)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)


def built(component, model, **options):
    return load(component.build)(component.options(**{"lr": 0.1, **options}), model=model)


def of_each(optimizer, model):
    """Name -> (rate, decay)."""
    facts = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    return {name: facts[id(p)] for name, p in model.named_parameters() if id(p) in facts}


def test_sgd_decays_everything_by_default():
    net = small()
    sgd = built(next(c for c in COMPONENTS if c.name == "sgd"), net, weight_decay=1e-4)
    (group,) = sgd.param_groups
    assert (group["lr"], group["momentum"], group["nesterov"], group["weight_decay"]) == (0.1, 0.9, True, 1e-4)
    assert [id(p) for p in group["params"]] == [id(p) for p in net.parameters()]


@each_optimizer
def test_biases_and_norms_are_decayed_only_where_told_to(component):
    net = small()
    without = of_each(built(component, net, weight_decay=1e-2, decay_norm_and_bias=False), net)
    assert {name: decay for name, (_, decay) in without.items()} == {
        "0.weight": 1e-2, "0.bias": 0, "1.weight": 0, "1.bias": 0, "3.weight": 1e-2, "3.bias": 0,
    }  # fmt: skip
    everything = of_each(built(component, net, weight_decay=1e-2, decay_norm_and_bias=True), net)
    assert {decay for _, decay in everything.values()} == {1e-2}
    default = of_each(built(component, net, weight_decay=1e-2), net)
    assert default == (everything if component.name == "sgd" else without)


@each_optimizer
@pytest.mark.parametrize("everything", [True, False])
def test_frozen_parameters_are_left_out(component, everything):
    net = small()
    net[0].weight.requires_grad_(False)
    net[1].requires_grad_(False)
    found = of_each(built(component, net, decay_norm_and_bias=everything), net)
    assert list(found) == ["0.bias", "3.weight", "3.bias"]


@each_optimizer
def test_a_model_without_anything_to_train_is_refused(component):
    with pytest.raises(UserError, match="every parameter of the model is frozen"):
        built(component, small().requires_grad_(False))


@each_optimizer
@pytest.mark.parametrize("everything", [True, False])
def test_what_the_model_lists_is_never_decayed(component, everything):
    net = Transformer()
    found = of_each(built(component, net, weight_decay=0.3, decay_norm_and_bias=everything), net)
    assert found["position"][1] == found["class_token"][1] == 0
    assert found["patches.weight"][1] == found["blocks.1.mlp.2.weight"][1] == 0.3
    assert found["norm.weight"][1] == found["head.bias"][1] == (0.3 if everything else 0)


def test_a_list_of_what_is_no_parameter_is_an_error_of_the_model():
    net = small()
    net.no_weight_decay = {"pos_embed"}
    with pytest.raises(ValueError, match=r"Sequential names no parameters: \['pos_embed'\]"):
        parameter_groups(net, AdamW(lr=1.0), None)


@each_optimizer
def test_each_groups_own_rate_is_multiplied_by_the_schedule(component):
    net = Transformer()
    optimizer = built(component, net, layer_decay=0.5, weight_decay=0.1)
    before = of_each(optimizer, net)
    for factor in (0.5, 0.1, 1.0):
        set_rate(optimizer, factor)
        found = of_each(optimizer, net)
        assert {name: rate for name, (rate, _) in found.items()} == pytest.approx(
            {name: rate * factor for name, (rate, _) in before.items()}
        )


@each_optimizer
def test_rates_of_a_transformer_fall_from_the_head_down_to_the_patches(component):
    net = Transformer(depth=3)
    found = {name: rate for name, (rate, _) in of_each(built(component, net, layer_decay=0.5), net).items()}
    levels = {"position": 0, "class_token": 0, "patches.weight": 0, "blocks.0.norm1.bias": 1,
              "blocks.1.mlp.0.weight": 2, "blocks.1.mlp.2.bias": 2, "blocks.2.attention.weight": 3,
              "norm.weight": 4, "head.weight": 4}  # fmt: skip
    assert {name: found[name] for name in levels} == pytest.approx(
        {name: 0.1 * 0.5 ** (4 - level) for name, level in levels.items()}
    )


def test_rates_of_a_resnet18_fall_block_by_block():
    component = installed().find("models", "resnet18").component
    net = load(component.build)(component.defaults, num_classes=5, in_channels=3)
    names = [name for name, _ in net.named_parameters()]
    levels = dict(zip(names, layer_levels(names), strict=True))
    blocks = ["layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1", "layer4.0", "layer4.1"]
    for at, block in enumerate(blocks, start=1):
        assert {levels[name] for name in names if name.startswith(f"{block}.")} == {at}
    assert {levels[name] for name in names if name.startswith(("conv1", "bn1"))} == {0}
    assert levels["fc.weight"] == levels["fc.bias"] == 9
    groups = parameter_groups(net, SGD(lr=1.0, layer_decay=0.75), None)
    assert [group["lr"] for group in groups] == pytest.approx([0.75 ** (9 - at) for at in range(10)])
    assert sum(len(group["params"]) for group in groups) == len(names)


@pytest.mark.parametrize(("names", "levels"), [
    (["stem.weight", "stages.0.blocks.0.w", "stages.0.blocks.1.mlp.0.w", "stages.0.downsample.w",
      "stages.1.blocks.0.w", "norm.w", "head.w"], [0, 1, 2, 3, 4, 5, 5]),
    (["features.0.weight", "features.0.bias", "features.3.weight", "classifier.1.weight"], [0, 0, 1, 2]),
    (["conv1.weight", "conv1.bias", "fc1.weight", "fc2.weight"], [0, 0, 1, 2]),
    (["blocks.0.0.conv.w", "blocks.0.1.conv.w", "blocks.1.0.conv.w"], [0, 1, 2]),
    (["stem.w", "layer1.0.w", "transition.w", "layer2.0.w", "fc.w"], [0, 1, 1, 2, 3]),
    (["weight", "bias"], [0, 0]),
    (["layer2d.conv3x3.weight", "layer2d.conv3x3.bias"], [0, 0]),
    ([], []),
])  # fmt: skip
def test_blocks_are_told_by_names(names, levels):
    assert layer_levels(names) == levels


def test_a_decay_of_one_leaves_the_rates_alike():
    names = [name for name, _ in Transformer().named_parameters()]
    assert set(layer_scales(names, 1.0)) == {1.0}
    assert len(parameter_groups(Transformer(), SGD(lr=1.0), None)) == 1


def test_freezing_does_not_change_the_rates_of_the_rest():
    net = Transformer(depth=3)
    net.blocks[2].requires_grad_(False)
    net.head.requires_grad_(False)
    groups = parameter_groups(net, SGD(lr=1.0, layer_decay=0.5), None)
    assert sorted({group["lr"] for group in groups}) == [0.5**4, 0.5**3, 0.5**2, 1.0]


@each_optimizer
def test_a_rate_for_a_batch_size_is_scaled_to_the_runs(component):
    def rate(**options):
        built = load(component.build)(component.options(lr=0.1, **options), model=small(), batch_size=1024)
        (found,) = {group["lr"] for group in built.param_groups}
        return found

    assert rate() == 0.1
    assert rate(lr_per=256) == pytest.approx(0.4)
    assert rate(lr_per=4096) == pytest.approx(0.025)
    assert rate(lr_per=256, lr_scaling="sqrt") == pytest.approx(0.2)
    assert rate(lr_per=2048, lr_scaling="sqrt") == pytest.approx(0.1 / math.sqrt(2))


def test_a_rate_for_a_batch_size_needs_the_batch_size():
    with pytest.raises(UserError, match="leave lr_per out"):
        parameter_groups(small(), SGD(lr=0.1, lr_per=256), None)
