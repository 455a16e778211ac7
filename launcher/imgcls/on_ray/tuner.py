"""A search: Ray Tune over our own runs, driven by the files in the search's folder alone."""

import contextlib
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from imgcls.errors import WorkerError
from imgcls.interrupts import Interrupts, Stopping, handled
from imgcls.on_ray import cluster
from imgcls.on_ray.orphans import remove_orphans
from imgcls.on_ray.processes import kill_descendants
from imgcls.on_ray.trial_room import trial_room
from imgcls.plan import Plan
from imgcls.recipe.schema import Workers
from imgcls.run_folder import RunFolder
from imgcls.tuning.space import Parameter
from imgcls.tuning.study import Asked, Report, Study, Trial

_POLL = 0.05
_LOOK_EVERY = 1.0  # seconds between looks for what dead trials have left
_DRIVER_BYTES = 400 * 2**20  # of a trial's process that drives workers: not more of them than memory has room for
_STOP_PATIENCE = 30.0  # seconds in which trials write their checkpoints after Ctrl-C
_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # all that is needed to go on is in our own files
    "TUNE_WARN_THRESHOLD_S": "60",
    "RAY_AIR_NEW_OUTPUT": "0",
}
# schedulers that must have all trials at hand to compare them
_ALL_AT_ONCE = ("hyperband", "pbt")


class View(Protocol):
    """What shows a search."""

    def trial(
        self, number: int, values: Mapping[str, Any], state: str, report: Report | None, why: str = ""
    ) -> None:
        """Take how a trial stands."""

    def line(self, text: str) -> None:
        """Take something to say."""

    def tick(self) -> None:
        """Be called now and then."""


@dataclass(frozen=True)
class Search:
    """What is to be carried out.

    Attributes:
        study: its folder.
        asked: what it was asked for; ``cpus`` is found where the cluster is known.
        parameters: what is searched.
        workers: of a trial, as the recipe has them.
        most: trials at a time, at most; None: as many as fit.
        check: raises UserError where values cannot make a run.
        plan: of a trial with the recipe's own values; the nodes of a cluster that is joined are examined for it.
    """

    study: Study
    asked: Asked
    parameters: Sequence[Parameter]
    workers: Workers
    most: int | None
    check: Callable[[Mapping[str, Any]], None]
    plan: Plan


def run(
    search: Search,
    view: Callable[[Asked, int, str], View],
    stopping: Stopping,
    address: str | None = None,
) -> None:
    """Carry out what is left of a search.

    Args:
        search: what is to be carried out.
        view: makes what shows it from what was asked for, the trials at a time, and that in words.
        stopping: called with False at the first Ctrl-C or SIGTERM, after which the trials write checkpoints, and
            with True at the second; and with the exit code. This process then ends.
        address: HOST:PORT of a cluster to join; None: Ray is started here, for this search alone.

    Raises:
        UserError: no trial fits; Ray cannot be started here, or not be joined; a node of it is not ready.
        WorkerError: Ray Tune itself failed.
    """
    asked = search.asked
    folder = RunFolder(search.study.path)
    os.environ.update({k: v for k, v in _SETTINGS.items() if k not in os.environ})
    pending = asked.trials if asked.scheduler in _ALL_AT_ONCE else 1
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", str(max(pending, 1)))
    workers = search.workers
    started = (
        cluster.own(folder, workers)
        if address is None
        else cluster.joined(folder, workers, address, everywhere=True)
    )
    interrupts = Interrupts(stopping, _end_at_once)
    with handled(interrupts), started:
        if address is not None:
            remove_orphans(of_dead_jobs=True)  # a search that was killed may have left some
        room = trial_room(cluster.nodes(), asked.workers, workers.cpus, asked.trials, search.most)
        asked = replace(asked, cpus=room.cpus)
        search.study.ask(asked)
        shown = view(asked, room.at_a_time, room.why)
        if address is not None:
            from imgcls.on_ray.examine_before import examine_before

            examine_before(search.plan, folder, room.cpus, lambda note: shown.line(str(note["text"])), interrupts)
        _Carrying(replace(search, asked=asked), room.at_a_time, room.gpu, shown).out(interrupts)


def _end_at_once(code: int) -> None:
    kill_descendants()
    # not by an exception: a thread that is still inside Ray would have Ray end this process in its own way
    os._exit(code)


