"""How many workers train now: Ray Train's elastic policy, with a fresh look at the nodes. Imports ray."""

from typing import Any

import ray
from ray.train.v2._internal.execution.scaling_policy.elastic import ElasticScalingPolicy

from imgcls.on_ray.resources import Node, fitting

_PATIENCE = 5.0  # seconds


class FreshlyCounted(ElasticScalingPolicy):
    """Counts the nodes that are alive at the moment.

    Ray's own count is up to 20 s old. It would start workers on a node that has just died, and wait for it.
    """

    def _get_reserved_resources(self) -> Any:
        try:
            return ray.get(
                self._autoscaling_coordinator.get_reserved_resources.remote(self._requester_id, recompute=True),
                timeout=_PATIENCE,
            )
        except Exception as error:  # noqa: BLE001 (of any kind: it is asked again a moment later)
            print(f"the nodes cannot be counted now: {error}", flush=True)
            return None

    def _count_possible_workers(self, reserved_resources: Any) -> int:
        """Return how many workers fit; Ray's own count loses some to rounding of fractions of a CPU."""
        need = self.scaling_config._resources_per_worker_not_none
        nodes = [Node(float(has.get("CPU", 0)), int(has.get("GPU", 0))) for has in reserved_resources.values()]
        count = fitting(nodes, need["CPU"], with_gpu=need.get("GPU", 0) > 0)
        return min(count, self.scaling_config.max_workers)
