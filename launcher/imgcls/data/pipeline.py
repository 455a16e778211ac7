"""DALI graphs for training and evaluation. They hold no random state: all that varies is fed to them.

The only module that imports DALI, beside the bodies of augmentations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from nvidia.dali import Pipeline, fn, types

from imgcls.data import geometry
from imgcls.data.augmentation import Augmentation, Crop, Graph, Node
from imgcls.data.draws import Draws
from imgcls.data.index import Index
from imgcls.data.resize import Resize
from imgcls.plan import Format

Fed = list[NDArray[Any]] | NDArray[Any]

_PYTHON: dict[str, Any] = {"batch_processing": True, "output_layouts": "HWC"}
_INTERPOLATION = {
    "nearest": types.INTERP_NN,
    "bilinear": types.INTERP_LINEAR,
    "bicubic": types.INTERP_CUBIC,
    "lanczos": types.INTERP_LANCZOS3,
}


@dataclass(frozen=True)
class Machine:
    """What a pipeline runs on: a GPU's number or None, threads, batches made ahead, and where to decode."""

    device_id: int | None
    threads: int
    prefetch: int
    decode: str

    @property
    def device(self) -> str:
        """Where the operators after decoding run."""
        return "cpu" if self.device_id is None else "gpu"

    @property
    def decoder(self) -> str:
        """The decoder's device, in DALI's words."""
        return "cpu" if self.device_id is None or self.decode == "cpu" else "mixed"


class Training:
    """Decode a region, resize, augment, normalise.

    Args:
        index: of the training set.
        form: what the model is given.
        crop: the region that is decoded; None for the evaluation's resize and centre crop.
        augmentations: (stream name, augmentation), in order.
        seed: of the run.
    """

    def __init__(
        self,
        index: Index,
        form: Format,
        crop: Crop | None,
        augmentations: Sequence[tuple[str, Augmentation]],
        seed: int,
    ) -> None:
        self.index = index
        self.form = form
        self.crop = crop
        self.augmentations = augmentations
        self.seed = seed

    def at(self, size: int) -> "Training":
        """Return the same for images of another height and width in pixels."""
        if size == self.form.size:
            return self
        return Training(self.index, self.form.at(size), self.crop, self.augmentations, self.seed)

    def feed(self, epoch: int, samples: NDArray[np.int64], copies: NDArray[np.int64] | None = None) -> list[Fed]:
        """Return everything the graph is fed for a batch; ``copies`` as in :class:`imgcls.data.order.Place`."""
        sizes = self.index.sizes[samples]
        fed: list[Fed] = [self.index.feed(samples)]
        if self.crop is not None:
            fed += self.crop.boxes(Draws(self.seed, epoch, samples, "crop", copies), sizes)
        else:
            fed += _whole(self.index, sizes, self.form)
        for stream, augmentation in self.augmentations:
            fed += augmentation.draw(Draws(self.seed, epoch, samples, stream, copies), self.form.size)
        return fed

    def graph(self, machine: Machine, fed: Sequence[Node]) -> Node:
        """Return the batch: float32 NCHW."""
        if self.crop is not None:
            region = _decode_region(self.index, self.form, machine, fed[0], fed[1], fed[2])
            images = _resize(region, self.form, machine)
        else:
            images = _evaluated(self.index, self.form, machine, fed)
        graph = Graph(images, self.form.size, self.form.mean)
        rest = list(fed[1:] if self.crop is None and _fits(self.index, self.form) else fed[3:])
        empty = np.empty(0, np.int64)
        for stream, augmentation in self.augmentations:
            count = len(augmentation.draw(Draws(self.seed, 0, empty, stream), self.form.size))
            augmentation.apply(graph, *rest[:count])
            del rest[:count]
        images, mirror = graph.finish()
        return _normalise(images, self.form, mirror=mirror)


class Evaluation:
    """Resize the shorter side, crop the centre, normalise: Pillow's result to within two grey levels."""

    def __init__(self, index: Index, form: Format) -> None:
        self.index = index
        self.form = form

    def feed(self, epoch: int, samples: NDArray[np.int64]) -> list[Fed]:  # noqa: ARG002 (as Training)
        """Return everything the graph is fed for a batch."""
        return [self.index.feed(samples), *_whole(self.index, self.index.sizes[samples], self.form)]

    def graph(self, machine: Machine, fed: Sequence[Node]) -> Node:
        """Return the batch: float32 NCHW."""
        return _normalise(_evaluated(self.index, self.form, machine, fed), self.form)


class Decoding:
    """Decode, and nothing else: what `imgcls data check` does with every image."""

    def __init__(self, index: Index, form: Format) -> None:
        self.index = index
        self.form = form

    def feed(self, epoch: int, samples: NDArray[np.int64]) -> list[Fed]:  # noqa: ARG002 (as Training)
        """Return everything the graph is fed for a batch."""
        return [self.index.feed(samples)]

    def graph(self, machine: Machine, fed: Sequence[Node]) -> Node:
        """Return the images as they are: uint8 HWC, each of its own size."""
        return _decode(self.index, self.form, machine, fed[0])


def build(
    transform: Training | Evaluation | Decoding,
    batches: Callable[[], list[Fed]],
    batch_size: int,
    machine: Machine,
) -> Any:
    """Return a DALI pipeline over what ``batches`` feeds it.

    Args:
        transform: what is done to an image.
        batches: returns ``transform.feed(...)`` of the next batch, or raises StopIteration.
        batch_size: samples of a batch, at most.
        machine: what it runs on.
    """
    outputs = len(transform.feed(0, np.zeros(1, np.int64)))
    pipe = Pipeline(
        batch_size=batch_size,
        num_threads=machine.threads,
        device_id=machine.device_id,
        prefetch_queue_depth=machine.prefetch,
        seed=0,
    )
    with pipe:
        fed = fn.external_source(source=batches, num_outputs=outputs, batch=True)  # a list, of one too
        pipe.set_outputs(transform.graph(machine, fed))
    pipe.build()
    return pipe


