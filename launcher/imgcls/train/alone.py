"""The run in this process: no Ray, starts in seconds, and a debugger works."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from imgcls.plan import Plan
from imgcls.quiet import libraries_quiet
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
    folder.logs.mkdir(parents=True, exist_ok=True)
    with libraries_quiet(folder.logs / "worker-0.log"), _stop_on_interrupt(stopping) as stop_requested:
        prepare_environment()
        from imgcls.train.loop import train
        from imgcls.train.world import World, pick_device

        world = World(emit=emit, stop_requested=stop_requested, device=pick_device(0))
        world.tell("phase", name="torch and DALI imported")
        return train(plan, folder, world).finished


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
