"""One rank that trains plans one after another: rank, size, port, and a file that lists what to do."""

import json
import sys
from pathlib import Path

import torch

from imgcls.plan import Plan
from imgcls.run_folder import RunFolder
from imgcls.train import meter
from imgcls.train.loop import Run
from imgcls.train.sharded import own_part
from imgcls.train.world import World, join_group, leave_group

meter._SYNC_SECONDS = 0.0  # look at every step whether to stop
rank, size, port = map(int, sys.argv[1:4])
jobs = json.loads(Path(sys.argv[4]).read_text())
join_group(rank, size, f"tcp://127.0.0.1:{port}", torch.device("cpu"))
for job in jobs:
    looks = iter(range(1, 1000))
    stop = job["stop_after"]
    world = World(rank, size, rank, stop_requested=lambda: next(looks) == stop)  # noqa: B023 (used in this turn alone)
    run = Run(Plan.from_json(job["plan"]), RunFolder(Path(job["folder"])), world)
    try:
        run.to_the_end()
    finally:
        run.close()
    state = [v for entry in run.optimizer.state.values() for v in entry.values() if torch.is_tensor(v)]
    found = {
        "weights": sum(parameter.numel() for parameter in run.model.parameters()),
        "own weights": sum(own_part(parameter.detach()).numel() for parameter in run.model.parameters()),
        "own state": sum(own_part(tensor).numel() for tensor in state),
        "top1": run.state.metrics.get("top1"),
    }
    Path(job["folder"], f"found-{rank}.json").write_text(json.dumps(found))
leave_group()
