"""Each loss against an explicit computation, on labels and on shares, with its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from imgcls import UserError
from imgcls.component import load
from imgcls_optim.losses import COMPONENTS
from imgcls_optim.losses._weighting import Weighted, class_weights
from imgcls_optim.losses.binary_cross_entropy import BinaryCrossEntropy
from imgcls_optim.losses.cross_entropy import CrossEntropy
from imgcls_optim.losses.focal import Focal

N, K = 6, 4
COUNTS = np.array([50, 30, 15, 5])
LABELS = torch.tensor([0, 1, 2, 3, 0, 1])
SHARES = torch.tensor(np.random.default_rng(0).dirichlet(np.ones(K), N))
BUILDS = {component.options: component.build for component in COMPONENTS}
each_loss = pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
each_target = pytest.mark.parametrize("targets", [LABELS, SHARES], ids=["labels", "shares"])


def loss_of(options, counts=COUNTS):
    return load(BUILDS[type(options)])(options, num_classes=K, class_counts=counts)


def logits(seed=0):
    return torch.randn(N, K, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2


def as_shares(targets):
    return np.eye(K)[targets.numpy()] if targets.ndim == 1 else targets.numpy()


def smoothed(targets, smoothing):
    return (1 - smoothing) * as_shares(targets) + smoothing / K


def log_softmax(x):
    return x - np.log(np.exp(x).sum(1, keepdims=True))


@each_target
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_spreads_the_smoothed_share_over_all_classes(smoothing, targets):
    expected = -(smoothed(targets, smoothing) * log_softmax(logits().numpy())).sum(1).mean()
    found = loss_of(CrossEntropy(label_smoothing=smoothing), counts=None)(logits(), targets)
    assert found.item() == pytest.approx(expected)


@each_target
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("options", [{"class_weights": (1.0, 2.0, 4.0, 0.5)}, {"class_weighting": "balanced"}])
def test_weighted_cross_entropy_is_divided_by_the_samples(options, smoothing, targets):
    weights = np.float32(class_weights(Weighted(**options), K, COUNTS))
    expected = -(weights * smoothed(targets, smoothing) * log_softmax(logits().numpy())).sum() / N
    found = loss_of(CrossEntropy(label_smoothing=smoothing, **options))(logits(), targets)
    assert found.item() == pytest.approx(expected, rel=1e-6)


@each_target
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("threshold", [None, 0.0, 0.2])
@pytest.mark.parametrize("over", ["mean", "sum"])
def test_binary_cross_entropy_takes_each_class_by_itself(over, threshold, smoothing, targets):
    wanted = smoothed(targets, smoothing)
    if threshold is not None:
        wanted = (wanted > threshold).astype(float)
    sigmoid = 1 / (1 + np.exp(-logits().numpy()))
    each = -(wanted * np.log(sigmoid) + (1 - wanted) * np.log(1 - sigmoid))
    options = BinaryCrossEntropy(label_smoothing=smoothing, target_threshold=threshold, over_classes=over)
    found = loss_of(options)(logits(), targets)
    assert found.item() == pytest.approx(each.mean() if over == "mean" else each.sum(1).mean())


@each_target
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize(
    "options", [{}, {"class_weights": (1.0, 2.0, 4.0, 0.5)}, {"class_weighting": "effective"}]
)
def test_focal_loss_counts_what_is_right_less(options, gamma, targets):
    weights = class_weights(Weighted(**options), K, COUNTS)
    logs = log_softmax(logits().numpy())
    alpha = np.ones(K) if weights is None else np.float32(weights)
    expected = -(alpha * as_shares(targets) * (1 - np.exp(logs)) ** gamma * logs).sum(1).mean()
    assert loss_of(Focal(gamma=gamma, **options))(logits(), targets).item() == pytest.approx(expected, rel=1e-6)


@each_target
def test_focal_loss_without_focus_is_cross_entropy(targets):
    ours, plain = (loss_of(options)(logits(), targets) for options in (Focal(gamma=0.0), CrossEntropy()))
    torch.testing.assert_close(ours, plain)


OPTIONS = [
    CrossEntropy(label_smoothing=0.1),
    CrossEntropy(label_smoothing=0.1, class_weighting="balanced"),
    BinaryCrossEntropy(label_smoothing=0.1, over_classes="sum"),
    BinaryCrossEntropy(target_threshold=0.2),
    Focal(class_weighting="effective"),
    Focal(gamma=0.5),
]


@pytest.mark.parametrize("options", OPTIONS)
@each_target
def test_gradients_are_those_of_finite_differences(options, targets):
    assert torch.autograd.gradcheck(loss_of(options), (logits().requires_grad_(), targets))


@pytest.mark.parametrize("options", OPTIONS)
def test_labels_are_shares_of_one(options):
    loss = loss_of(options)
    torch.testing.assert_close(loss(logits(), LABELS), loss(logits(), torch.eye(K, dtype=torch.float64)[LABELS]))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("targets", [LABELS, SHARES.float()], ids=["labels", "shares"])
def test_samples_spread_over_workers_in_any_way_give_the_gradient_of_the_batch(options, targets):
    loss = loss_of(options)
    whole = logits().float().requires_grad_()
    loss(whole, targets).backward()
    for parts in ([3, 3], [1, 5], [2, 1, 3]):
        spread = logits().float().requires_grad_()
        for some, theirs in zip(spread.split(parts), targets.split(parts), strict=True):
            (loss(some, theirs) * (len(theirs) / N)).backward()
        torch.testing.assert_close(spread.grad, whole.grad)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("targets", [LABELS, SHARES.float()], ids=["labels", "shares"])
def test_extreme_logits_give_finite_losses_and_gradients(options, targets):
    extreme = torch.zeros(N, K)
    extreme[torch.arange(N), LABELS] = 1e4
    for sign in (1, -1):
        at = (sign * extreme).requires_grad_()
        loss = loss_of(options)(at, targets)
        loss.backward()
        assert loss.dtype == torch.float32
        assert loss.isfinite()
        assert at.grad.isfinite().all()


def test_a_perfect_answer_costs_nothing():
    perfect = torch.full((N, K), -60.0)
    perfect[torch.arange(N), LABELS] = 60.0
    for options in (CrossEntropy(), BinaryCrossEntropy(), Focal()):
        assert loss_of(options)(perfect, LABELS).item() == pytest.approx(0, abs=1e-12)


def test_the_mean_weight_over_the_training_set_is_one():
    for options in (
        {"class_weights": (3.0, 1.0, 0.0, 8.0)}, {"class_weighting": "balanced"}, {"class_weighting": "effective"},
    ):  # fmt: skip
        weights = class_weights(Weighted(**options), K, COUNTS)
        assert weights @ COUNTS / COUNTS.sum() == pytest.approx(1)
        scaled = class_weights(Weighted(**options), K, COUNTS * 7) if "class_weights" in options else weights
        assert scaled == pytest.approx(weights)


def test_balanced_weights_are_one_by_the_count():
    found = class_weights(Weighted(class_weighting="balanced"), K, COUNTS)
    assert found == pytest.approx(COUNTS.sum() / (K * COUNTS))


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.9999])
def test_effective_weights_are_one_by_the_effective_number(beta):
    number = (1 - beta**COUNTS) / (1 - beta)
    found = class_weights(Weighted(class_weighting="effective", effective_beta=beta), K, COUNTS)
    assert found / found[0] == pytest.approx(number[0] / number)
    if beta == 0:
        assert found == pytest.approx(np.ones(K))


@pytest.mark.parametrize("rule", ["balanced", "effective"])
def test_a_class_without_samples_is_weighted_as_if_it_had_one(rule):
    weights = class_weights(Weighted(class_weighting=rule), 3, np.array([10, 1, 0]))
    assert weights[2] == weights[1]
    assert np.isfinite(weights).all()


@pytest.mark.parametrize(("options", "counts", "said"), [
    ({"class_weights": (1.0, 2.0)}, COUNTS, "has 2 values for 4 classes; give one a class"),
    ({"class_weights": (1.0,) * 4, "class_weighting": "balanced"}, COUNTS, "leave one of them out"),
    ({"class_weights": (0.0, 0.0, 1.0, 1.0)}, np.array([3, 4, 0, 0]), "zero for every class"),
    ({"class_weighting": "effective"}, None, "need the training set's counts"),
    ({"class_weights": (1.0,) * 4}, None, "need the training set's counts"),
])  # fmt: skip
@pytest.mark.parametrize("kind", [CrossEntropy, Focal])
def test_weights_that_do_not_fit_are_refused_with_a_way_out(kind, options, counts, said):
    with pytest.raises(UserError, match=said):
        loss_of(kind(**options), counts)


@each_loss
def test_a_loss_needs_no_counts_unless_it_weighs(component):
    loss = load(component.build)(component.options(), num_classes=K)
    assert isinstance(loss, nn.Module)
    assert loss(logits(), LABELS).shape == ()


@pytest.mark.parametrize("kind", [CrossEntropy, Focal])
def test_weights_go_where_the_loss_goes(kind):
    loss = loss_of(kind(class_weighting="balanced")).to("meta")
    assert {buffer.device.type for buffer in loss.buffers()} == {"meta"}