def can_decode(index: Index, sample: int, channels: int) -> str | None:
    """Return what is wrong with an image file, None if nothing is; decoded alone, on the CPU."""
    try:
        data = index.read(sample)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return fault_of(data, index.sizes[sample], channels)


def fault_of(data: bytes, size: NDArray[np.int32], channels: int) -> str | None:
    """Return what is wrong with an encoded image that should be of a size in pixels, None if nothing is."""
    encoded = np.frombuffer(data, np.uint8)
    if not len(encoded):
        return "is empty"
    pipe = Pipeline(batch_size=1, num_threads=1, device_id=None, prefetch_queue_depth=1)
    with pipe:
        fed = fn.external_source(source=lambda: [encoded], batch=True)
        pipe.set_outputs(fn.decoders.image(fed, output_type=_image_type(channels)))
    try:
        (image,) = pipe.run()
    except RuntimeError as error:
        return "is damaged or cut off" if "#4" not in str(error) else "is not an image that DALI decodes"
    height, width = np.asarray(image[0]).shape[:2]
    expected = tuple(int(side) for side in size)
    if (height, width) != expected:
        return f"is {height}x{width} pixels, but was {expected[0]}x{expected[1]} when it was indexed"
    return None


def _fits(index: Index, form: Format) -> bool:
    """Whether the images are pixels that need neither resize nor crop."""
    return index.pixels is not None and {*index.pixels.shape[1:3], form.eval_resize} == {form.size}


def _whole(index: Index, sizes: NDArray[np.int32], form: Format) -> list[Fed]:
    if _fits(index, form):
        return []
    resized = geometry.shorter_side(sizes, form.eval_resize)
    return [resized.astype(np.int32), geometry.centre(resized, form.size).astype(np.int32)]


def _evaluated(index: Index, form: Format, machine: Machine, fed: Sequence[Node]) -> Node:
    """Return the whole images with the shorter side resized and the centre cut out."""
    images = _decode(index, form, machine, fed[0])
    if _fits(index, form):
        return _moved(images, machine)
    return _resize_and_crop(images, fed[1], fed[2], form, machine)


def _image_type(channels: int) -> Any:
    return types.GRAY if channels == 1 else types.RGB


def _decode(index: Index, form: Format, machine: Machine, fed: Node) -> Node:
    if index.pixels is not None:
        return _pixels(fed, index.pixels.shape[3], form)
    return fn.decoders.image(_encoded(index, fed), device=machine.decoder, **_decoding(form, machine))


def _decode_region(index: Index, form: Format, machine: Machine, fed: Node, start: Node, shape: Node) -> Node:
    if index.pixels is not None:
        region = fn.slice(fed, start, shape, axis_names="HW")
        return _pixels(region, index.pixels.shape[3], form)
    return fn.decoders.image_slice(
        _encoded(index, fed),
        start=start,
        shape=shape,
        axis_names="HW",
        device=machine.decoder,
        **_decoding(form, machine),
    )


def _encoded(index: Index, fed: Node) -> Node:
    # read, not mapped: a fifth faster, and network file systems do without mapping
    return fn.io.file.read(fed, dont_use_mmap=True) if index.are_files else fed


def _decoding(form: Format, machine: Machine) -> dict[str, Any]:
    # the GPU decoder upsamples chroma as the CPU's does only where it is told to
    fancy = {"jpeg_fancy_upsampling": True} if machine.decoder == "mixed" else {}
    return {"output_type": _image_type(form.channels), **fancy}


def _pixels(images: Node, channels: int, form: Format) -> Node:
    images = fn.reshape(images, layout="HWC")
    if channels == form.channels:
        return images
    return fn.color_space_conversion(
        images, image_type=_image_type(channels), output_type=_image_type(form.channels)
    )


def _resize(images: Node, form: Format, machine: Machine) -> Node:
    if machine.decoder == "cpu":
        resize = Resize(form.interpolation, machine.threads).to(form.size)
        return _moved(fn.python_function(images, function=resize, **_PYTHON), machine)
    return _resize_by_dali(_moved(images, machine), [form.size, form.size], form)


def _resize_and_crop(images: Node, size: Node, start: Node, form: Format, machine: Machine) -> Node:
    if machine.decoder == "cpu":
        resize = Resize(form.interpolation, machine.threads).cropped(form.size)
        return _moved(fn.python_function(images, size, start, function=resize, **_PYTHON), machine)
    resized = _resize_by_dali(_moved(images, machine), fn.cast(size, dtype=types.FLOAT), form)
    return fn.slice(resized, start=start, shape=[form.size, form.size], axis_names="HW")


def _moved(images: Node, machine: Machine) -> Node:
    """Return the images where the operators after decoding run."""
    return images.gpu() if machine.device == "gpu" and images.device == "cpu" else images


def _resize_by_dali(images: Node, size: Any, form: Format) -> Node:
    return fn.resize(images, size=size, interp_type=_INTERPOLATION[form.interpolation], antialias=True)


def _normalise(images: Node, form: Format, mirror: Node | None = None) -> Node:
    return fn.crop_mirror_normalize(
        images,
        dtype=types.FLOAT,
        output_layout="CHW",
        mean=[255 * value for value in form.mean],
        std=[255 * value for value in form.std],
        mirror=0 if mirror is None else mirror,
    )
