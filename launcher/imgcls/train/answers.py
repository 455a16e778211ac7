"""What a trained model answers to images of the evaluation's pipeline."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from imgcls.data.again import Lost
from imgcls.data.index import Index
from imgcls.data.loader import evaluation_batches
from imgcls.data.pipeline import Evaluation, Machine
from imgcls.train import build
from imgcls.train.evaluate import logits_of
from imgcls.train.served import Served, load_served
from imgcls.train.step import autocast
from imgcls.train.world import pick_device, set_threads


@dataclass(frozen=True)
class Answering:
    """A trained model, and how it is asked: on the GPU if there is one, as its run evaluated it.

    Attributes:
        served: the model and its plan.
        device: it is on.
        machine: what the pipeline runs on.
        batch_size: of every forward pass.
    """

    served: Served
    device: torch.device
    machine: Machine
    batch_size: int

    @classmethod
    def load(cls, path: Path, batch_size: int | None = None) -> "Answering":
        """Return the model of a run's folder or a checkpoint's.

        Args:
            path: of the folder.
            batch_size: None: that of the run's evaluations, for which logits are the run's bit for bit.

        Raises:
            UserError: there is no such model, or it is damaged.
        """
        device = pick_device(0)
        served = load_served(path, device)
        plan = served.plan
        loading = plan.loading
        if device.type == "cpu" and loading.decode == "gpu":  # the run's workers had GPUs
            loading = replace(loading, decode="auto")
        if plan.train.channels_last:
            served.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        torch.backends.cudnn.deterministic = plan.train.deterministic
        machine = build.machine(loading, device, set_threads(None, 1))
        return cls(served, device, machine, batch_size or plan.train.eval_batch_size)

    def answers(self, index: Index, lost: Lost | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield logits, float32 (n, classes), and labels, int64 (n,), batch by batch in the index's order.

        Args:
            index: of the images.
            lost: takes the images that cannot be decoded, which are then left out; None: they are an error.

        Raises:
            UserError: an image that cannot be decoded, or no image of a batch that can.
        """
        transform = Evaluation(index, self.served.plan.format)
        batches = evaluation_batches(transform, self.batch_size, 0, 1, self.machine, lost)
        yield from self._asked(batches)

    def _asked(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
        plan, model = self.served.plan, self.served.model
        precision = autocast(plan.train.precision, self.device)
        for images, labels in batches:
            yield logits_of(model, images, self.batch_size, precision, plan.train.eval_flip), labels
