"""How fast images come: each stage of the input pipeline, and the whole with other settings."""

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imgcls.data import pipeline
from imgcls.data.again import Lost
from imgcls.data.augmentation import Node
from imgcls.data.loader import training_batches
from imgcls.data.order import Order
from imgcls.data.pipeline import Fed, Machine, Training

_CLOSE = 0.95  # of the best speed: fewer threads and batches ahead that reach it are preferred
_ROUNDS = 2
_PREFETCH = (2, 4, 8)  # 1 looks as good where nothing is done beside, and then makes training wait


@dataclass(frozen=True)
class Stage:
    """A pipeline that is cut off after a stage.

    Attributes:
        name: of the stage.
        speed: images a second up to its end.
        share: of the time of the whole that this stage adds, in 0..1.
    """

    name: str
    speed: float
    share: float


@dataclass(frozen=True)
class Setting:
    """The whole loader with some settings, and the images a second that it gave."""

    machine: Machine
    speed: float


class _Cut(Training):
    """The training pipeline up to a stage."""

    def __init__(self, whole: Training, stage: str) -> None:
        super().__init__(whole.index, whole.form, whole.crop, whole.augmentations, whole.seed)
        self.stage = stage

    def feed(self, epoch: int, samples: NDArray[np.int64], copies: NDArray[np.int64] | None = None) -> list[Fed]:
        """Return what the part of the graph is fed: an input that is not used would be complained of."""
        wanted = 3 if self.crop is not None and self.stage != "read" else 1
        return super().feed(epoch, samples, copies)[:wanted]

    def graph(self, machine: Machine, fed: Sequence[Node]) -> Node:
        """Return the batch as it is at the end of the stage."""
        if self.stage == "read":
            return pipeline._encoded(self.index, fed[0])
        decoded = _decoded(self, machine, fed)
        return pipeline._moved(decoded, machine) if self.stage == "copy" else decoded


def _decoded(transform: Training, machine: Machine, fed: Sequence[Node]) -> Node:
    index, form = transform.index, transform.form
    if transform.crop is not None:
        return pipeline._decode_region(index, form, machine, fed[0], fed[1], fed[2])
    return pipeline._decode(index, form, machine, fed[0])


class Bench:
    """Measures one worker's input pipeline.

    Each measurement reads on where the one before ended, so that files come from the disk or from memory as they
    do in training.

    Args:
        transform: the recipe's.
        order: of the batches; long enough not to come to its end.
        lost: takes images that cannot be decoded; None: they end it.
    """

    def __init__(self, transform: Training, order: Order, lost: Lost | None) -> None:
        self.transform = transform
        self.order = order
        self.lost = lost
        self._step = 0

    def stages(self, machine: Machine, seconds: float) -> list[Stage]:
        """Measure the pipeline up to the end of each stage, for so many seconds in all.

        Raises:
            UserError: an image that cannot be decoded.
        """
        cuts = {"read": "read", "decode": "decode"}
        if machine.device == "gpu" and machine.decoder == "cpu":
            cuts["copy"] = "copy to the GPU"
        each = seconds / (len(cuts) + 2)
        speeds = {
            name: self._timed(self._run(_Cut(self.transform, cut), machine), each) for cut, name in cuts.items()
        }
        speeds["resize, augment, normalise"] = self._timed(self._run(self.transform, machine), each)
        speeds["hand over to torch"] = self._timed(self._loaded(machine), each)
        return _adding_up(speeds)

    def settings(self, machines: Sequence[Machine], seconds: float) -> list[Setting]:
        """Measure the whole loader with the settings given, then the best of them with other depths of prefetch.

        Two rounds in turn, of which the faster one counts: what others do on the machine only slows down.

        Raises:
            UserError: an image that cannot be decoded.
        """
        each = seconds / (len(machines) + len(_PREFETCH)) / _ROUNDS
        found = self._in_turn(machines, each)
        best = recommended(found).machine
        # the best itself again, so that all depths are measured at the same time
        depths = self._in_turn([best, *(replace(best, prefetch=d) for d in _PREFETCH if d != best.prefetch)], each)
        return [setting for setting in found if setting.machine != best] + depths

    def _in_turn(self, machines: Sequence[Machine], seconds: float) -> list[Setting]:
        rounds = [[self._timed(self._loaded(machine), seconds) for machine in machines] for _ in range(_ROUNDS)]
        return [Setting(machine, max(speeds)) for machine, *speeds in zip(machines, *rounds, strict=True)]

    def _loaded(self, machine: Machine) -> Iterator[int]:
        """Yield the number of images of each batch, when it is on the device."""
        for batch in training_batches(self.transform, self.order, self._step, 0, 1, machine, self.lost):
            batch.images.ravel()[-1].item()  # waits for a GPU
            self._step += 1
            yield len(batch.labels)

    def _run(self, transform: Training, machine: Machine) -> Iterator[int]:
        """Yield the number of images of each batch that DALI has made."""
        steps = iter(range(self._step, self.order.total_steps))

        def following() -> list[Fed]:
            place = self.order.at(next(steps))
            return transform.feed(place.epoch, place.samples, place.copies)

        pipe = pipeline.build(transform, following, self.order.largest_part(1), machine)
        while True:
            try:
                images = len(pipe.run()[0])
            except RuntimeError:
                if self.lost is None:
                    next(self._loaded(machine))  # names the image
                    raise
                images = 0
            self._step += 1
            yield images

    def _timed(self, batches: Iterator[int], seconds: float) -> float:
        """Return images a second; a third of the time, and one batch at least, goes before."""
        begun = time.perf_counter()
        next(batches)
        while time.perf_counter() - begun < seconds / 3:
            next(batches)
        start, images = time.perf_counter(), 0
        while not images or time.perf_counter() - begun < seconds:
            images += next(batches)
        speed = images / (time.perf_counter() - start)
        batches.close()  # type: ignore[attr-defined]
        gc.collect()  # the pipeline's threads and memory
        return speed


def _adding_up(speeds: dict[str, float]) -> list[Stage]:
    """Return the stages with their shares; one that came out faster than the one before it adds nothing."""
    until, added = 0.0, {}
    for name, speed in speeds.items():
        added[name] = max(0.0, 1 / speed - until)
        until = max(until, 1 / speed)
    return [Stage(name, speed, added[name] / until) for name, speed in speeds.items()]


def recommended(found: Sequence[Setting]) -> Setting:
    """Return the least setting whose speed is close to the best: a thread or a batch ahead costs something."""
    best = max(setting.speed for setting in found)
    close = [setting for setting in found if setting.speed >= _CLOSE * best]
    return min(close, key=lambda setting: (setting.machine.threads, setting.machine.prefetch, -setting.speed))