class _Carrying:
    """A search while it is carried out."""

    def __init__(self, search: Search, at_a_time: int, gpu: bool, view: View) -> None:
        self._search = search
        self._at_a_time = at_a_time
        self._gpu = gpu
        self._view = view
        self._failure: list[BaseException] = []
        # Ray Tune's thread tells, the main one shows
        self._told: queue.SimpleQueue[tuple[Trial, str, Report | None, str]] = queue.SimpleQueue()
        self._running: set[int] = set()

    def out(self, interrupts: Interrupts) -> None:
        """Carry it out."""
        for trial in self._search.study.trials:
            reports = trial.reports
            state = "waiting" if trial.state == "begun" else trial.state
            self._view.trial(trial.number, trial.values_now, state, reports[-1] if reports else None)
        fit = threading.Thread(target=self._fit, name="tune", daemon=True)
        fit.start()
        since = looked = 0.0
        while fit.is_alive() or not self._told.empty():
            self._show()
            if interrupts.requested:
                since = since or time.monotonic()
                if self._have_stopped() or time.monotonic() - since > _STOP_PATIENCE:
                    interrupts.end_at_once()
            self._view.tick()
            if time.monotonic() - looked > _LOOK_EVERY:
                self._remove_orphans()
                looked = time.monotonic()
            time.sleep(_POLL)
        if self._failure:
            raise WorkerError(f"the search failed: {self._failure[0]}\nlogs: {self._search.study.logs}")

    def _remove_orphans(self) -> None:
        """Free what a trial's process that died held for its workers: the trial needs it to go on."""
        if self._search.asked.workers > 1:
            with contextlib.suppress(Exception):  # Ray cannot be asked now
                remove_orphans()

    def _show(self) -> None:
        while not self._told.empty():
            trial, state, report, why = self._told.get()
            (self._running.add if state == "running" else self._running.discard)(trial.number)
            if report is None:
                reports = trial.reports
                report = reports[-1] if reports else None
            self._view.trial(trial.number, trial.values_now, state, report, why)

    def _have_stopped(self) -> bool:
        """Ask every run for a checkpoint; return whether all have written theirs."""
        from imgcls.on_ray.engines import has_nothing_to_save

        stopped = True
        for number in self._running:
            for folder in self._search.study.trial(number).runs[-1:]:
                folder.ask_to_stop()
                stopped = has_nothing_to_save(folder) and stopped
        return stopped

    def _fit(self) -> None:
        try:
            self._tuner().fit()
        except BaseException as error:  # noqa: BLE001 (raised in the main thread; Ray raises SystemExit too)
            self._failure.append(error)

    def _tuner(self) -> Any:
        from ray import tune

        from imgcls.on_ray.deciding import Deciding, scheduler
        from imgcls.on_ray.suggestions import Suggestions
        from imgcls.on_ray.trial import TrialRun

        search, asked = self._search, self._search.asked
        random.seed(asked.seed)  # population based training draws from it
        told = self._told

        own = {"CPU": asked.cpus, **({"GPU": 1} if self._gpu else {})}
        # Ray Train's workers have their own. A trial that drives them must hold no CPU, or trials that wait for
        # workers would hold what the workers wait for
        driver = {"CPU": 0, "memory": _DRIVER_BYTES}
        factory = tune.PlacementGroupFactory([own if asked.workers == 1 else driver])
        most = None if asked.scheduler in _ALL_AT_ONCE else self._at_a_time
        suggestions = Suggestions(
            search.study,
            asked,
            search.parameters,
            most,
            search.check,
            lambda trial, state, why: told.put((trial, state, None, why)),
        )
        deciding = Deciding(
            scheduler(asked, search.parameters),
            search.study,
            asked,
            lambda trial, state, report: told.put((trial, state, report, "")),
        )
        return tune.Tuner(
            tune.with_resources(TrialRun, factory),
            tune_config=tune.TuneConfig(
                search_alg=suggestions,
                scheduler=deciding,
                # a process that is warm begins the next trial at once; one that drives workers is cheap
                reuse_actors=asked.workers == 1,
            ),
            run_config=tune.RunConfig(
                name=f"{int(time.time())}",
                storage_path=str((search.study.logs / "ray-tune").absolute()),
                failure_config=tune.FailureConfig(max_failures=search.workers.max_failures),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=4),
                verbose=0,
            ),
        )
