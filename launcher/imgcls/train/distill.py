"""Learning from another model's answers: soft labels, SSLD, deep mutual learning."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from imgcls.plan import Plan
from imgcls.train.criterion import Criterion, Supervised
from imgcls.train.outputs import OfBoth, parted
from imgcls.train.teacher import Teacher, load_teacher


def divergence(of: Tensor, to: Tensor, temperature: float) -> Tensor:
    """Return ``T^2 KL(softmax(of / T) || softmax(to / T))``, the mean over samples, ().

    The square keeps the size of the gradients where the temperature changes: arXiv:1503.02531, section 2.

    Args:
        of, to: logits (N, classes).
        temperature: T, above 0.
    """
    of, to = (functional.log_softmax(logits / temperature, 1) for logits in (of, to))
    return functional.kl_div(to, of, reduction="batchmean", log_target=True) * temperature**2


def symmetric(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    """Return half the sum of the divergences both ways, ()."""
    return (divergence(one, other, temperature) + divergence(other, one, temperature)) / 2


class SoftLabels:
    """From labels and from a teacher: Hinton, Vinyals, Dean, 2015, arXiv:1503.02531::

        (1 - w) loss(student, labels) + w T^2 KL(teacher at T || student at T)

    Further heads of the student learn from labels alone, each by its own weight.

    Args:
        labels: the loss of labels.
        teacher: takes images to logits.
        weight: w.
        temperature: T.
    """

    def __init__(self, labels: Supervised, teacher: Teacher, weight: float, temperature: float) -> None:
        self.labels = labels
        self.teacher = teacher
        self.weight = weight
        self.temperature = temperature

    def __call__(self, images: Tensor, outputs: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return loss and logits; see :class:`imgcls.train.criterion.Criterion`."""
        logits, auxiliary = parted(outputs)
        taught = divergence(self.teacher(images), logits.float(), self.temperature)
        loss = (1 - self.weight) * self.labels.of(logits, targets) + self.weight * taught
        for weight, others in auxiliary:
            loss = loss + weight * self.labels.of(others, targets)
        return loss, logits


class FromTeacher:
    """From a teacher alone, without labels: SSLD, Cui et al., 2021, arXiv:2103.05959.

    The loss is what PaddleClas calls the Jensen-Shannon divergence in its configurations for this method
    (``DistillationDMLLoss``): half the sum of KL(student || teacher) and KL(teacher || student), without the
    mixture of both that is usual under that name. Further heads learn from the teacher too.

    Args:
        teacher: takes images to logits.
        temperature: 1 in PaddleClas.
    """

    def __init__(self, teacher: Teacher, temperature: float) -> None:
        self.teacher = teacher
        self.temperature = temperature

    def __call__(self, images: Tensor, outputs: Any, targets: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Return loss and logits; the targets are not looked at."""
        logits, auxiliary = parted(outputs)
        taught = self.teacher(images)
        loss = symmetric(logits.float(), taught, self.temperature)
        for weight, others in auxiliary:
            loss = loss + weight * symmetric(others.float(), taught, self.temperature)
        return loss, logits


class Mutual:
    """Two models from labels and from each other: Zhang et al., 2018, arXiv:1706.00384, equations 4 to 8::

        loss(first, labels) + w T^2 KL(second || first)  +  loss(second, labels) + w T^2 KL(first || second)

    Each is a constant in the other's divergence. Both are updated at once, from the same answers; the paper's
    algorithm lets the second see the first's after its update. The logits that are scored are the first's.

    Args:
        labels: the loss of labels, of further heads too.
        weight: w, 1 in the paper.
        temperature: T, 1 in the paper.
    """

    def __init__(self, labels: Supervised, weight: float, temperature: float) -> None:
        self.labels = labels
        self.weight = weight
        self.temperature = temperature

    def __call__(self, images: Tensor, outputs: OfBoth, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of both losses, and the first's logits."""
        losses, logits = zip(*(self.labels(images, each, targets) for each in outputs), strict=True)
        first, second = (each.float() for each in logits)
        to_first = divergence(second.detach(), first, self.temperature)
        to_second = divergence(first.detach(), second, self.temperature)
        return torch.stack(losses).sum() + self.weight * (to_first + to_second), logits[0]


def criterion(plan: Plan, labels: Supervised, device: torch.device) -> Criterion:
    """Return what is made smaller as a plan says: the loss of labels, or one with another model in it.

    Raises:
        UserError: the teacher cannot be had.
    """
    distill = plan.distill
    if distill is None:
        return labels
    if distill.method == "dml":
        return Mutual(labels, distill.weight, distill.temperature)
    teacher = load_teacher(plan, device)
    if distill.method == "ssld":
        return FromTeacher(teacher, distill.temperature)
    return SoftLabels(labels, teacher, distill.weight, distill.temperature)
