"""Placement groups that have outlived those who asked for them.

Ray removes a placement group by itself only when its maker and the maker's whole job have ended (ray#54305). A
trial that is killed would so hold its workers' CPUs for as long as the search goes on; and a group that still
waits would take them later, for nobody. A group that was asked for just before its maker's end is never removed.
"""

from collections.abc import Iterator
from typing import Any


def remove_orphans(of_dead_jobs: bool = False) -> int:
    """Remove this job's placement groups whose maker, an actor, has died; return how many there were.

    Args:
        of_dead_jobs: remove those of jobs that have ended, too: what Ray itself would have removed.
    """
    import ray
    from ray._private.state import state
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    jobs = {bytes.fromhex(ray.get_runtime_context().get_job_id())}
    if of_dead_jobs:
        jobs |= {bytes.fromhex(job["JobID"]) for job in state.job_table() if job["IsDead"]}
    orphans = [each for each in groups() if each.creator_job_id in jobs and _is_orphan(each)]
    for orphan in orphans:
        remove_placement_group(PlacementGroup(ray.PlacementGroupID(orphan.placement_group_id)))
    return len(orphans)


def _is_orphan(group: Any) -> bool:
    from ray._private.state import state

    if group.is_detached or not group.creator_actor_id.strip(b"\xff"):
        return False
    # the group itself does not know where its maker died first
    return group.creator_actor_dead or state.actor_table(group.creator_actor_id.hex()).get("State") == "DEAD"


def groups() -> Iterator[Any]:
    """Yield what Ray's control store has of placement groups, without those that are removed."""
    from ray._private.state import state
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData

    # the public table does not say who made a group, and the State API wants a dashboard
    for each in state._connect_and_get_accessor().get_placement_group_table():
        group = PlacementGroupTableData.FromString(each)
        if group.state != PlacementGroupTableData.REMOVED:
            yield group
