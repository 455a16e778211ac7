"""All that is said of a trained model on a set of images: counts, classes, confusions, calibration."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imgcls.data.again import Lost
from imgcls.data.index import Index, Progress
from imgcls.train.answers import Answering
from imgcls.train.evaluate import Score, evaluate
from imgcls.train.world import World

BINS = 15
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's answers, sample by sample.

    Attributes:
        labels: int64 (n,), the true classes.
        predicted: int64 (n,), the class of the highest logit, the lower one among equals; -1 where a logit is no
            number, which is never right.
        confidence: float64 (n,), the largest of the softmax, in 0..1; NaN where it is no number.
    """

    labels: Ints
    predicted: Ints
    confidence: Floats

    @classmethod
    def of(cls, logits: Tensor, labels: Tensor) -> "Answers":
        """Return the answers that logits (n, classes) are."""
        predicted = torch.where(logits.isnan().any(1), -1, logits.argmax(1))
        confidence = logits.double().softmax(1).amax(1)
        return cls(labels.cpu().numpy(), predicted.cpu().numpy(), confidence.cpu().numpy())

    @classmethod
    def joined(cls, parts: "list[Answers]") -> "Answers":
        """Return the answers of some batches, at least one, as one."""
        return cls(
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.predicted for part in parts]),
            np.concatenate([part.confidence for part in parts]),
        )


@dataclass(frozen=True, eq=False)
class Assessment:
    """What was found.

    Attributes:
        score: the counts of :func:`imgcls.train.evaluate.evaluate`.
        answers: sample by sample.
        classes: names by label.
    """

    score: Score
    answers: Answers
    classes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it; shares are in percent, and None where there is nothing to share.

        ``confusion[i][j]`` counts the samples of class i that were taken for class j.
        """
        answers = self.answers
        ece, bins = calibration(answers)
        rows = per_class(answers, len(self.classes))
        met = [row for row in rows if row["n"]]
        return {
            **self.score.metrics(),
            "ece": ece,
            "mean_class_top1": _mean([row["top1"] for row in met]),
            "macro_f1": _mean([row["f1"] for row in met]),
            "no_number": int((answers.predicted < 0).sum()),
            "classes": [{"name": name, **row} for name, row in zip(self.classes, rows, strict=True)],
            "calibration": bins,
            "confusion": confusion(answers, len(self.classes)).tolist(),
        }


def assess(answering: Answering, index: Index, lost: Lost | None, progress: Progress) -> Assessment:
    """Ask a model about every image of an index.

    Args:
        answering: the model.
        index: the images, with labels of the model's classes.
        lost: takes the images that cannot be decoded, which are then left out; None: they are an error.
        progress: called with the number of images done and of all.

    Raises:
        UserError: an image that cannot be decoded.
    """
    parts: list[Answers] = []
    done = 0

    def noted() -> Iterator[tuple[Tensor, Tensor]]:
        nonlocal done
        for logits, labels in answering.answers(index, lost):
            parts.append(Answers.of(logits, labels))
            done += len(labels)
            progress(done, len(index))
            yield logits, labels

    classes = answering.served.plan.data.classes
    # the logits are there, and the counting is that of every evaluation: so the model it is given changes nothing
    world = World(device=answering.device)
    score = evaluate(nn.Identity(), noted(), answering.batch_size, len(classes), nullcontext, world)
    return Assessment(score, Answers.joined(parts), classes)


def confusion(answers: Answers, classes: int) -> Ints:
    """Return int64 (classes, classes): how many samples of the row's class were taken for the column's.

    Samples with a logit that is no number are in none.
    """
    told = answers.predicted >= 0
    pairs = answers.labels[told] * classes + answers.predicted[told]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def per_class(answers: Answers, classes: int) -> list[dict[str, Any]]:
    """Return for each class ``n``, ``top1`` (its recall), ``precision``, ``f1``: percent, or None for 0 of 0."""
    n = np.bincount(answers.labels, minlength=classes)
    taken = np.bincount(answers.predicted[answers.predicted >= 0], minlength=classes)
    right = np.bincount(answers.labels[answers.labels == answers.predicted], minlength=classes)
    return [
        {"n": a, "top1": _share(r, a), "precision": _share(r, t), "f1": _share(2 * r, a + t)}
        for a, t, r in zip(n.tolist(), taken.tolist(), right.tolist(), strict=True)
    ]


def calibration(answers: Answers) -> tuple[float | None, list[dict[str, Any]]]:
    """Return the expected calibration error in percent, and the bins it is from.

    Guo et al., 2017, arXiv:1706.04599, equation 3, with 15 bins of equal width, each open below and closed above:
    the mean over samples of the gap between a bin's accuracy and its mean confidence. Samples whose confidence is
    no number are in no bin. A bin has ``above``, ``up_to`` (confidence in 0..1), ``n``, and ``top1`` and
    ``confidence`` (its means in percent, None where it is empty).
    """
    told = np.isfinite(answers.confidence)
    confidence = answers.confidence[told]
    right = (answers.predicted == answers.labels)[told]
    edges = np.arange(BINS + 1) / BINS
    numbers = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    n = np.bincount(numbers, minlength=BINS)
    hits = np.bincount(numbers, weights=right, minlength=BINS)
    sums = np.bincount(numbers, weights=confidence, minlength=BINS)
    bins = [
        {
            "above": float(edges[i]),
            "up_to": float(edges[i + 1]),
            "n": int(n[i]),
            "top1": _share(hits[i], n[i]),
            "confidence": _share(sums[i], n[i]),
        }
        for i in range(BINS)
    ]
    return _share(float(np.abs(hits - sums).sum()), len(confidence)), bins


def _share(part: float, of: int) -> float | None:
    return 100 * float(part) / int(of) if of else None


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
