"""Placement groups that have outlived those who asked for them.

Ray removes a placement group by itself only when its maker and the maker's whole job have ended (ray#54305). A
trial that is killed would so hold its workers' CPUs for as long as the search goes on; and a group that still
waits would take them later, for nobody.
"""

from typing import Any


def remove_orphans() -> int:
    """Remove this job's placement groups whose maker, an actor, has died; return how many there were."""
    import ray
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    orphans = [each for each in groups() if each.creator_actor_id.strip(b"\xff") and each.creator_actor_dead]
    for orphan in orphans:
        remove_placement_group(PlacementGroup(ray.PlacementGroupID(orphan.placement_group_id)))
    return len(orphans)


def groups() -> list[Any]:
    """Return what Ray's control store has of this job's placement groups, without those that are removed."""
    import ray
    from ray._private.state import state
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData

    job = bytes.fromhex(ray.get_runtime_context().get_job_id())
    # the public table does not say who made a group, and the State API wants a dashboard
    table = state._connect_and_get_accessor().get_placement_group_table()
    found = [PlacementGroupTableData.FromString(each) for each in table]
    return [each for each in found if each.creator_job_id == job and each.state != PlacementGroupTableData.REMOVED]
