"""A plan's workers under Ray Train, and what went wrong in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from imgcls.errors import UserError, WorkerError
from imgcls.on_ray.home import Home
from imgcls.on_ray.worker import work
from imgcls.plan import Plan
from imgcls.run_folder import RunFolder, read_json

_LOOK_EVERY = 10.0  # seconds between looks for room for more workers; growing costs a start of all of them


@dataclass(frozen=True)
class Job:
    """A run on workers.

    Attributes:
        plan, folder: of the run.
        cpus: of each worker.
        shared: whether the cluster is there for others too.
        watched: for a search, which may be killed: whether the workers make it known that they are at the run, for
            as long as they live, and are not asked for again in a hurry.
        home: of the launch; None: its folder is on storage that every worker sees, and the data where it was.
    """

    plan: Plan
    folder: RunFolder
    cpus: float
    shared: bool
    watched: bool = False
    home: Home | None = None


def trainer(job: Job, begun: Callable[[Any], None] | None = None) -> Any:
    """Return the trainer of a run: its ``fit()`` returns when the run has ended.

    Args:
        job: what is to be run.
        begun: is given the handle of Ray Train's controller, with which its workers end. Ray keeps it to itself,
            and without it a run cannot be ended early.

    Raises:
        UserError: there are fewer GPUs than workers.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
    from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from imgcls.on_ray.failures import Failures
    from imgcls.on_ray.unhurried import Unhurried

    workers, absolute = job.plan.workers, RunFolder(job.folder.path.absolute())
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if 0 < gpus < workers.fewest:
        raise UserError(f"{workers.fewest} workers, but there are {gpus} GPUs; start at most that many")

    class Trainer(DataParallelTrainer):
        # TorchTrainer's only addition is a process group, which our worker makes itself: importing it
        # brings torch into the driver and the controller, 3 s each

        def _create_default_callbacks(self) -> list[Any]:
            # two processes that each import Ray Train: one hands out Ray Datasets, the other tidies up
            # on clusters that outlive their driver
            needless = (DatasetsCallback, *(() if job.shared else (PlacementGroupCleanerCallback,)))
            return [c for c in super()._create_default_callbacks() if not isinstance(c, needless)]

        def _initialize_and_run_controller(self, **parts: Any) -> Any:
            if workers.elastic:
                from imgcls.on_ray.elastic import FreshlyCounted

                parts["scaling_policy"] = FreshlyCounted(self.scaling_config, absolute)
            return super()._initialize_and_run_controller(**parts) if begun is None else _run(parts, begun)

    return Trainer(
        work,
        train_loop_config={
            "home": job.home or Home(str(job.folder.path.absolute())),
            "cpus": job.cpus if job.shared else None,
            "watched": job.watched,
        },
        scaling_config=ScalingConfig(
            num_workers=(workers.fewest, workers.count) if workers.elastic else workers.count,
            elastic_resize_monitor_interval_s=_LOOK_EVERY,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": job.cpus, **({"GPU": 1} if gpus else {})},
        ),
        run_config=RunConfig(
            name="train",
            storage_path=str((job.folder.logs / "ray-train").absolute()),
            failure_config=FailureConfig(max_failures=workers.max_failures),
            callbacks=[Failures(absolute.events), *([Unhurried()] if job.watched else [])],
        ),
    )


def _run(parts: Mapping[str, Any], begun: Callable[[Any], None]) -> Any:
    """Run a controller on this node, and return its result; its handle is handed out first."""
    import ray
    from ray.train.v2._internal.constants import get_env_vars_to_propagate
    from ray.train.v2._internal.execution.controller import TrainController

    here = {ray._raylet.RAY_NODE_ID_KEY: ray.get_runtime_context().get_node_id()}
    settings = {"env_vars": get_env_vars_to_propagate()}
    actor = ray.remote(num_cpus=0, label_selector=here, runtime_env=settings)(TrainController)
    controller = actor.remote(**parts)
    begun(controller)
    ray.get(controller.run.remote())
    return ray.get(controller.get_result.remote())


def own_errors(folder: RunFolder) -> list[dict[str, Any]]:
    """Return what workers recorded of their own errors, the earliest first."""
    records = [read_json(path) for path in folder.errors.glob("*.json")]
    return sorted((record for record in records if not record["collateral"]), key=lambda record: record["time"])


def raise_worker_errors(job: Job, failure: list[BaseException]) -> None:
    """Raise what a worker had recorded, or else what the trainer raised; nothing where there is neither.

    Raises:
        UserError: what the user can mend.
        WorkerError: another error, or workers that died more often than the recipe allows.
    """
    own = own_errors(job.folder)
    if own:
        first = own[0]
        if first["user"]:
            raise UserError(first["text"])
        raise WorkerError(f"worker {first['rank']} on {first['host']}:\n{first['text']}")
    if failure:
        error = failure[0]
        if isinstance(error, UserError):
            raise error
        lines = str(error).strip().splitlines()
        last = next((line for line in reversed(lines) if line.strip()), type(error).__name__)
        raise WorkerError(
            f"the workers were started {job.plan.workers.max_failures + 1} times and ended each time: "
            f"{last.strip()}\nlogs: {job.folder.logs}"
        )
