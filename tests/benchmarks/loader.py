"""Samples a second: imgcls's loader against DALI's own reader, and against torch's DataLoader with Pillow.

Run as ``python tests/benchmarks/loader.py [--threads 1 2] [--rounds 7]``.
"""

import argparse
import gc
import math
import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure
import numpy as np
import torch
from measure import Photos, Speed, say
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler

if TYPE_CHECKING:
    from imgcls import Augmentation, Mix, Source

SIZE, BATCH = 224, 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
WARM_UP = 5  # batches, more than any side makes ahead


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=20, help="timed in each round; half as many of Pillow's")
    parser.add_argument("--without-pillow", action="store_true")
    options = parser.parse_args()
    measure.header("Loader: random resized crop, flip, normalise")
    pictures = measure.photos()
    say(pictures.describe())
    say(f"batch {BATCH}, {SIZE}x{SIZE} pixels, bilinear with antialiasing, float32 NCHW, 2 batches made ahead")
    reached = []
    for threads in options.threads:
        say(f"\n{threads} DALI thread{'s' if threads > 1 else ''}; DataLoader with {threads} worker processes")
        pillow = None if options.without_pillow else Pillow(pictures, threads)
        sides: dict[str, Callable[[], Speed]] = {
            "imgcls": lambda t=threads: timed(imgcls_batches(pictures, t), options.batches),
            "DALI": lambda t=threads: timed(dali_batches(pictures, t), options.batches),
        }
        if pillow is not None:
            sides["DataLoader"] = lambda p=pillow: timed(p.batches(), max(1, options.batches // 2))
        found = measure.in_turn(sides, options.rounds, "samples/s")
        reached.append(measure.ratio(found, "imgcls", "DALI", 0.95))
        if pillow is not None:
            reached.append(measure.ratio(found, "imgcls", "DataLoader", 2.0))
            pillow.close()
    measure.ends(reached)


def timed(batches: Iterator[torch.Tensor], count: int) -> Speed:
    """Return the speed after some batches of warming up; the iterator is closed at the end."""
    measure.settle()
    for _ in range(WARM_UP):
        next(batches)
    watch = measure.Watch(os.getpid())
    for _ in range(count):
        images = next(batches)
        assert images.shape == (BATCH, 3, SIZE, SIZE)
    speed = watch.stop(count * BATCH)
    batches.close()  # type: ignore[attr-defined]
    gc.collect()
    return speed


# ---- imgcls -----------------------------------------------------------------------------------------------


def imgcls_batches(pictures: Photos, threads: int) -> Iterator[torch.Tensor]:
    from imgcls.data.source import Source

    source = Source.from_files(pictures.root, pictures.names, pictures.labels, ("a", "b"))
    return batches_of(source, threads)


def batches_of(source: "Source", threads: int, *augmentations: "Augmentation | Mix") -> Iterator[torch.Tensor]:
    """Yield a run's batches without end: crop, flip, and what else is given."""
    from imgcls import Mix
    from imgcls.data import index
    from imgcls.data.loader import training_batches
    from imgcls.data.mixing import Mixing
    from imgcls.data.order import Order
    from imgcls.data.pipeline import Machine, Training
    from imgcls.plan import Format
    from imgcls_augment.horizontal_flip import Flip
    from imgcls_augment.random_resized_crop import Region

    files = index.build(source, measure.CACHE / "index", lambda _done, _of: None)
    form = Format(SIZE, 3, MEAN, STD, 256, "bilinear")
    single = [Flip(0.5), *(each for each in augmentations if not isinstance(each, Mix))]
    mixes = [each for each in augmentations if isinstance(each, Mix)]
    named = [(f"{type(each).__name__}/0", each) for each in single]
    transform = Training(files, form, Region(SCALE, RATIO), named, seed=1)
    mixing = Mixing([("mix/0", each) for each in mixes], 1, len(source.classes))
    order = Order(len(files), BATCH, epochs=10_000, seed=1, last_batch="drop", group=mixing.group)
    machine = Machine(device_id=None, threads=threads, prefetch=2, decode="auto")
    for batch in training_batches(transform, order, 0, 0, 1, machine):
        yield mixing(batch)[0]


# ---- DALI alone -------------------------------------------------------------------------------------------


def dali_batches(pictures: Photos, threads: int) -> Iterator[torch.Tensor]:
    import torch.utils.dlpack
    from nvidia.dali import Pipeline, fn, types

    pipe = Pipeline(batch_size=BATCH, num_threads=threads, device_id=None, prefetch_queue_depth=2, seed=1)
    with pipe:
        files, labels = fn.readers.file(file_root=str(pictures.root), random_shuffle=True, name="reader")
        images = fn.decoders.image_random_crop(
            files, random_area=list(SCALE), random_aspect_ratio=list(RATIO), output_type=types.RGB
        )
        images = fn.resize(images, size=[SIZE, SIZE], interp_type=types.INTERP_LINEAR, antialias=True)
        images = fn.crop_mirror_normalize(
            images,
            dtype=types.FLOAT,
            output_layout="CHW",
            mean=[255 * value for value in MEAN],
            std=[255 * value for value in STD],
            mirror=fn.random.coin_flip(probability=0.5),
        )
        pipe.set_outputs(images, labels)
    pipe.build()
    while True:
        made, named = pipe.run()
        torch.utils.dlpack.from_dlpack(named.as_tensor())
        yield torch.utils.dlpack.from_dlpack(made.as_tensor())


# ---- torch's DataLoader and Pillow ------------------------------------------------------------------------


class Files(Dataset[tuple[torch.Tensor, int]]):
    """The transform as torchvision's documentation has it for training, written out with Pillow and torch."""

    def __init__(self, root: Path, names: tuple[str, ...], labels: tuple[int, ...]) -> None:
        self.root, self.names, self.labels = root, names, labels
        self.mean, self.std = (torch.tensor(values).reshape(3, 1, 1) for values in (MEAN, STD))

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.root / self.names[number]) as file:
            image = file.convert("RGB")
        image = image.crop(_box(*image.size)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div_(255)
        return pixels.sub_(self.mean).div_(self.std), self.labels[number]

    def __len__(self) -> int:
        return len(self.names)


def _box(width: int, height: int) -> tuple[int, int, int, int]:
    for _ in range(10):
        area = width * height * random.uniform(*SCALE)
        shape = math.exp(random.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < w <= width and 0 < h <= height:
            x, y = random.randint(0, width - w), random.randint(0, height - h)
            return x, y, x + w, y + h
    return 0, 0, width, height


class Endless(Sampler[int]):
    """Every sample once in random order, again and again."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        while True:
            yield from torch.randperm(self.count).tolist()


class Pillow:
    """One DataLoader for all rounds: starting its processes is not measured.

    They are spawned, because a process that is forked while DALI's threads run may hang.
    """

    def __init__(self, pictures: Photos, workers: int) -> None:
        self._iterator: Any = iter(
            DataLoader(
                Files(pictures.root, pictures.names, pictures.labels),
                batch_size=BATCH,
                sampler=Endless(len(pictures.names)),
                num_workers=workers,
                multiprocessing_context="spawn",
                prefetch_factor=2,
            )
        )
        next(self._iterator)

    def batches(self) -> Iterator[torch.Tensor]:
        while True:
            yield next(self._iterator)[0]

    def close(self) -> None:
        # torch's spawned workers now and then abort while they end ("terminate called"); nothing depends on it
        with suppress(RuntimeError):
            self._iterator._shutdown_workers()


if __name__ == "__main__":
    main()
