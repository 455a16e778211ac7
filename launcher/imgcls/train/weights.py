"""A file of weights -> a model: read without trusting it, its names translated, whole or not at all."""

import difflib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from imgcls import restricted_pickle
from imgcls.component import Layout
from imgcls.errors import UserError
from imgcls.train.layouts import converted

Tensors = dict[str, Tensor]
Builder = Callable[[int, int], nn.Module]  # of a number of classes and of channels

# where the training scripts of this field put a model's tensors in a file
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module", "state_dict_ema", "model_ema")
_PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.")
_SHOWN = 8
_COUNTER = "num_batches_tracked"  # of batch norm: counts batches, and has no influence with a momentum


@dataclass
class Fitted:
    """What was done to make a file's tensors the model's.

    Attributes:
        layout: whose names the file has; ``"own"`` where they are the model's.
        loaded: number of tensors.
        notes: what was replaced or changed, a line each.
    """

    layout: str
    loaded: int = 0
    notes: list[str] = field(default_factory=list)


def read(path: Path) -> Tensors:
    """Return the tensors in a file: safetensors, PyTorch's, or Paddle's ``.pdparams``. Nothing in it is called.

    Raises:
        UserError: it is damaged, or holds something else.
    """
    if path.suffix == ".pdparams":
        return _paddles(path)
    try:
        if path.suffix == ".safetensors" or not _is_torchs(path):
            tensors: Tensors = load_file(path)
            return tensors
        whole = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise UserError(f"weights {path}: is no file of safetensors or of PyTorch: {error}") from None
    except Exception as error:  # noqa: BLE001 (torch raises what pickle, zipfile and itself raise)
        why = str(error).partition("\n")[0]
        raise UserError(
            f"weights {path}: cannot be read as tensors alone: {why}; nothing but tensors is loaded from a file; "
            "save them as safetensors"
        ) from None
    return _without_prefix(_unwrapped(whole, path))


