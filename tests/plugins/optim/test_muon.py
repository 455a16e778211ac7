"""Muon for the hidden weights, AdamW for the rest, one state."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from imgcls.component import load
from imgcls.plugins import installed
from imgcls.train.step import set_rate
from imgcls_optim.optimizers._muon import hidden_weights
from imgcls_optim.optimizers.muon import Muon, build


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(24, 8), nn.Linear(8, 3)
    )


def give_gradients(net, seed):
    drawn = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=drawn)


def orthogonal(matrix):
    """Five iterations of Newton and Schulz, as the post has them: kellerjordan.github.io/posts/muon."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16() / (matrix.bfloat16().norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).float()


def test_hidden_are_the_weights_between_the_first_and_the_last():
    assert hidden_weights(network()) == {"2.weight", "4.weight"}
    component = installed().find("models", "resnet18").component
    net = load(component.build)(component.defaults, num_classes=5, in_channels=3)
    hidden = hidden_weights(net)
    assert not {"conv1.weight", "fc.weight", "bn1.weight"} & hidden
    assert {"layer1.0.conv1.weight", "layer4.1.conv2.weight", "layer2.0.downsample.0.weight"} <= hidden
    assert len(hidden) == 19


def test_embeddings_and_what_the_model_lists_are_not_hidden():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.position_weight = nn.Parameter(torch.zeros(1, 4, 8))
            self.patches = nn.Conv2d(1, 8, 2)
            self.embedding = nn.Embedding(3, 8)
            self.attention = nn.MultiheadAttention(8, 2)
            self.table = nn.Parameter(torch.zeros(4, 2))
            self.head = nn.Linear(8, 2)
            self.no_weight_decay = {"position_weight"}

    assert hidden_weights(Net()) == {"attention.in_proj_weight", "attention.out_proj.weight"}


@pytest.mark.parametrize("scale", ["adamw", "original"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_matrices_are_updated_as_torchs_muon_does_and_the_rest_as_its_adamw(scale, nesterov):
    ours, torchs = network(), network()
    options = Muon(lr=0.02, momentum=0.9, nesterov=nesterov, scale=scale, adamw_lr=0.003, weight_decay=0.1)
    optimizer = build(options, model=ours)
    muon = torch.optim.Muon(
        [torchs[4].weight], lr=0.02, momentum=0.9, nesterov=nesterov, weight_decay=0.1,
        adjust_lr_fn="match_rms_adamw" if scale == "adamw" else "original",
    )  # fmt: skip
    vectors = [torchs[0].bias, torchs[1].weight, torchs[1].bias, torchs[2].bias, torchs[4].bias, torchs[5].bias]
    adamw = torch.optim.AdamW(
        [{"params": [torchs[0].weight, torchs[5].weight], "weight_decay": 0.1},
         {"params": vectors, "weight_decay": 0.0}], lr=0.003,
    )  # fmt: skip
    for seed, factor in enumerate((1.0, 0.3, 0.7)):
        for net, optimizers in ((ours, [optimizer]), (torchs, [muon, adamw])):
            give_gradients(net, seed)
            for each in optimizers:
                set_rate(each, factor)
                each.step()
    for (name, found), expected in zip(ours.named_parameters(), torchs.parameters(), strict=True):
        if name != "2.weight":
            assert torch.equal(found, expected), name


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_is_a_matrix_of_its_outputs(layout):
    net = network().to(memory_format=layout)
    start = net[2].weight.detach().clone()
    optimizer = build(Muon(lr=0.02, weight_decay=0.1), model=net)
    moving, expected = torch.zeros(6, 36), start.flatten(1)
    for seed in range(3):
        give_gradients(net, seed)
        gradient = net[2].weight.grad.flatten(1).clone()
        optimizer.step()
        moving = 0.95 * moving + 0.05 * gradient
        step = orthogonal(0.05 * gradient + 0.95 * moving)
        expected = (1 - 0.02 * 0.1) * expected - 0.02 * 0.2 * 36**0.5 * step
    torch.testing.assert_close(net[2].weight.detach().flatten(1), expected, atol=2e-3, rtol=2e-2)
    assert net[2].weight.is_contiguous(memory_format=layout)


def test_a_step_has_singular_values_near_one():
    net = network()
    before = net[4].weight.detach().clone()
    optimizer = build(Muon(lr=1.0, scale="original"), model=net)
    give_gradients(net, 0)
    optimizer.step()
    values = torch.linalg.svdvals(net[4].weight.detach() - before)
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_adamws_rate_is_lr_unless_given():
    rates = {group["hidden"]: group["lr"] for group in build(Muon(lr=0.02), model=network()).param_groups}
    assert rates == {True: 0.02, False: 0.02}
    given = build(Muon(lr=0.02, adamw_lr=0.001, lr_per=256), model=network(), batch_size=512)
    assert {group["hidden"]: group["lr"] for group in given.param_groups} == pytest.approx(
        {True: 0.04, False: 0.002}
    )


@pytest.mark.parametrize("trained", [("5.weight", "5.bias"), ("4.weight",)])
def test_with_all_frozen_but_a_layer_one_of_the_two_has_nothing_to_do(trained):
    net = network()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name in trained)
    optimizer = build(Muon(lr=0.02), model=net)
    give_gradients(net, 0)
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    optimizer.step()
    moved = {name for name, parameter in net.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == set(trained)
