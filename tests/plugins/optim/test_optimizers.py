"""Each optimizer's first updates against numpy code written from the paper's formulas, in float64."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from imgcls import UserError
from imgcls.component import load
from imgcls.train.step import set_rate
from imgcls_optim.optimizers import COMPONENTS
from imgcls_optim.optimizers._rmsprop_tf import RMSpropTF

STEPS = 5
FACTORS = (1.0, 0.5, 2.0, 0.1, 1.0)  # of the schedule, so that it shows where the rate goes in
BUILT = {component.name: component for component in COMPONENTS}


def sgd(w, gradients, rates, decay, adapts, momentum=0.9, nesterov=True):
    moving = None
    for g, lr in zip(gradients, rates, strict=True):
        g = g + decay * w
        moving = g if moving is None else momentum * moving + g
        w = w - lr * (g + momentum * moving if nesterov else moving)
    return w


def adamw(w, gradients, rates, decay, adapts, b1=0.9, b2=0.999, eps=1e-8):
    m = v = np.zeros_like(w)
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), start=1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        w = w - lr * decay * w
        w = w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
    return w


def rmsprop(w, gradients, rates, decay, adapts, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    square = average = moving = np.zeros_like(w)
    for g, lr in zip(gradients, rates, strict=True):
        g = g + decay * w
        square, average = alpha * square + (1 - alpha) * g * g, alpha * average + (1 - alpha) * g
        root = np.sqrt(square - average**2 if centered else square)
        moving = momentum * moving + g / (root + eps)
        w = w - lr * moving
    return w


def rmsprop_tf(w, gradients, rates, decay, adapts, alpha=0.9, eps=1e-3, momentum=0.9):
    square, moving = np.ones_like(w), np.zeros_like(w)
    for g, lr in zip(gradients, rates, strict=True):
        g = g + decay * w
        square = square + (1 - alpha) * (g * g - square)
        moving = momentum * moving + lr * g / np.sqrt(square + eps)
        w = w - moving
    return w


def lars(w, gradients, rates, decay, adapts, momentum=0.9, trust=1e-3):
    moving = np.zeros_like(w)
    for g, lr in zip(gradients, rates, strict=True):
        of_w, of_g = np.linalg.norm(w), np.linalg.norm(g)
        local = trust * of_w / (of_g + decay * of_w) if adapts and of_w and of_g else 1.0
        moving = momentum * moving + lr * local * (g + decay * w)
        w = w - moving
    return w


def lamb(w, gradients, rates, decay, adapts, b1=0.9, b2=0.999, eps=1e-6):
    m = v = np.zeros_like(w)
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), start=1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        u = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps) + decay * w
        of_w, of_u = np.linalg.norm(w), np.linalg.norm(u)
        w = w - lr * (of_w / of_u if adapts and of_w and of_u else 1.0) * u
    return w


def lion(w, gradients, rates, decay, adapts, b1=0.9, b2=0.99):
    m = np.zeros_like(w)
    for g, lr in zip(gradients, rates, strict=True):
        w = w - lr * (np.sign(b1 * m + (1 - b1) * g) + decay * w)
        m = b2 * m + (1 - b2) * g
    return w


def adan(w, gradients, rates, decay, adapts, betas=(0.98, 0.92, 0.99), eps=1e-8):
    # arXiv:2208.06677, Algorithm 1, whose betas are one minus these, with the bias correction of its authors' code
    b1, b2, b3 = betas
    m = v = n = np.zeros_like(w)
    before = gradients[0]
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * (g - before)
        n = b3 * n + (1 - b3) * (g + b2 * (g - before)) ** 2
        root = np.sqrt(n / (1 - b3**t)) + eps
        w = (w - lr * (m / (1 - b1**t) + b2 * v / (1 - b2**t)) / root) / (1 + lr * decay)
        before = g
    return w


CASES = [
    ("sgd", sgd, {}, {}),
    ("sgd", sgd, {"momentum": 0.0, "nesterov": False}, {}),
    ("sgd", sgd, {"momentum": 0.8, "nesterov": False}, {}),
    ("adamw", adamw, {}, {}),
    ("adamw", adamw, {"betas": (0.8, 0.95), "eps": 1e-3}, {"b1": 0.8, "b2": 0.95, "eps": 1e-3}),
    ("rmsprop", rmsprop, {}, {}),
    ("rmsprop", rmsprop, {"momentum": 0.9, "alpha": 0.9, "centered": True, "eps": 1e-3}, {}),
    ("rmsprop_tf", rmsprop_tf, {}, {}),
    ("rmsprop_tf", rmsprop_tf, {"alpha": 0.7, "eps": 0.1, "momentum": 0.0}, {}),
    ("lars", lars, {}, {}),
    ("lars", lars, {"momentum": 0.5, "trust": 0.02}, {}),
    ("lamb", lamb, {}, {}),
    ("lamb", lamb, {"betas": (0.8, 0.95), "eps": 1e-3}, {"b1": 0.8, "b2": 0.95, "eps": 1e-3}),
    ("lion", lion, {}, {}),
    ("lion", lion, {"betas": (0.95, 0.98)}, {"b1": 0.95, "b2": 0.98}),
    ("adan", adan, {}, {}),
    ("adan", adan, {"betas": (0.9, 0.8, 0.7), "eps": 1e-3}, {}),
]


def network():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4)).double()
    nn.init.normal_(net[1].weight)
    return net


def gradients_of(net, seed=1):
    drawn = torch.Generator().manual_seed(seed)
    return [
        {name: torch.randn(p.shape, generator=drawn, dtype=p.dtype) for name, p in net.named_parameters()}
        for _ in range(STEPS)
    ]


def train(optimizer, net, gradients, factors):
    for each, factor in zip(gradients, factors, strict=True):
        for name, parameter in net.named_parameters():
            parameter.grad = each[name].clone()
        set_rate(optimizer, factor)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def run(name, net, gradients, factors=FACTORS, **options):
    optimizer = load(BUILT[name].build)(BUILT[name].options(**{"lr": 0.05, **options}), model=net)
    train(optimizer, net, gradients, factors)
    return optimizer


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("name", "formula", "options", "settings"), CASES)
def test_updates_are_the_papers(name, formula, options, settings, decay, layout):
    net = network()
    gradients = gradients_of(net)
    settings = settings or options
    expected = {
        key: formula(
            parameter.detach().numpy().copy(),
            [each[key].numpy() for each in gradients],
            [0.05 * factor for factor in FACTORS],
            decay if parameter.ndim > 1 else 0.0,
            parameter.ndim > 1,
            **settings,
        )
        for key, parameter in net.named_parameters()
    }
    net.to(memory_format=layout)
    run(name, net, gradients, weight_decay=decay, decay_norm_and_bias=False, **options)
    for key, parameter in net.named_parameters():
        np.testing.assert_allclose(parameter.detach().numpy(), expected[key], rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize(("name", "formula"), [("lars", lars), ("lamb", lamb)])
def test_biases_and_norms_adapt_and_decay_where_told_to(name, formula):
    net = network()
    gradients = gradients_of(net)
    start = net[1].weight.detach().numpy().copy()
    run(name, net, gradients, weight_decay=0.1, decay_norm_and_bias=True, adapt_norm_and_bias=True)
    rates = [0.05 * factor for factor in FACTORS]
    expected = formula(start, [each["1.weight"].numpy() for each in gradients], rates, 0.1, True)
    np.testing.assert_allclose(net[1].weight.detach().numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["lars", "lamb"])
def test_a_layer_of_zeros_leaves_zero(name):
    net = network()
    nn.init.zeros_(net[3].weight)
    run(name, net, gradients_of(net), weight_decay=0.1)
    assert net[3].weight.isfinite().all()
    assert net[3].weight.abs().min() > 0


@pytest.mark.parametrize("name", BUILT)
def test_gradients_of_zero_leave_the_weights_finite(name):
    net = network()
    zeros = [{key: torch.zeros_like(g) for key, g in each.items()} for each in gradients_of(net)]
    optimizer = load(BUILT[name].build)(BUILT[name].options(lr=0.05), model=net)
    before = copy.deepcopy(net.state_dict())
    for each in zeros:
        for key, parameter in net.named_parameters():
            parameter.grad = each[key]
        if name == "sam":
            optimizer.ascend()
        optimizer.step()
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("name", [name for name in BUILT if name != "sam"])
def test_a_parameter_without_a_gradient_stays_and_may_get_one_later(name):
    net = network()
    first, then, *_ = gradients_of(net)
    optimizer = load(BUILT[name].build)(BUILT[name].options(lr=0.05, weight_decay=0.1), model=net)
    before = net[3].weight.detach().clone()
    for key, parameter in net.named_parameters():
        parameter.grad = None if key == "3.weight" else first[key].clone()
    optimizer.step()
    assert torch.equal(net[3].weight, before)
    net[3].weight.grad = then["3.weight"].clone()
    optimizer.step()
    assert net[3].weight.isfinite().all()
    assert not torch.equal(net[3].weight, before)


@pytest.mark.parametrize("name", ["rmsprop_tf", "lars", "lamb", "muon"])
def test_what_is_written_here_leaves_gradients_as_they_are(name):
    net = network()
    gradients = gradients_of(net)[0]
    optimizer = load(BUILT[name].build)(BUILT[name].options(lr=0.05, weight_decay=0.1), model=net)
    for key, parameter in net.named_parameters():
        parameter.grad = gradients[key].clone()
    optimizer.step()
    for key, parameter in net.named_parameters():
        assert torch.equal(parameter.grad, gradients[key])


def test_tensorflows_rmsprop_bounds_a_step_where_torchs_does_not():
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = RMSpropTF([{"params": [weight], "lr": 1.0, "weight_decay": 0.0}], 0.9, 1e-3, 0.0)
    for _ in range(400):
        weight.grad = torch.zeros(1, dtype=torch.float64)
        optimizer.step()
    weight.grad = torch.tensor([1e-6], dtype=torch.float64)
    optimizer.step()
    assert abs(weight.item()) == pytest.approx(1e-6 / np.sqrt(1e-3), rel=1e-3)


@pytest.mark.parametrize(("name", "more"), [("sgd", {}), ("sam", {"base": "sgd"})])
def test_nesterov_without_momentum_is_refused_with_a_way_out(name, more):
    component = BUILT[name]
    with pytest.raises(UserError, match="nesterov = false"):
        load(component.build)(component.options(lr=0.1, momentum=0.0, **more), model=network())
    load(component.build)(component.options(lr=0.1, momentum=0.0, nesterov=False, **more), model=network())


@pytest.mark.parametrize("name", BUILT)
def test_a_small_problem_is_solved(name):
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
    inputs = torch.randn(96, 6)
    labels = (inputs @ torch.randn(6, 3)).argmax(1)
    rates = {"sgd": 0.1, "sam": 0.1, "lars": 0.2, "lion": 3e-3, "adan": 3e-2, "lamb": 3e-2}
    more = {"trust": 0.05} if name == "lars" else {}
    optimizer = load(BUILT[name].build)(BUILT[name].options(lr=rates.get(name, 1e-2), **more), model=net)

    def backward():
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(net(inputs), labels)
        loss.backward()
        return loss.item()

    losses = []
    for step in range(100):
        set_rate(optimizer, 1 - step / 100)
        losses.append(backward())
        if name == "sam":
            optimizer.ascend()
            backward()
        optimizer.step()
    assert losses[-1] < 0.25 * losses[0], losses[::20]
