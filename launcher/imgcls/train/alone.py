"""The run in this process: no Ray, starts in seconds, and a debugger works."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from imgcls.plan import Plan
from imgcls.run_folder import RunFolder
from imgcls.train.environment import prepare_environment


def run(
    plan: Plan, folder: RunFolder, emit: Callable[[Mapping[str, Any]], None], stopping: Callable[[bool], None]
) -> bool:
    """Train in this process; return whether the run came to its end.

    Args:
        plan: of the run.
        folder: of the run.
        emit: takes events.
        stopping: called with False at the first Ctrl-C, after which training ends with a checkpoint, and with
            True at the second, which ends it at once.
    """
    with _libraries_quiet(folder.logs / "worker-0.log"), _stop_on_interrupt(stopping) as stop_requested:
        prepare_environment()
        from imgcls.train.loop import train
        from imgcls.train.world import World, pick_device

        world = World(emit=emit, stop_requested=stop_requested, device=pick_device(0))
        world.tell("phase", name="torch and DALI imported")
        return train(plan, folder, world).finished


@contextmanager
def _libraries_quiet(log: Path) -> Iterator[None]:
    """Send what C and C++ code writes on standard error to a file: DALI's decoders do beside raising an error.

    What Python writes still reaches the terminal, and so does a debugger.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stderr.flush()
    before, kept = sys.stderr, os.dup(2)
    os.dup2(handle, 2)
    os.close(handle)
    sys.stderr = os.fdopen(os.dup(kept), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    try:
        yield
    finally:
        sys.stderr.close()
        sys.stderr = before
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _stop_on_interrupt(stopping: Callable[[bool], None]) -> Iterator[Callable[[], bool]]:
    asked = False

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        stopping(asked)
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
