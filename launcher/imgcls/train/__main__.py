"""``torchrun --nproc-per-node 2 -m imgcls.train RUN_FOLDER``: train what a run folder's plan says, without Ray."""

import os
import sys
from pathlib import Path

from imgcls.plan import Plan
from imgcls.run_folder import RunFolder
from imgcls.train.loop import train
from imgcls.train.world import World, join_group, leave_group, pick_device


def main() -> None:
    """Take rank, size and address from torchrun's environment variables."""
    folder = RunFolder(Path(sys.argv[1]))
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    device = pick_device(local_rank)
    if size > 1:
        join_group(rank, size, "env://", device)
    try:
        world = World(rank, size, local_rank, stop_requested=folder.stop.exists, device=device)
        train(Plan.from_json(folder.plan.read_text(encoding="utf-8")), folder, world)
    finally:
        leave_group()


if __name__ == "__main__":
    main()
