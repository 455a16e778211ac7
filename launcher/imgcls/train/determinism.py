"""Algorithms that repeat bit for bit."""

import torch
import torch.utils.deterministic


def set_determinism(wanted: bool) -> None:
    """Let torch take only algorithms that repeat bit for bit, or the fastest ones."""
    torch.backends.cudnn.benchmark = not wanted
    torch.backends.cudnn.deterministic = wanted
    # an operator without a deterministic form is named in the worker's log, not refused; the better known
    # use_deterministic_algorithms does the same, and imports torch's compiler, over a second
    torch.set_deterministic_debug_mode("warn" if wanted else "default")
    # the loop reads no memory that it has not written
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
