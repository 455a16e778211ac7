"""Sharpness-aware minimization: up to the worst neighbour, back to the bit, and the base's step from there."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from imgcls_optim.optimizers.adamw import AdamW
from imgcls_optim.optimizers.adamw import build as build_adamw
from imgcls_optim.optimizers.sam import SAM, build
from imgcls_optim.optimizers.sgd import SGD
from imgcls_optim.optimizers.sgd import build as build_sgd


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Tanh(), nn.Linear(7, 3)).double()


def batch(seed):
    drawn = torch.Generator().manual_seed(seed)
    inputs = torch.randn(9, 5, generator=drawn, dtype=torch.float64)
    return inputs, torch.randint(3, (9,), generator=drawn)


def backward(net, seed):
    net.zero_grad(set_to_none=True)
    inputs, labels = batch(seed)
    loss = nn.functional.cross_entropy(net(inputs), labels)
    loss.backward()
    return loss.item()


def weights(net):
    return {name: parameter.detach().clone() for name, parameter in net.named_parameters()}


def test_ascending_goes_the_radius_along_the_gradient():
    net = network()
    optimizer = build(SAM(lr=0.1, rho=0.3), model=net)
    low = backward(net, 0)
    before, gradients = weights(net), {name: p.grad.clone() for name, p in net.named_parameters()}
    norm = torch.cat([g.flatten() for g in gradients.values()]).norm()
    optimizer.ascend()
    for name, value in weights(net).items():
        torch.testing.assert_close(value, before[name] + 0.3 * gradients[name] / norm)
    assert torch.cat(
        [(p.detach() - before[n]).flatten() for n, p in net.named_parameters()]
    ).norm() == pytest.approx(0.3)
    assert backward(net, 0) > low


def test_adaptively_a_weight_goes_as_far_as_its_size_allows():
    net = network()
    optimizer = build(SAM(lr=0.1, rho=0.5, adaptive=True), model=net)
    backward(net, 0)
    before, gradients = weights(net), {name: p.grad.clone() for name, p in net.named_parameters()}
    scale = {
        name: torch.ones_like(value) if name.endswith("bias") else value.abs() + 0.01
        for name, value in before.items()
    }
    norm = torch.cat([(scale[name] * gradients[name]).flatten() for name in before]).norm()
    optimizer.ascend()
    for name, value in weights(net).items():
        torch.testing.assert_close(value, before[name] + 0.5 * scale[name] ** 2 * gradients[name] / norm)


@pytest.mark.parametrize("base", ["sgd", "adamw"])
def test_an_update_is_the_bases_step_with_the_neighbours_gradients(base):
    net, plain = network(), network()
    optimizer = build(SAM(lr=0.1, base=base, weight_decay=0.01), model=net)
    if base == "sgd":
        below = build_sgd(SGD(lr=0.1, weight_decay=0.01, decay_norm_and_bias=False), model=plain)
    else:
        below = build_adamw(AdamW(lr=0.1, weight_decay=0.01), model=plain)
    for seed in range(4):
        backward(net, seed)
        optimizer.ascend()
        neighbour = copy.deepcopy(net)
        backward(neighbour, seed)
        backward(net, seed)
        optimizer.step()
        for parameter, at in zip(plain.parameters(), neighbour.parameters(), strict=True):
            parameter.grad = at.grad
        below.step()
        for name, value in weights(plain).items():
            assert torch.equal(value, weights(net)[name]), name


def test_the_way_back_is_exact():
    net = network().float()
    optimizer = build(SAM(lr=0.1, rho=1e4), model=net)
    before = weights(net)
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.ascend()
    optimizer.zero_grad()
    optimizer.step()  # no gradient: the base does nothing
    for name, value in weights(net).items():
        assert torch.equal(value, before[name])


def test_passes_in_the_wrong_order_are_errors():
    net = network()
    optimizer = build(SAM(lr=0.1), model=net)
    backward(net, 0)
    with pytest.raises(RuntimeError, match=r"call ascend\(\) after the first"):
        optimizer.step()
    optimizer.ascend()
    with pytest.raises(RuntimeError, match="without a step"):
        optimizer.ascend()


def test_an_update_can_be_given_up_halfway():
    net = network()
    optimizer = build(SAM(lr=0.1, rho=0.7), model=net)
    before = weights(net)
    optimizer.retreat()
    backward(net, 0)
    optimizer.ascend()
    assert not torch.equal(net[0].weight, before["0.weight"])
    optimizer.retreat()
    for name, value in weights(net).items():
        assert torch.equal(value, before[name])
    optimizer.ascend()


def test_its_state_is_the_bases():
    net = network()
    optimizer = build(SAM(lr=0.1), model=net)
    backward(net, 0)
    optimizer.ascend()
    backward(net, 0)
    optimizer.step()
    plain = build_sgd(SGD(lr=0.1, decay_norm_and_bias=False), model=net)
    plain.load_state_dict(optimizer.state_dict())
    assert all(
        torch.equal(plain.state[p]["momentum_buffer"], s["momentum_buffer"]) for p, s in optimizer.state.items()
    )
