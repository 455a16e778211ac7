"""Calibration, confusions and classes against sums written out, and the counts against the run's evaluation."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from imgcls.data.loader import evaluation_batches
from imgcls.data.pipeline import Machine
from imgcls.train import build
from imgcls.train.answers import Answering
from imgcls.train.assess import BINS, Answers, Assessment, assess, calibration, confusion, per_class
from imgcls.train.evaluate import Score, evaluate
from imgcls.train.served import Served
from imgcls.train.step import autocast
from imgcls.train.world import World

NAN, INF = float("nan"), float("inf")
CPU = torch.device("cpu")


def answers(labels, predicted, confidence=None):
    confidence = [0.5] * len(labels) if confidence is None else confidence
    return Answers(np.array(labels), np.array(predicted), np.array(confidence, np.float64))


@pytest.fixture
def some():
    """Five hundred answers of seven classes, of which 2 has no sample and 5 is never predicted."""
    random = np.random.default_rng(0)
    labels = random.choice([0, 1, 3, 4, 5, 6], 500)
    predicted = np.where(random.random(500) < 0.6, labels, random.integers(0, 7, 500))
    predicted[predicted == 5] = 2
    predicted[:3] = -1
    return answers(labels, predicted, random.random(500))


def test_the_calibration_error_is_the_sum_written_out(some):
    ece, bins = calibration(some)
    expected = 0.0
    for number in range(15):
        low, high = number / 15, (number + 1) / 15
        inside = [i for i, c in enumerate(some.confidence) if low < c <= high]
        assert bins[number]["n"] == len(inside) > 0
        accuracy = sum(some.labels[i] == some.predicted[i] for i in inside) / len(inside)
        confidence = sum(some.confidence[i] for i in inside) / len(inside)
        assert bins[number]["top1"] == pytest.approx(100 * accuracy)
        assert bins[number]["confidence"] == pytest.approx(100 * confidence)
        expected += len(inside) / 500 * abs(accuracy - confidence)
    assert ece == pytest.approx(100 * expected)
    assert ece > 5


def test_a_bin_is_open_below_and_closed_above():
    edges = [float(Fraction(number, BINS)) for number in range(BINS + 1)]
    _, bins = calibration(answers([0] * 16, [0] * 16, edges))
    assert [each["n"] for each in bins] == [2] + [1] * 14  # 0 itself is in the first
    _, bins = calibration(answers([0], [0], [math.nextafter(3 / BINS, 1)]))
    assert [each["n"] for each in bins].index(1) == 3


def test_certain_and_right_is_calibrated_and_certain_and_wrong_is_not():
    assert calibration(answers([0, 1], [0, 1], [1.0, 1.0]))[0] == 0
    assert calibration(answers([0, 1], [1, 0], [1.0, 1.0]))[0] == 100
    assert calibration(answers([0, 0, 0, 0], [0, 0, 0, 1], [0.75] * 4))[0] == 0
    assert calibration(answers([0], [-1], [NAN]))[0] is None


def test_the_confusion_matrix_counts_each_pair(some):
    matrix = confusion(some, 7)
    for i in range(7):
        for j in range(7):
            assert matrix[i, j] == sum((some.labels == i) & (some.predicted == j))
    assert matrix.sum() == 497  # three have no number


def test_classes_are_the_sums_written_out(some):
    rows = per_class(some, 7)
    for label, row in enumerate(rows):
        mine, taken = some.labels == label, some.predicted == label
        right = int((mine & taken).sum())
        assert row["n"] == mine.sum()
        assert row["top1"] == (pytest.approx(100 * right / mine.sum()) if mine.any() else None)
        assert row["precision"] == (pytest.approx(100 * right / taken.sum()) if taken.any() else None)
        if right:
            recall, precision = row["top1"], row["precision"]
            assert row["f1"] == pytest.approx(2 * recall * precision / (recall + precision))
    assert rows[2] == {"n": 0, "top1": None, "precision": 0, "f1": 0}
    assert (rows[5]["top1"], rows[5]["precision"], rows[5]["f1"]) == (0, None, 0)


def test_answers_of_logits_are_their_softmax_and_the_first_of_the_highest():
    logits = torch.tensor([[0.0, math.log(3.0)], [2.0, 2.0], [NAN, 5.0], [INF, 0.0]])
    made = Answers.of(logits, torch.tensor([1, 0, 1, 0]))
    assert made.predicted.tolist() == [1, 0, -1, 0]
    assert made.confidence[:2].tolist() == pytest.approx([0.75, 0.5])
    assert np.isnan(made.confidence[2:]).all()


def test_means_are_over_the_classes_that_have_samples():
    found = Assessment(Score(4, 3, 4, 2.0), answers([0, 0, 0, 2], [0, 0, 0, 0]), ("a", "b", "c")).to_dict()
    assert found["mean_class_top1"] == 50
    assert found["macro_f1"] == pytest.approx((100 * 6 / 7 + 0) / 2)
    assert [row["name"] for row in found["classes"]] == ["a", "b", "c"]
    assert (found["top1"], found["n"], found["no_number"]) == (75, 4, 0)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("batch_size", [8, 53, 64])
def test_the_score_is_that_of_the_runs_evaluation_bit_for_bit(make_plan, flip, batch_size):
    plan = make_plan(n_validation=53, train={"eval_flip": flip})
    model, evaluation = build.model(plan, CPU).eval(), build.inputs(plan).evaluation
    machine = Machine(None, 1, 2, "auto")
    precision = autocast("float32", CPU)
    batches = evaluation_batches(evaluation, batch_size, 0, 1, machine)
    expected = evaluate(model, batches, batch_size, 3, precision, World(), flip)
    seen = []
    answering = Answering(Served(model, plan, None), CPU, machine, batch_size)
    found = assess(answering, evaluation.index, None, lambda done, of: seen.append((done, of)))
    assert found.score == expected
    assert found.answers.labels.tolist() == evaluation.index.labels.tolist()
    assert int((found.answers.labels == found.answers.predicted).sum()) == expected.correct1
    assert np.trace(confusion(found.answers, 3)) == expected.correct1
    assert seen[-1] == (53, 53)
