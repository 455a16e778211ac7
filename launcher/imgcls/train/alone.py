"""The run in this process: no Ray, starts in seconds, and a debugger works."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from imgcls.hang import Place, slowest
from imgcls.interrupts import Interrupts, Stopping, handled
from imgcls.plan import Plan
from imgcls.quiet import libraries_quiet
from imgcls.run_folder import RunFolder
from imgcls.train.environment import prepare_environment

if TYPE_CHECKING:
    from imgcls.train.world import Elsewhere


def run(
    plan: Plan,
    folder: RunFolder,
    emit: Callable[[Mapping[str, Any]], None],
    stopping: Stopping,
    elsewhere: "Elsewhere | None" = None,
) -> bool:
    """Train in this process; return whether the run came to its end.

    Args:
        plan: of the run.
        folder: of the run.
        emit: takes events.
        stopping: called with False at the first Ctrl-C or SIGTERM, after which training ends with a checkpoint,
            and with True at the second, which ends it at once, or where it hangs; and with the exit code.
        elsewhere: where the run is kept; None: in its folder.
    """
    folder.logs.mkdir(parents=True, exist_ok=True)
    interrupts = Interrupts(stopping, sys.exit)
    with libraries_quiet(folder.logs / "worker-0.log"), handled(interrupts):
        prepare_environment()
        from imgcls.train.loop import train
        from imgcls.train.watch import Watch
        from imgcls.train.world import World, pick_device

        def hung(place: Place, seconds: float) -> None:
            text = f"{slowest([place], [], seconds)}\nits stacks: {folder.stacks}"
            emit({"kind": "failure", "time": time.time(), "text": text})
            stopping(True, 1)
            os._exit(1)

        at_terminal = sys.stdin is not None and sys.stdin.isatty()
        watch = Watch(folder, 0, 1, plan.workers.hang_after, hung=hung, firm=not at_terminal).start()
        try:
            world = World(
                emit=emit,
                stop_requested=lambda: interrupts.requested,
                device=pick_device(0),
                pulse=watch.pulse,
                elsewhere=elsewhere,
            )
            world.tell("phase", name="torch and DALI imported")
            return train(plan, folder, world).finished
        finally:
            watch.close()
