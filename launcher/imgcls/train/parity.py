"""What is fed is what is served: the evaluation's pictures, and a model's answers to them, against Pillow's."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from imgcls.data import reference
from imgcls.data.index import Index
from imgcls.data.loader import evaluation_batches
from imgcls.data.pipeline import Evaluation, Machine
from imgcls.data.reference import Difference
from imgcls.errors import UserError
from imgcls.plan import Format, Plan
from imgcls.run_folder import RunFolder
from imgcls.train import build
from imgcls.train.checkpoint import Checkpoints
from imgcls.train.step import autocast
from imgcls.train.weights import fit, read
from imgcls.train.world import pick_device, set_threads

# what this project states for decoding on the CPU, in grey levels
MOST, MEAN = 2.0, 0.15
_BATCH = 64


@dataclass
class Answers:
    """How a model's logits for the pipeline's images differ from those for Pillow's.

    Attributes:
        images: compared so far.
        changed: whose highest logit is another class's.
        largest: difference of a logit.
    """

    images: int = 0
    changed: int = 0
    largest: float = 0.0

    def add(self, found: Tensor, expected: Tensor) -> None:
        """Compare logits: float32 (n, classes)."""
        self.images += len(found)
        self.changed += int((found.argmax(1) != expected.argmax(1)).sum())
        self.largest = max(self.largest, float((found - expected).abs().max()))


@dataclass
class Parity:
    """What was found.

    Attributes:
        index: of the images that were looked at.
        machine: what the pipeline ran on.
        pictures: differences in grey levels.
        answers: differences of a model's logits; None without weights.
        weights: the file they were read from.
        left_out: paths of images that cannot be decoded.
    """

    index: Index
    machine: Machine
    pictures: Difference = field(default_factory=Difference)
    answers: Answers | None = None
    weights: Path | None = None
    left_out: set[str] = field(default_factory=set)

    @property
    def within_bounds(self) -> bool | None:
        """Whether the pictures keep to what is stated; None where nothing is: for decoding on a GPU."""
        if self.machine.decoder != "cpu":
            return None
        return self.pictures.largest <= MOST and self.pictures.mean < MEAN


def compare(plan: Plan, count: int, weights: Path | None) -> Parity:
    """Run images of the validation split through the pipeline and through Pillow.

    Args:
        plan: of a run; its workers are not started.
        count: of images, spread evenly over the split; all of them where there are fewer.
        weights: a file of safetensors or a run's folder, whose newest valid checkpoint is taken; None: no model.

    Raises:
        UserError: an image that cannot be decoded, weights that are not there or are another model's.
    """
    device = pick_device(0)
    machine = build.machine(plan.loading, device, set_threads(None, 1))
    evaluation = build.inputs(plan).evaluation
    every = len(evaluation.index)
    chosen = np.unique(np.linspace(0, every - 1, min(count, every)).astype(np.int64))
    index = evaluation.index.part(chosen)
    found = Parity(index, machine)
    model = None
    if weights is not None:
        found.weights, found.answers = _weights_file(weights), Answers()
        model = _model(plan, found.weights, device)
    precision = autocast(plan.train.precision, device)
    lost = None if plan.data.on_bad_image == "fail" else lambda path, _why: found.left_out.add(path)
    batches = evaluation_batches(Evaluation(index, plan.format), _BATCH, 0, 1, machine, lost)
    for number, (images, _) in enumerate(batches):
        due = range(number * _BATCH, min((number + 1) * _BATCH, len(index)))
        samples = [sample for sample in due if index.path(sample) not in found.left_out]
        expected = _pictures(found, images, samples, plan.format)
        if model is not None and found.answers is not None:
            with torch.no_grad(), precision():
                answers = model(images).float(), model(expected.to(device)).float()
            found.answers.add(*answers)
    return found


def _pictures(found: Parity, images: Tensor, samples: list[int], form: Format) -> Tensor:
    """Compare a batch, and return what a model would be given by Pillow: float32 NCHW."""
    levels = reference.levels(images.cpu().numpy(), form)
    expected = [reference.evaluated(reference.original(found.index, s, form.channels), form) for s in samples]
    for sample, mine, theirs in zip(samples, levels, expected, strict=True):
        found.pictures.add(sample, mine, theirs)
    return torch.from_numpy(np.stack([reference.normalised(picture, form) for picture in expected]))


def _weights_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"--weights {path}: there is no such file or run folder")
    checkpoints = Checkpoints(RunFolder(path).checkpoints, keep=1, warn=lambda _text: None)
    step = checkpoints.newest_valid()
    if step < 0:
        raise UserError(f"--weights {path}: is no run's folder with a valid checkpoint; name one, or a file")
    return checkpoints.path(step) / "model.safetensors"


def _model(plan: Plan, weights: Path, device: torch.device) -> nn.Module:
    model = build.model(plan, device)
    classes, channels = len(plan.data.classes), plan.format.channels
    try:
        fit(model, read(weights), None, classes, channels, plan.model.known_layouts())
    except UserError as error:
        name = plan.model.name
        raise UserError(f"--weights {weights}: are not those of {name} for {classes} classes: {error}") from None
    return model.eval()