def _is_torchs(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(1)
    return zipfile.is_zipfile(path) or start == b"\x80"


def _paddles(path: Path) -> Tensors:
    whole = restricted_pickle.loads(path.read_bytes(), f"weights {path}")
    arrays = {k: v for k, v in whole.items() if hasattr(v, "dtype")} if isinstance(whole, dict) else {}
    if not arrays:
        raise UserError(f"weights {path}: holds no arrays by name")
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def _unwrapped(whole: Any, path: Path) -> Tensors:
    for _ in range(3):
        if not isinstance(whole, Mapping):
            break
        tensors = {str(k): v for k, v in whole.items() if isinstance(v, Tensor)}
        inner = next((whole[key] for key in _WRAPPERS if isinstance(whole.get(key), Mapping)), None)
        if inner is None:
            if tensors:
                return tensors
            break
        whole = inner
    raise UserError(f"weights {path}: holds no tensors by name; expected a state_dict")


def _without_prefix(tensors: Tensors) -> Tensors:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def fit(
    model: nn.Module,
    given: Tensors,
    build: Builder | None,
    classes: int,
    channels: int,
    layouts: Mapping[str, Layout],
    layout: str = "",
) -> Fitted:
    """Load tensors into a model: all of them, or none.

    Args:
        model: of so many classes and channels; unchanged where this raises.
        given: the file's tensors.
        build: makes the model for other numbers of classes and channels, on the meta device, which tells where the
            head and the first convolution are: the model's own head stays where the file's has another number of
            classes, and the first convolution's channels are changed. None: both are an error, as every other
            difference is.
        classes: of the model.
        channels: of the model's images.
        layouts: what other projects name the model's tensors.
        layout: which of them the file has; empty: the one that fits best.

    Raises:
        UserError: tensors are missing, too many, or of another shape; lists them with the nearest names.
    """
    own = model.state_dict()
    linear = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    fitted, tensors = _best_layout(own, given, layouts, layout, linear)
    head, stem = _heads_and_stems(build, classes, channels) if build is not None else (set(), set())
    problems: list[str] = []
    taken: Tensors = {}
    for name, expected in own.items():
        value = tensors.pop(name, None)
        if value is None:
            if name in head:
                fitted.notes.append(f"{name} is not in the file and starts anew")
            elif not name.endswith(_COUNTER):
                problems.append(f"missing: {name} {_shape(expected)}{_nearest(name, tensors)}")
            continue
        fitting = value if value.shape == expected.shape else _adapted(model, name, value, expected, head, stem)
        if fitting is None:
            problems.append(f"{name} is {_shape(value)} in the file, {_shape(expected)} in the model")
        else:
            if fitting is not value and not name.endswith(".bias"):  # goes with the weight
                fitted.notes.append(_said(name, value, expected, head, stem))
            if fitting is not expected:
                taken[name] = fitting.to(expected.dtype)
    left = [name for name in tensors if not name.endswith(_COUNTER)]
    problems += [f"not in the model: {name} {_shape(tensors[name])}{_nearest(name, own)}" for name in left]
    if problems:
        known = ", ".join(dict.fromkeys(["own", *layouts]))
        more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise UserError(
            f"the weights are not this model's, nothing was loaded; differences: {len(problems)}\n"
            + "\n".join(f"    {line}" for line in [*problems[:_SHOWN], *more])
            + f"\n    names were read as '{fitted.layout}'; known layouts: {known}; set weights.layout"
        )
    # strict, but for what keeps its own value: the new head and counters
    model.load_state_dict({**own, **taken})
    fitted.loaded = len(taken)
    return fitted


def _best_layout(
    own: Tensors, given: Tensors, layouts: Mapping[str, Layout], wanted: str, linear: set[str]
) -> tuple[Fitted, Tensors]:
    known = {"own": Layout(), **layouts}
    if wanted and wanted not in known:
        raise UserError(f"weights.layout: '{wanted}' is unknown for this model; known are {', '.join(known)}")
    best: tuple[int, str, Tensors] | None = None
    for name in [wanted] if wanted else known:
        try:
            tensors = converted(given, known[name], linear)
        except ValueError as error:
            if wanted:
                raise UserError(f"weights.layout: {error}") from None
            continue
        score = sum(2 if own[key].shape == t.shape else 1 for key, t in tensors.items() if key in own)
        if best is None or score > best[0]:
            best = (score, name, tensors)
    assert best is not None  # "own" never fails: names in a file differ
    return Fitted(best[1]), dict(best[2])


def _heads_and_stems(build: Builder, classes: int, channels: int) -> tuple[set[str], set[str]]:
    """Return the names of the tensors whose shape depends on the number of classes, and on that of channels."""
    with torch.device("meta"):
        base = build(classes, channels).state_dict()
        more_classes = build(classes + 1, channels).state_dict()
        more_channels = build(classes, channels + 1).state_dict()
    head = {name for name, tensor in base.items() if more_classes[name].shape != tensor.shape}
    stem = {name for name, tensor in base.items() if more_channels[name].shape != tensor.shape}
    return head, stem


def _adapted(
    model: nn.Module, name: str, value: Tensor, expected: Tensor, head: set[str], stem: set[str]
) -> Tensor | None:
    """Return a tensor of the expected shape; the model's own for a head; None where there is no way."""
    if name in head and value.shape[1:] == expected.shape[1:]:
        return expected
    if (
        name in stem
        and value.ndim == 4
        and (value.shape[0], *value.shape[2:])
        == (
            expected.shape[0],
            *expected.shape[2:],
        )
    ):
        return _other_channels(value, expected.shape[1])
    adapted: Callable[[str, Tensor], Tensor | None] | None = getattr(model, "adapted", None)
    fitting = adapted(name, value) if adapted is not None else None
    return fitting if fitting is not None and fitting.shape == expected.shape else None


def _other_channels(weight: Tensor, channels: int) -> Tensor:
    """Return a first convolution for other images: the sum over channels, shared out equally.

    An image whose channels are all alike then gives what it gave.
    """
    total = weight.float().sum(1, keepdim=True)
    return (total / channels).expand(-1, channels, -1, -1).contiguous()


def _said(name: str, value: Tensor, expected: Tensor, head: set[str], stem: set[str]) -> str:
    if name in head:
        return f"{name}: {value.shape[0]} classes in the file, {expected.shape[0]} here; starts anew"
    if name in stem:
        return f"{name}: {value.shape[1]} channels in the file, {expected.shape[1]} here; the sum is shared out"
    return f"{name}: resized from {_shape(value)} to {_shape(expected)}"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _nearest(name: str, among: Mapping[str, Tensor]) -> str:
    near = difflib.get_close_matches(name, among, n=1, cutoff=0.5)
    return f"; nearest: {near[0]} {_shape(among[near[0]])}" if near else ""
