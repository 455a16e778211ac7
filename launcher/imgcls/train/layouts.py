"""Other projects' names for a model's parameters, translated as a layout says."""

import math
import re
from collections.abc import Collection, Mapping

from torch import Tensor

from imgcls.component import Layout

_ARITHMETIC = re.compile(r"\{(\d+)([+-]\d+)\}")


def renamed(name: str, layout: Layout) -> str | None:
    """Return a parameter's name here; None where the layout leaves it out."""
    if any(re.search(pattern, name) for pattern in layout.leave_out):
        return None
    for pattern, replacement in layout.rename:
        name = re.sub(pattern, lambda match, text=replacement: _filled(text, match), name)  # type: ignore[misc]
    return name


def _filled(replacement: str, match: "re.Match[str]") -> str:
    counted = _ARITHMETIC.sub(lambda found: str(int(match[int(found[1])]) + int(found[2])), replacement)
    return match.expand(counted)


def converted(tensors: Mapping[str, Tensor], layout: Layout, linear: Collection[str]) -> dict[str, Tensor]:
    """Return a file's tensors under the names, and with the axes and scale, that they have here.

    Args:
        tensors: as the file has them.
        layout: whose names these are.
        linear: names of the weights of fully connected layers, for layouts that transpose them.

    Raises:
        ValueError: two names of the file become one.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        own = renamed(name, layout)
        if own is None:
            continue
        if own in found:
            raise ValueError(f"two tensors of the file become {own}; the second is {name}")
        placed = tensor.T if layout.linear_transposed and own in linear else tensor
        factors = [factor for pattern, factor in layout.scale if re.search(pattern, own)]
        found[own] = placed * math.prod(factors) if factors else placed
    return found
