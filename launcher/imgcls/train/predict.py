"""A trained model's best classes for image files, in the order that they were named in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from imgcls.data.index import Index, Progress
from imgcls.data.pictures import indexed
from imgcls.data.pipeline import can_decode
from imgcls.errors import UserError
from imgcls.train.answers import Answering

Best = tuple[tuple[str, float], ...]  # class name and probability, the highest first
_NO_NUMBER = "the model's answer is no number"


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image.

    Attributes:
        image: as it was named.
        top: (class name, probability by softmax, in 0..1), the highest first; none where there is an error.
        error: why there is no answer; None where there is one.
    """

    image: str
    top: Best = ()
    error: str | None = None


def predict(answering: Answering, names: Sequence[str], top: int, progress: Progress) -> Iterator[Prediction]:
    """Yield a prediction for each image, in order, as batches come out of the model.

    Args:
        answering: the model.
        names: image files.
        top: classes of each answer, at most; all where there are fewer.
        progress: called with the number of headers read and of all.
    """
    index, faults = indexed(names, progress)
    answers = _answers(answering, index, top)
    for number, name in enumerate(names):
        answer = faults[number] if number in faults else next(answers)
        yield Prediction(name, error=answer) if isinstance(answer, str) else Prediction(name, answer)


def _answers(answering: Answering, index: Index, top: int) -> Iterator[Best | str]:
    """Yield for each image its highest classes, or why there are none."""
    first = 0
    while first < len(index):
        rest = index.part(np.arange(first, len(index)))
        lost: dict[str, str] = {}
        try:
            for logits, numbers in answering.answers(rest, lost.__setitem__):
                best = _best(logits, answering.served.plan.data.classes, top)
                answered = dict(zip(numbers.tolist(), best, strict=True))
                due = range(first, min(first + answering.batch_size, len(index)))
                for sample in due:
                    number = int(index.labels[sample])
                    yield answered[number] if number in answered else lost[index.path(sample)]
                first = due.stop
        except UserError:  # not one image of this batch can be decoded; the batches after it begin anew
            due = range(first, min(first + answering.batch_size, len(index)))
            channels = answering.served.plan.format.channels
            for sample in due:
                yield can_decode(index, sample, channels) or "cannot be decoded"
            first = due.stop


def _best(logits: Tensor, classes: Sequence[str], top: int) -> list[Best | str]:
    """Return each row's highest classes of float32 logits (n, classes); among equals the lower comes first."""
    probabilities = logits.double().softmax(1)
    # by logits: where these differ a little, probabilities may be equal
    order = logits.sort(dim=1, descending=True, stable=True).indices[:, :top]
    values = probabilities.gather(1, order).tolist()
    broken = probabilities.isnan().any(1).tolist()
    return [
        _NO_NUMBER if bad else tuple((classes[label], value) for label, value in zip(labels, row, strict=True))
        for bad, labels, row in zip(broken, order.tolist(), values, strict=True)
    ]
