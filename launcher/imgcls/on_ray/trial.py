"""One trial of a search, as Ray Tune runs it: a class Trainable over our own runs and their exact checkpoints."""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from ray import tune

from imgcls.errors import UserError
from imgcls.on_ray.engines import Engine, InProcess, OnWorkers
from imgcls.report.events import Event
from imgcls.run_folder import RunFolder, read_json, write_whole
from imgcls.tuning.runs import begin, copy_checkpoint, flags_of, plan_of, recipe_of
from imgcls.tuning.study import VALUES, Asked, Report, Rung, Study, Trial, lines

POINTER = "trial.json"  # in Ray Tune's checkpoint, which holds no weights but says where they are
_POLL = 0.05
_CHECKPOINT_PATIENCE = 120.0  # seconds that a checkpoint may take to be written in the background
_KEPT = 3  # checkpoints of a trial that others may take over
_DIGITS = 6  # of an evaluation, as metrics.jsonl has them


class TrialRun(tune.Trainable):
    """A trial.

    What it has reported is in its folder, and how many of these reports the search has decided on. A trial that
    begins where another process left it reports what has no decision yet, and then goes on. Nothing is trained
    twice: each run continues from its own checkpoint.

    Its configuration is ``{"study": folder, "cwd": that relative paths begin at, "number": of the trial,
    "values": {...}}``.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Take a configuration; nothing is run before the first step."""
        self._engine: Engine | None = None
        with contextlib.suppress(OSError):  # where this node has no such folder, nothing lies relative to it
            os.chdir(config["cwd"])
        self._take(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial's configuration, in this process."""
        if self._engine is not None:
            self._engine.end()
        self._take(new_config)
        return True

    def _take(self, config: dict[str, Any]) -> None:
        self._study = Study(Path(config["study"]))
        self._asked: Asked = self._study.asked
        self._trial: Trial = self._study.trial(config["number"])
        self._values: dict[str, Any] = config["values"]
        # a synchronous scheduler has to hear everything again
        decided = 0 if self._asked.scheduler == "hyperband" else len(self._trial.decisions)
        self._told = min(decided, len(self._trial.reports))
        self._running: RunFolder | None = None
        self._made: list[Event] = []
        self._taken_over: dict[str, Any] | None = None
        self._over = not self._asked.by_rungs and self._was_over()
        if self._engine is None:
            self._engine = InProcess() if self._asked.workers == 1 else OnWorkers(self._asked.cpus)

    def step(self) -> dict[str, Any]:
        """Return the next report, as Ray Tune takes it."""
        try:
            while len(self._trial.reports) <= self._told and not self._has_ended():
                self._work()
        except UserError as error:
            return self._failed(str(error))
        reports = self._trial.reports
        if not reports:
            return self._failed("it ended without an evaluation")
        # a trial whose end nobody has taken note of says it once more
        index = min(self._told, len(reports) - 1)
        self._told = index + 1
        return self._result(reports[index], done=self._told == len(reports) and self._has_ended())

    def _has_ended(self) -> bool:
        return self._trial.end is not None or self._is_whole()

    def _is_whole(self) -> bool:
        if self._asked.by_rungs:
            return len(self._trial.reports) >= len(self._asked.rungs)
        return self._over

    def _was_over(self) -> bool:
        """Return whether its last run ended in another process, with all of it reported.

        Asked before anything runs here: while a run ends, what it has reported last must not be taken for the end
        or not as chance has it.
        """
        runs, reports = self._trial.runs, self._trial.reports
        if not runs or not reports or not runs[-1].result.exists():
            return False
        return reports[-1].epoch >= int(read_json(runs[-1].result)["epochs"])

    def _result(self, report: Report, done: bool) -> dict[str, Any]:
        return {
            "number": self._trial.number,
            "score": float(getattr(report, self._asked.figure)),
            "time": report.time,
            "epoch": report.epoch,
            "index": report.index,
            "training_iteration": report.index + 1,
            "failed": "",
            "last": done and self._is_whole(),
            "done": done,
        }

    def _failed(self, why: str) -> dict[str, Any]:
        reports = self._trial.reports
        return {
            "number": self._trial.number,
            "score": self._asked.worst,
            "time": reports[-1].time if reports else self._asked.rungs[0].time,
            "epoch": reports[-1].epoch if reports else 0,
            "index": len(reports) - 1,
            "training_iteration": len(reports) + 1,
            "failed": why,
            "done": True,
        }

    def _work(self) -> None:
        """Carry out a run until there is another report, or none to come.

        Raises:
            UserError: what the user can mend: for a search, values that do not work.
            WorkerError: another error; Ray Tune begins the trial again.
        """
        assert self._engine is not None
        if self._running is None:
            self._begin()
        assert self._running is not None
        if self._made:
            self._evaluated(self._made.pop(0))
            return
        event = self._engine.next() if self._is_training else None
        if event is None:
            if self._running.result.exists():
                self._finish()
                return
            # asked to stop, together with the whole search: what is to be done is in the folder
            while True:
                time.sleep(_POLL)
        if event["kind"] == "evaluation" and not self._asked.by_rungs and event["epoch"] < self._epochs:
            self._evaluated(event)

    def _begin(self) -> None:
        number, rung = self._due()
        folder = self._trial.run(number)
        self._is_training = False
        if folder.result.exists():
            self._made = self._made_before(folder)
            self._running = folder
            return
        study = self._study
        recipe = recipe_of(study, flags_of(study, self._asked, self._values, rung))
        plan = plan_of(recipe, f"trial {self._trial.number}", study.path.parent / ".index")
        if self._taken_over is not None:
            shutil.rmtree(folder.path, ignore_errors=True)  # of a process that died while it began it
            copy_checkpoint(Path(self._taken_over["checkpoint"]), folder)
        begin(folder, recipe, plan)
        if not (folder.path / VALUES).exists():  # written last: with it this is one of the runs
            values = {"values": self._values, "from": self._taken_over}
            write_whole(folder.path / VALUES, json.dumps(values, indent=1) + "\n")
        self._taken_over = None
        self._epochs = plan.train.epochs
        self._made = self._made_before(folder)
        self._running = folder
        self._is_training = True
        assert self._engine is not None
        self._engine.begin(plan, folder)

    def _made_before(self, folder: RunFolder) -> list[Event]:
        """Return evaluations that another process made and not reported: they are not made again.

        The last one is not among them, for a finished run's result has it.
        """
        if self._asked.by_rungs:
            return []
        written = max((_step_of(path) for path in folder.checkpoints.glob("step-*")), default=0)
        last = int(read_json(folder.result)["epochs"]) if folder.result.exists() else self._epochs
        made = [line for line in lines(folder.metrics) if line["kind"] == "evaluation"]
        return [line for line in made if line["step"] <= written and line["epoch"] < last]

    def _evaluated(self, event: Event) -> None:
        """Report an evaluation, rounded as a run's metrics are: some are known from these alone."""
        figures = {key: round(float(event[key]), _DIGITS) for key in ("top1", "top5", "loss")}
        self._add(figures, int(event["epoch"]), int(event["step"]))
        if self._asked.scheduler == "pbt":
            self._keep(self._trial.reports[-1])  # now: the run keeps only its newest

    def _due(self) -> tuple[int, Rung]:
        """Return the number of the run that is due, from 1, and its rung."""
        if self._asked.by_rungs:
            made = len(self._trial.reports)
            return made + 1, self._asked.rungs[made]
        runs = self._trial.runs
        return max(1, len(runs)) + (self._taken_over is not None and bool(runs)), self._asked.rungs[0]

    def _add(self, figures: Event, epoch: int, step: int, rung: Rung | None = None) -> None:
        """Add a report of the run, where there is none yet: after a kill an evaluation is made again."""
        assert self._running is not None
        reports = self._trial.reports
        if rung is None and reports and reports[-1].epoch >= epoch:
            return
        self._trial.report(
            Report(
                index=len(reports),
                run=int(self._running.path.name.removeprefix("run-")),
                time=epoch if rung is None else rung.time,
                epoch=epoch,
                step=step,
                top1=float(figures["top1"]),
                top5=float(figures["top5"]),
                loss=float(figures["loss"]),
                at=time.time(),
            )
        )

    def _finish(self) -> None:
        """Report what the run has reached, where that is not known yet."""
        assert self._running is not None
        result = read_json(self._running.result)
        epochs, steps = int(result["epochs"]), int(result["steps"])
        if self._asked.by_rungs:
            self._add(result, epochs, steps, self._asked.rungs[len(self._trial.reports)])
        else:
            self._add(result, epochs, steps)
            self._over = True
        self._running = None

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write down where the checkpoint of the last report is; it is kept for others to take over."""
        found = {"number": self._trial.number, "checkpoint": None, "epoch": 0}
        if self._asked.scheduler == "pbt" and self._told:
            found |= self._keep(self._trial.reports[self._told - 1])
        write_whole(Path(checkpoint_dir) / POINTER, json.dumps(found))

    def _keep(self, report: Report) -> dict[str, Any]:
        folder = self._trial.run(report.run)
        source = _checkpoint_of(folder, report.step)
        # a run of its own has its own: another may have come to the same step with other weights
        kept = RunFolder(self._trial.folder / "kept" / folder.path.name)
        copy_checkpoint(source, kept)
        for old in sorted(kept.checkpoints.glob("step-*"))[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return {"checkpoint": str(kept.checkpoints / source.name), "epoch": report.epoch}

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Take over another trial's checkpoint, where it is another's."""
        found = read_json(Path(checkpoint) / POINTER)
        if found["number"] == self._trial.number or found["checkpoint"] is None:
            return
        runs = self._trial.runs
        before = read_json(runs[-1].path / VALUES) if runs else {}
        if before.get("from") == found and before.get("values") == self._values:
            return  # it was, and its process has died since
        self._taken_over = found
        self._over = False

    def cleanup(self) -> None:
        """End what runs."""
        if self._engine is not None:
            self._engine.end()


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def _checkpoint_of(folder: RunFolder, step: int) -> Path:
    """Return the folder of a run's checkpoint after a step, once it is written; the next one where it is gone.

    Raises:
        TimeoutError: it is not written.
    """
    end = time.monotonic() + _CHECKPOINT_PATIENCE
    while True:
        found = [path for path in folder.checkpoints.glob("step-*") if _step_of(path) >= step]
        if found:
            return min(found, key=_step_of)
        if time.monotonic() > end:
            raise TimeoutError(f"{folder.checkpoints}: no checkpoint after step {step} is written")
        time.sleep(_POLL)
