"""Every hook that a plugin can implement: the whole contract.

A plugin is a module under the entry-point group ``imgcls``. Each hook is called without arguments and, but for
``imgcls_commands``, returns :class:`imgcls.Component` objects; its body imports what it needs. The module itself
imports only ``imgcls``, click and the standard library, because listing plugins must not import torch. What is
said below of ``build`` is the signature of the callable that ``Component.build`` names; it runs in the worker.
"""

from collections.abc import Iterable

import click
import pluggy

from imgcls.component import Component

hookspec = pluggy.HookspecMarker("imgcls")


@hookspec
def imgcls_models() -> Iterable[Component]:
    """Models, for ``[model]``.

    ``build(options, num_classes: int, in_channels: int) -> torch.nn.Module``: float images of shape
    (N, in_channels, H, W) to logits of shape (N, num_classes); in training perhaps
    :class:`imgcls.WithAuxiliary`. Two optional methods of the module are used where it has them:
    ``adapted(name: str, value: Tensor) -> Tensor | None`` makes a loaded tensor of another shape fit, such as
    position embeddings of another image size; ``for_inference() -> torch.nn.Module`` returns the network to
    deploy, where that is another one.
    """


@hookspec
def imgcls_datasets() -> Iterable[Component]:
    """Datasets, for ``[data]``.

    ``build(options, split) -> imgcls.Source | None`` with split ``"train"`` or ``"validation"``; called on
    the driver only. None for validation means that there is none: a part of train is then held out, by
    seed and class. Raises ``imgcls.UserError`` where the data is missing, with what to do.
    """


@hookspec
def imgcls_augmentations() -> Iterable[Component]:
    """Augmentations, for ``[[augment]]``, applied in the order written.

    ``build(options) -> imgcls.Crop | imgcls.Augmentation | imgcls.Mix``: a region to decode, an operation on
    each image in DALI, or a mixture of two images in torch. All randomness is drawn from the counter-based
    generator that is handed in; the DALI graph holds none.
    """


@hookspec
def imgcls_optimizers() -> Iterable[Component]:
    """Optimizers, for ``[optimizer]``.

    ``build(options, model: torch.nn.Module, batch_size: int) -> torch.optim.Optimizer`` over the parameters that
    require gradients; ``batch_size`` is that of all workers together. Each group's ``lr`` is multiplied by the
    schedule's factor before an update. What is in its ``state_dict`` must be tensors and what JSON can hold;
    what it changes in its groups itself, such as a count, is restored from a checkpoint, all else in them is the
    recipe's. If it has a method ``ascend()``, that is called after the backward pass, and gradients are computed
    again where it has gone, before ``step()``.
    """


@hookspec
def imgcls_schedules() -> Iterable[Component]:
    """Learning-rate schedules, for ``[schedule]``.

    ``build(options, total_steps: int, steps_per_epoch: int) -> Callable[[int], float]``: a pure function
    from the update's number, counted from 0, to a factor of the optimizer's own rate. One that follows the
    evaluations has three methods beside: ``evaluated(metrics: Mapping[str, float]) -> None``,
    ``state() -> dict[str, float]`` and ``restore(state) -> None``.
    """


@hookspec
def imgcls_losses() -> Iterable[Component]:
    """Losses, for ``[loss]``.

    ``build(options, num_classes: int, class_counts: numpy.ndarray) -> torch.nn.Module``, where ``class_counts``,
    int64 (num_classes,), are the samples of each class in the training set. The module takes float32 logits
    (N, classes) and targets, int64 labels (N,) or, where images are mixed, float32 shares of the classes
    (N, classes), to the mean over N.
    """


@hookspec
def imgcls_trackers() -> Iterable[Component]:
    """Trackers, for ``[[track]]``; on rank 0 only.

    ``build(options, folder: pathlib.Path) -> imgcls.Tracker`` with ``log(record)`` and ``close()``.
    """


@hookspec
def imgcls_callbacks() -> Iterable[Component]:
    """Callbacks, for ``[[callback]]``; on every rank.

    ``build(options) -> imgcls.Callback``.
    """


@hookspec
def imgcls_clusters() -> Iterable[Component]:
    """Kinds of cluster, for ``imgcls cluster render``.

    ``build(options, job: imgcls.Job) -> str``: the text of a manifest or script that starts Ray there and runs the
    job's command, again until it has come to its end. Pure: it reads and starts nothing. Raises
    ``imgcls.UserError`` for a job that cannot run there.
    """


@hookspec
def imgcls_commands() -> Iterable[click.Command]:
    """Commands of the command line, ``imgcls NAME``; of a plugin that is not imgcls's own ``imgcls PLUGIN:NAME``.

    The modules that they are in import only click and the standard library at the top, for ``imgcls --help``
    lists them; what they need they import when they run.
    """
