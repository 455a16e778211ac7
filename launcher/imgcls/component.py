"""What a plugin declares: a named component, its builder, and its typed options. Imports nothing heavy."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def options(cls: type[T]) -> type[T]:
    """Make a class the options of a component: a frozen, keyword-only dataclass that refuses unknown keys.

    A field may carry its range and a line of help: ``Annotated[float, Gt(0), "learning rate"]`` with
    ``Gt``, ``Ge``, ``Lt``, ``Le`` from ``annotated_types``. Values come from TOML in strict mode: an integer
    is taken for a float and a list for a tuple, a string for a number is refused.
    """
    cls.__pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True, slots=True)(cls)


@options
class NoOptions:
    """For a component that has nothing to set."""


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that a recipe can name.

    Args:
        name: the name within its plugin, for example ``"resnet50"``.
        build: where its builder is, ``"module:attribute"``; imported in the worker, never when listed.
        options: a class made with :func:`options`; the module it is in must not import torch.
        defaults: an instance of ``options`` that replaces the class's own defaults, so that a family's
            variants are rows of data over one builder.
        summary: one line for listings.
        facts: published facts about it. For a model, ``input_size`` (pixels), ``channels``, ``mean`` and
            ``std`` (of values in 0..1), ``eval_resize`` (pixels, shorter side) and ``interpolation`` are
            what a recipe gets that does not set them itself; ``params_m`` and ``macs_g`` (parameters in
            millions, multiply-adds in billions), ``top1`` (percent), ``year`` and ``paper`` are listed.
            For an optimizer, ``fsdp`` is False where it does not get the same from weights of which each
            worker has a part, as one may that treats a weight as a matrix. For a schedule, ``lengths`` names the
            options that are counted in what its option ``unit`` says, beside those whose names end in
            ``epochs`` or ``steps``, and ``evaluations`` those that are counted in evaluations: a shorter run of a
            search has them in proportion.
        layouts: of a model, where the names that other projects' weight files have are translated:
            ``"module:attribute"`` of a function from the options to a mapping of name -> :class:`Layout`;
            imported in the worker. Empty: files must have the model's own names.
    """

    name: str
    build: str
    options: type = NoOptions
    defaults: Any = None
    summary: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    layouts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How another project's files name the parameters of a model, as data.

    Args:
        rename: (pattern, replacement) pairs, regular expressions that are applied to each name in the order
            written, as ``re.sub`` would. A replacement may do arithmetic on a number that the pattern
            captured: ``{1+1}`` is group 1 plus 1. ``(r"^stages\\.(\\d+)\\.", r"layer{1+1}.")``.
        leave_out: patterns, searched in the names as the file has them, of what has no place in the model.
        linear_transposed: weights of fully connected layers lie as (inputs, outputs), as Paddle's do.
        scale: (pattern, factor) pairs, searched in the names here: what a tensor is multiplied by, such as a
            weight behind a dropout that scales in evaluation instead of in training.
    """

    rename: tuple[tuple[str, str], ...] = ()
    leave_out: tuple[str, ...] = ()
    linear_transposed: bool = False
    scale: tuple[tuple[str, float], ...] = ()


def load(reference: str) -> Any:
    """Return the object that ``"module:attribute"`` names.

    Raises:
        ImportError: the module cannot be imported, or lacks the attribute.
    """
    module, separator, attribute = reference.partition(":")
    if not separator:
        raise ImportError(f"'{reference}' is not of the form 'module:attribute'")
    found: Any = importlib.import_module(module)
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise ImportError(f"module '{module}' has no '{attribute}'") from error
    return found


def reference_to(thing: type) -> str:
    """Return the ``"module:attribute"`` under which :func:`load` finds a class again."""
    return f"{thing.__module__}:{thing.__qualname__}"
