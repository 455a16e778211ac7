"""Whether an exported model gives what the model gives: on real images where they are, else on random ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from imgcls.data.index import Index
from imgcls.data.loader import evaluation_batches
from imgcls.data.pipeline import Evaluation, Machine
from imgcls.errors import UserError
from imgcls.plan import Plan
from imgcls.train.export import Run

TOLERANCE = 1e-3  # of the logits' spread
_IMAGES = 16
_SEED = 0


@dataclass(frozen=True)
class Images:
    """A batch to compare on.

    Attributes:
        pixels: float32 (n, channels, size, size), normalised.
        real: whether they are of the run's validation set.
        note: why they are not; empty where they are.
    """

    pixels: Tensor
    real: bool
    note: str = ""


@dataclass(frozen=True)
class Proof:
    """How far two models' logits are apart.

    Attributes:
        images: compared.
        largest: difference of a logit.
        spread: the highest of the model's logits less the lowest.
        changed: images for which another class has the highest logit.
    """

    images: int
    largest: float
    spread: float
    changed: int

    @property
    def holds(self) -> bool:
        """Whether no answer has changed and no logit is further off than the tolerance."""
        return self.changed == 0 and self.largest <= TOLERANCE * self.spread  # false for what is no number


def images_for(plan: Plan) -> Images:
    """Return images of the run's validation set, spread evenly over it, or where it is gone pseudo-random ones."""
    try:
        return Images(_real(plan), True)
    except (UserError, OSError, RuntimeError) as error:
        why = str(error).partition("\n")[0]
    form = plan.format
    generator = torch.Generator().manual_seed(_SEED)
    pixels = torch.rand(_IMAGES, form.channels, form.size, form.size, generator=generator)
    mean, std = (torch.tensor(each).reshape(1, -1, 1, 1) for each in (form.mean, form.std))
    return Images((pixels - mean) / std, False, why)


def _real(plan: Plan) -> Tensor:
    file = plan.data.validation
    index = Index.load(Path(file.path), Path(file.root))
    if index.digest != file.digest:
        raise UserError(f"{file.path} is not the index that the run was planned with")
    chosen = np.unique(np.linspace(0, len(index) - 1, min(_IMAGES, len(index))).astype(np.int64))
    transform = Evaluation(index.part(chosen), plan.format)
    machine = Machine(None, 1, 1, "cpu")
    # what cannot be decoded is no reason not to compare the others
    batches = evaluation_batches(transform, len(chosen), 0, 1, machine, lambda _path, _why: None)
    # a copy, because DALI overwrites its own
    return next(images.clone() for images, _ in batches)


@torch.no_grad()
def compare(model: nn.Module, exported: Run, images: Tensor, batch_size: int | None) -> Proof:
    """Run both, the exported one in batches of several sizes where it takes any.

    Args:
        model: on the CPU in evaluation mode.
        exported: see :func:`imgcls.train.export.load_again`.
        images: float32 (n, channels, size, size).
        batch_size: the only one that the exported model takes; None: any.

    Raises:
        UserError: the model's own logits are no numbers, or the exported model does not run.
    """
    expected = model(images).float()
    if not bool(expected.isfinite().all()):
        raise UserError("the model's own logits are not finite numbers; there is nothing to compare with")
    found = torch.cat([_answers(exported, part, expected.shape[1]) for part in _parts(images, batch_size)])
    found = found[: len(images)]
    return Proof(
        images=len(images),
        largest=float((found - expected).abs().max()),
        spread=float(expected.max() - expected.min()),
        changed=int((found.argmax(1) != expected.argmax(1)).sum()),
    )


def _answers(exported: Run, images: Tensor, classes: int) -> Tensor:
    wanted = (len(images), classes)
    try:
        logits = exported(images).float()
        why = "" if logits.shape == wanted else f"gives logits of shape {tuple(logits.shape)}, not {wanted}"
    except Exception as error:  # noqa: BLE001 (onnxruntime and torch raise errors of many types)
        why = f"fails: {str(error).strip().partition(chr(10))[0]}"
    if why:
        raise UserError(
            f"the exported model, on {len(images)} images at a time, {why}; nothing was kept; try --batch-size N"
        )
    return logits


def _parts(images: Tensor, batch_size: int | None) -> list[Tensor]:
    """Return the images in batches: of 1 and of all others, or of one size, the last one filled up."""
    if batch_size is None:
        return [part for part in (images[:1], images[1:]) if len(part)]
    missing = -len(images) % batch_size
    filled = torch.cat([images, images[:1].expand(missing, -1, -1, -1)])
    return [filled[first : first + batch_size] for first in range(0, len(filled), batch_size)]
