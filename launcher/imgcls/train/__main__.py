"""``torchrun --nproc-per-node 2 -m imgcls.train RUN_FOLDER``: train what a run folder's plan says, without Ray."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from imgcls.hang import Place, places, slowest
from imgcls.interrupts import RUN_ME_AGAIN
from imgcls.plan import Plan
from imgcls.run_folder import RunFolder
from imgcls.train.loop import train
from imgcls.train.watch import Watch
from imgcls.train.world import World, join_group, leave_group, pick_device


def main() -> int:
    """Take rank, size and address from torchrun's environment variables; return the exit code."""
    folder = RunFolder(Path(sys.argv[1]))
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    asked = _Asked()
    device = pick_device(local_rank)
    plan = Plan.from_json(folder.plan.read_text(encoding="utf-8"))

    def hung(place: Place, seconds: float) -> None:
        if rank == 0:
            text = slowest([place, *(other for other in places(folder.places) if other.rank)], [], seconds)
            _say(f"{text}\nstacks of all: {folder.stacks}\nto continue: the same torchrun command")

    watch = Watch(folder, rank, size, plan.workers.hang_after, hung=hung).start()
    try:
        if size > 1:
            join_group(rank, size, "env://", device)
        world = World(
            rank,
            size,
            local_rank,
            stop_requested=lambda: asked.requested or folder.is_stop_asked(),
            device=device,
            pulse=watch.pulse,
        )
        outcome = train(plan, folder, world)
    finally:
        watch.close()
        leave_group()
    if asked.requested and not outcome.finished:
        if rank == 0:
            _say(f"stopped after step {outcome.step}, with a checkpoint; to continue: the same torchrun command")
        return RUN_ME_AGAIN
    return 0


class _Asked:
    """SIGTERM, as often as it comes: torchrun sends it on, so that a process may get it twice.

    What ends a process at once is torchrun's SIGKILL, half a minute later.
    """

    def __init__(self) -> None:
        self.requested = False
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
