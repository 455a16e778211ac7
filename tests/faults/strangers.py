"""Somebody else on a cluster: takes CPUs and lets go of them, and notes what there is on the cluster.

Run as ``python strangers.py ADDRESS FOLDER``. While FOLDER has a file ``busy``, two placement groups of one CPU each
and a task come and go. Every fifth of a second a line is added to ``census.jsonl``. It ends when there is a file
``end``.
"""

import json
import sys
import time
from pathlib import Path

import ray
from ray._private.state import state
from ray.core.generated.gcs_pb2 import PlacementGroupTableData
from ray.util.placement_group import placement_group, remove_placement_group

_LOOK_EVERY = 0.2  # seconds
_HOLD = 1.0  # seconds
# Ray Train's own, one for a whole cluster, without CPUs
_OF_RAY = "_AutoscalingCoordinatorActor"


def main(address: str, folder: Path) -> None:
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    look(folder, 0)
    while not (folder / "end").exists():
        if (folder / "busy").exists():
            come_and_go(folder)
        look(folder, _HOLD)


@ray.remote(num_cpus=1)
def sleeps() -> None:
    """Have a CPU for a while."""
    time.sleep(_HOLD)


def come_and_go(folder: Path) -> None:
    """Ask for half of two CPUs twice, keep them for a while if they are given, and a task that may have to wait."""
    halves = [placement_group([{"CPU": 1}]) for _ in range(2)]
    look(folder, _HOLD)
    remove_placement_group(halves[0])
    task = sleeps.remote()
    look(folder, _HOLD)
    remove_placement_group(halves[1])
    ray.cancel(task)


def look(folder: Path, seconds: float) -> None:
    """Note what others have on the cluster, again and again for so long."""
    end = time.monotonic() + seconds
    mine = ray.get_runtime_context().get_job_id()
    while True:
        table = state._connect_and_get_accessor().get_placement_group_table()
        groups = [PlacementGroupTableData.FromString(each) for each in table]
        alive = [
            g for g in groups if g.state != PlacementGroupTableData.REMOVED and g.creator_job_id.hex() != mine
        ]
        actors = [
            each["ActorClassName"] for each in ray._private.state.actors().values() if each["State"] != "DEAD"
        ]
        found = {
            "time": time.time(),
            "groups": [[len(g.bundles), sum(bool(b.node_id.strip(b"\xff")) for b in g.bundles)] for g in alive],
            "waiting": sum(g.state == PlacementGroupTableData.PENDING and len(g.bundles) > 1 for g in alive),
            "actors": [name for name in actors if name != _OF_RAY],
            "free": ray.available_resources().get("CPU", 0),
            "strangers": len(groups) - len(alive),
        }
        with (folder / "census.jsonl").open("a") as file:
            file.write(json.dumps(found) + "\n")
        if time.monotonic() >= end:
            return
        time.sleep(_LOOK_EVERY)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
