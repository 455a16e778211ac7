"""Counts over exactly the samples there are, on every number of workers."""

import pytest
import torch

from imgcls.data.loader import evaluation_batches
from imgcls.data.pipeline import Machine
from imgcls.train import build
from imgcls.train.evaluate import Score, correct_within, evaluate
from imgcls.train.step import autocast
from imgcls.train.world import World

NAN, INF = float("nan"), float("inf")
CPU = Machine(None, 1, 2, "auto")


def within(logits, labels, k):
    return correct_within(torch.tensor(logits), torch.tensor(labels), k).tolist()


def test_without_ties_it_is_topk():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(500, 9, generator=generator)
    labels = torch.randint(9, (500,), generator=generator)
    for k in range(1, 10):
        expected = (logits.topk(k).indices == labels[:, None]).any(1)
        assert torch.equal(correct_within(logits, labels, k), expected)


def test_among_equal_logits_the_lower_class_comes_first():
    equal = [[1.0] * 4] * 4
    for k in range(1, 5):
        assert within(equal, [0, 1, 2, 3], k) == [label < k for label in range(4)]
    assert within([[0.0, 2.0, 2.0]], [2], 1) == [False]
    assert within([[0.0, 2.0, 2.0]], [2], 2) == [True]


def test_a_logit_that_is_no_number_makes_a_row_wrong():
    assert within([[NAN, 0.0], [0.0, NAN], [NAN, NAN], [0.0, 1.0]], [0, 0, 1, 1], 2) == [False, False, False, True]


def test_infinite_logits_are_compared_like_others():
    assert within([[INF, 0.0], [-INF, 0.0], [INF, INF]], [0, 0, 1], 1) == [True, False, False]


def test_more_than_there_are_classes_is_always_right():
    assert within([[0.0, 1.0, 2.0]] * 3, [0, 1, 2], 5) == [True] * 3


def test_a_score_is_in_percent():
    assert Score(8, 2, 6, 4.0).metrics() == {"top1": 25.0, "top5": 75.0, "loss": 0.5, "n": 8}


@pytest.fixture
def parts(make_plan):
    plan = make_plan(n_validation=53)
    return build.inputs(plan).evaluation, build.model(plan, torch.device("cpu"))


def score(evaluation, model, batch_size, world):
    """Sum the scores of the ranks, as World.sum would."""
    scores = [
        evaluate(
            model,
            evaluation_batches(evaluation, batch_size, rank, world, CPU),
            batch_size,
            3,
            autocast("float32", torch.device("cpu")),
            World(),
        )
        for rank in range(world)
    ]
    sums = [[getattr(s, name) for s in scores] for name in ("n", "correct1", "correct5", "loss_sum")]
    return Score(*map(sum, sums))


@pytest.mark.parametrize("batch_size", [1, 7, 53, 64])
def test_the_counts_are_the_same_on_every_number_of_workers(parts, batch_size):
    alone = score(*parts, batch_size, 1)
    assert alone.n == 53
    assert alone.correct5 == 53  # of three classes
    assert 0 < alone.correct1 < 53
    for world in (2, 3, 4, 16):
        found = score(*parts, batch_size, world)
        assert (found.n, found.correct1, found.correct5) == (53, alone.correct1, 53)
        assert found.loss_sum == pytest.approx(alone.loss_sum, rel=1e-12)


def test_the_counts_do_not_depend_on_the_batch_size(parts):
    scores = [score(*parts, batch_size, 1) for batch_size in (1, 2, 7, 16, 53, 100)]
    assert len({(s.n, s.correct1, s.correct5) for s in scores}) == 1
    for other in scores[1:]:
        assert other.loss_sum == pytest.approx(scores[0].loss_sum, rel=1e-5)


def test_the_counts_are_those_of_the_models_own_logits(parts):
    evaluation, model = parts
    images, labels = (torch.cat(x) for x in zip(*evaluation_batches(evaluation, 10, 0, 1, CPU), strict=True))
    model.eval()
    with torch.no_grad():
        logits = model(images)
    found = score(evaluation, model, 10, 1)
    assert found.correct1 == int((logits.argmax(1) == labels).sum())
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
    assert found.loss_sum == pytest.approx(expected, rel=1e-5)


def test_an_evaluation_leaves_the_model_as_it_was(parts):
    evaluation, model = parts
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for training in (True, False):
        model.train(training)
        score(evaluation, model, 10, 1)
        assert model.training is training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
