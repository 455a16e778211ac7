"""How many workers train now: Ray Train's elastic policy, with a fresh look at the nodes. Imports ray."""

import math
from typing import Any

import ray
from ray.train.v2._internal.execution.scaling_policy import NoopDecision, ResizeDecision
from ray.train.v2._internal.execution.scaling_policy.elastic import ElasticScalingPolicy

from imgcls.on_ray.drain import draining
from imgcls.on_ray.reach import GONE, Reach, others
from imgcls.on_ray.resources import Node, fitting
from imgcls.on_ray.saving import Request
from imgcls.report.events import EventFile
from imgcls.run_folder import RunFolder

_PATIENCE = 5.0  # seconds


class FreshlyCounted(ElasticScalingPolicy):
    """Counts the nodes that are there to stay, and has a checkpoint written before workers are ended.

    Ray's own count is up to 20 s old. It would start workers on a node that has just died, and wait for it.
    Where there is room for more, Ray would end the workers at once, and what they did since their last checkpoint
    would be done again. A node that is cut off Ray takes for alive for a minute, with its usual settings: the
    others would wait for its workers meanwhile, and new ones would be started there.

    Args:
        scaling_config: Ray's, with the fewest and the most workers.
        folder: of the run.
    """

    def __init__(self, scaling_config: Any, folder: RunFolder) -> None:
        super().__init__(scaling_config)
        self._folder = folder
        self._request = Request(folder)

    def after_controller_start(self, train_run_context: Any) -> None:
        """Begin to look after the nodes: here, for a policy travels to the controller, and threads do not."""
        super().after_controller_start(train_run_context)
        self._others = others()
        self._reach = Reach(self._others).start()

    def on_controller_start_worker_group(self, *, scaling_config: Any, num_workers: int) -> dict[str, str] | None:  # noqa: ARG002
        """Return what keeps workers off nodes that do not answer."""
        away = self._reach.unreliable()
        return {ray._raylet.RAY_NODE_ID_KEY: f"!in({','.join(sorted(away))})"} if away else None

    def make_decision_for_non_running_worker_group(self) -> Any:
        """Start as many workers as there is room for."""
        if self._request.pending and not self._withdrawn():
            return NoopDecision()
        return super().make_decision_for_non_running_worker_group()

    def make_decision_for_running_worker_group(self, worker_group_state: Any, worker_group_status: Any) -> Any:
        """Go on without nodes that do not answer.

        Where there is room for another number of workers, ask for a checkpoint, and then start those.
        """
        lost = {worker.metadata.node_id for worker in worker_group_state.workers} & self._reach.silent(GONE)
        if lost:
            return self._without(lost)
        if self._request.pending:
            self._maybe_send_resource_request()
            if not self._request.is_granted or not self._withdrawn():
                return NoopDecision()
            # counted once more, now: the room may be gone again
            self._latest_monitor_time = -math.inf
            return super().make_decision_for_running_worker_group(worker_group_state, worker_group_status)
        decision = super().make_decision_for_running_worker_group(worker_group_state, worker_group_status)
        if not isinstance(decision, ResizeDecision):
            return decision
        try:
            self._request.ask(_described(decision.num_workers))
        except OSError as error:
            print(f"no checkpoint can be asked for now: {error}", flush=True)
        return NoopDecision()

    def _without(self, lost: set[str]) -> Any:
        """Start what fits on the nodes that answer, at once: the workers wait for those that are lost."""
        found = self._get_reserved_resources()
        count = 0 if found is None else self._count_possible_workers(found)
        if count < self.scaling_config.min_workers:
            return NoopDecision()
        if self._request.pending:
            self._withdrawn()
        hosts = ", ".join(sorted(host for node, (host, _) in self._others().items() if node in lost)) or "a node"
        text = f"{hosts} has not answered for {GONE:.0f} s; starting again from the last checkpoint on the others"
        EventFile(self._folder.events).tell("failure", text=text)
        return self._get_resize_decision(count)

    def _withdrawn(self) -> bool:
        """Ask for no checkpoint any longer; return whether the storage has taken that."""
        try:
            self._request.withdraw()
        except OSError as error:
            print(f"the request for a checkpoint cannot be withdrawn now: {error}", flush=True)
            return False
        return True

    def _get_reserved_resources(self) -> Any:
        try:
            found = ray.get(
                self._autoscaling_coordinator.get_reserved_resources.remote(self._requester_id, recompute=True),
                timeout=_PATIENCE,
            )
            leaving = draining()
        except Exception as error:  # noqa: BLE001 (of any kind: it is asked again a moment later)
            print(f"the nodes cannot be counted now: {error}", flush=True)
            return None
        absent = leaving | self._reach.unreliable()
        return {node: has for node, has in found.items() if node not in absent}

    def _count_possible_workers(self, reserved_resources: Any) -> int:
        """Return how many workers fit; Ray's own count loses some to rounding of fractions of a CPU."""
        need = self.scaling_config._resources_per_worker_not_none
        nodes = [Node(float(has.get("CPU", 0)), int(has.get("GPU", 0))) for has in reserved_resources.values()]
        count = fitting(nodes, need["CPU"], with_gpu=need.get("GPU", 0) > 0)
        return min(count, self.scaling_config.max_workers)


def _described(count: int) -> str:
    workers = "1 worker" if count == 1 else f"{count} workers"
    return f"there is room for {workers}: saving a checkpoint, and starting again from it with so many"
