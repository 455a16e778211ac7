"""A launch from its folder to its result: what ``imgcls launch`` does with its options."""

import shlex
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console

    from imgcls.plan import Distillation, Plan
    from imgcls.recipe import Recipe
    from imgcls.report.events import Event
    from imgcls.report.json_lines import JsonLines
    from imgcls.report.terminal import Terminal
    from imgcls.run_folder import RunFolder
    from imgcls.storage.launching import Stored
    from imgcls.weights import Weights


class Launch:
    """One launch of a run.

    Args:
        recipe: what to train.
        folder: of the run.
        plain: no live view.
        timings: print where the time up to the first step went.
        address: of the Ray cluster to join; None: one is started here.
        as_json: events as JSON lines, and no view.
    """

    def __init__(
        self,
        recipe: "Recipe",
        folder: "RunFolder",
        plain: bool,
        timings: bool,
        address: str | None = None,
        as_json: bool = False,
    ) -> None:
        from imgcls.report.events import EventFile
        from imgcls.report.timings import process_started

        self.recipe = recipe
        self.folder = folder
        self.events = EventFile(folder.events)
        self.address = address
        self.plain = plain
        self.timings = timings
        self.started = process_started()
        self.view: Terminal | JsonLines = self._json_lines() if as_json else self._terminal()
        self.stored: Stored | None = None  # where the storage is an address
        self.code = 130  # of the command, where something stops the run

    def _terminal(self) -> "Terminal":
        from imgcls.report.terminal import Terminal

        return Terminal(console_of(self.plain), title_of(self.recipe))

    def _json_lines(self) -> "JsonLines":
        import os

        from imgcls.report.json_lines import JsonLines

        return JsonLines(os.dup(sys.stdout.fileno()))

    def run(self) -> None:
        """Plan, train, and say how it ended."""
        from imgcls.storage.launching import held

        signal.signal(signal.SIGTERM, self._ended_before)
        self._phase("recipe read")
        self._look_at_address()
        cpus = self._cpus_per_worker()
        self.folder.create()
        with self.folder.locked(), held(self.folder, self._note, whole=self.address is None) as self.stored:
            plan = self._plan()
            if self.folder.result.exists():
                self._say_finished(already=True)
                return
            self.folder.begin()
            self._write_lock(plan)
            self._look_around()
            if self.stored is not None:
                self.stored.begin(plan)
            try:
                self._train(plan, cpus)
            finally:
                if self.stored is not None:
                    self.stored.end()

    def _look_around(self) -> None:
        """Say what may go wrong on this machine; the nodes of a cluster are looked at once it is joined."""
        from imgcls.doctor.quick import notes

        if self.address is None:
            for text in notes(self.recipe.workers.fewest, self.folder.path):
                self._note(text)

    def _note(self, text: str) -> None:
        self.view.line(f"note: {text}")

    def _ended_before(self, _number: int, _frame: "FrameType | None") -> None:
        """End at SIGTERM where there is nothing to save."""
        from imgcls.interrupts import RUN_ME_AGAIN

        self._say_stopped()
        sys.exit(RUN_ME_AGAIN)

    def _write_lock(self, plan: "Plan") -> None:
        from imgcls import lock

        for line in lock.record(self.folder, self.recipe, plan):
            self.view.line(f"note: since this run was begun, {line}", style="yellow")

    def _look_at_address(self) -> None:
        """See that a cluster answers, before anything is done for it."""
        import os

        from imgcls.errors import UserError
        from imgcls.on_ray.address import reachable

        if self.address is None:
            stray = os.environ.get("RAY_ADDRESS")
            if stray and self.recipe.workers.count:
                text = f"note: RAY_ADDRESS = {stray} is left aside; --address joins a cluster"
                self.view.line(text, style="yellow")
            return
        if not self.recipe.workers.count:
            raise UserError(
                "--address joins a Ray cluster, and 0 workers train without Ray; give --workers 1 or more"
            )
        self.address = reachable(self.address)

    def _cpus_per_worker(self) -> float:
        from imgcls.data.prepare import find
        from imgcls.errors import UserError
        from imgcls.on_ray.resources import cpus_per_worker

        if self.address is not None:
            return 0.0  # the cluster's are counted once it is joined
        try:
            return cpus_per_worker(self.recipe.workers)
        except UserError as error:
            # missing data is the next thing that this user would be told: say both at once
            try:
                find(self.recipe)
            except UserError as another:
                raise UserError(f"{error}\n{another}") from None
            raise

    def _phase(self, name: str) -> None:
        import time

        self.view.show({"kind": "phase", "name": name, "time": time.time()})

    def _plan(self) -> "Plan":
        from imgcls.data.prepare import prepare
        from imgcls.distillation import notes
        from imgcls.plan import make
        from imgcls.recipe import to_toml
        from imgcls.run_folder import write_whole

        data = prepare(self.recipe, self.folder.index_cache, self._indexing)
        distill = self._distillation(data.classes)
        plan = make(self.recipe, data, self.folder.path.name, self._weights(), distill)
        self._refuse_another(plan)
        write_whole(self.folder.plan, plan.to_json())
        write_whole(self.folder.recipe, to_toml(self.recipe))
        self._phase("data indexed, plan made")
        for line in notes(plan):
            self.view.line(f"note: {line}")
        if {"nvidia-dali-cuda120", "nvidia-dali-cuda130"} <= plan.versions.keys():
            self.view.line(
                "warning: two builds of DALI are installed and overwrite each other; keep one: "
                "pip uninstall -y nvidia-dali-cuda120 nvidia-dali-cuda130, and install the one for your driver"
            )
        return plan

    def _weights(self) -> "Weights | None":
        """Return the file that the recipe's weights are in, fetched where it must be."""
        from imgcls.errors import UserError
        from imgcls.weights import locate

        start = self.recipe.weights
        if start.source is None:
            return None
        try:
            return locate(start.source, start.sha256 or "", start.layout or "")
        except UserError:
            before = self._planned_before()
            begun = any(self.folder.checkpoints.glob("step-*"))
            if begun and before is not None and before.weights and before.weights.source == start.source:
                return before.weights  # not needed any more: the checkpoints go on from there
            raise

    def _distillation(self, classes: Sequence[str]) -> "Distillation | None":
        """Return what the recipe's model learns from beside its labels."""
        from imgcls.distillation import resolve
        from imgcls.errors import UserError

        try:
            return resolve(self.recipe, classes)
        except UserError:
            before = self._planned_before()
            distill = None if before is None or not self.folder.result.exists() else before.distill
            if distill and distill.weights and distill.weights.source == self.recipe.distill.teacher:
                return distill  # the run is finished, and its teacher no longer needed
            raise

    def _planned_before(self) -> "Plan | None":
        from imgcls.plan import Plan

        try:
            return Plan.from_json(self.folder.plan.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _indexing(self, done: int, of: int) -> None:
        import time

        if of >= 10_000:  # fewer are read in a moment
            self.view.show({"kind": "indexing", "time": time.time(), "done": done, "of": of})

    def _refuse_another(self, plan: "Plan") -> None:
        from imgcls.errors import UserError
        from imgcls.plan import Plan, differences

        if not self.folder.plan.exists() or not self.folder.has_work:
            return  # where nothing has come of a launch, there is nothing to keep
        try:
            before = Plan.from_json(self.folder.plan.read_text(encoding="utf-8"))
        except ValueError:
            raise UserError(
                f"{self.folder.plan} is damaged or was written by another version of imgcls; "
                "nothing was changed; give this run another --name"
            ) from None
        changed = differences(before, plan)
        if changed:
            shown = [*changed[:10], *([f"... and {len(changed) - 10} more"] if len(changed) > 10 else [])]
            raise UserError(
                f"{self.folder.shown} holds a run of another recipe:\n    "
                + "\n    ".join(shown)
                + "\nnothing was changed; give this run another --name, or give the values it was begun with"
            )

    def _train(self, plan: "Plan", cpus: float) -> None:
        from imgcls.errors import WorkerError

        try:
            if plan.workers.count == 0:
                from imgcls.storage.publisher import publisher_of
                from imgcls.train import alone

                finished = alone.run(plan, self.folder, self._tell, self._stopping, publisher_of(self.folder))
            else:
                from imgcls.on_ray import driver

                finished = driver.run(plan, self.folder, cpus, self.view.show, self._stopping, self.address)
        except WorkerError as error:
            self.view.close()
            click.echo(str(error), err=True)
            sys.exit(1)
        finally:
            self.view.close()
        if self.timings:
            self._say_timings()
        if finished:
            self._say_finished(already=False)
        else:
            self._say_stopped()
            sys.exit(self.code)

    def _tell(self, event: "Event") -> None:
        """Take an event of a run in this process: to its file, as from workers, for who watches from outside."""
        self.events.write(event)
        self.view.show(event)

    def _stopping(self, at_once: bool, code: int) -> None:
        from imgcls.interrupts import RUN_ME_AGAIN

        self.code = code
        if at_once:
            self._say_stopped()
        elif code == RUN_ME_AGAIN:
            self.view.line("stopping with a checkpoint after SIGTERM; a second one ends at once, without one")
        else:
            self.view.line("stopping with a checkpoint; Ctrl-C again ends at once, without one")

    def _say_timings(self) -> None:
        from imgcls.report.terminal import Terminal
        from imgcls.report.timings import table

        if isinstance(self.view, Terminal):
            self.view.line(table(self.started, self.view.phases))

    def _say_finished(self, already: bool) -> None:
        from imgcls.report.terminal import summary
        from imgcls.run_folder import read_json

        if self.stored is not None:
            self.stored.bring_result()
        result = read_json(self.folder.result)
        lines = [summary(result)]
        expected = self.recipe.expect
        if expected is not None and not self.recipe.overridden:
            verdict = "reached" if result["top1"] >= expected.top1 else "not reached"
            lines.append(f"expected at least {expected.top1:g} % ({expected.source}): {verdict}")
        if already:
            lines.append("this run is finished; give another --name to run it again")
        lines.append(f"results: {self.folder.shown}")
        for line in lines:
            self.view.line(line)

    def _say_stopped(self) -> None:
        import os

        self.view.close()
        step = self.view.last.get("stopped", {}).get("step")
        if step is not None:
            where = f"stopped after step {step}, with a checkpoint"
        elif "run" in self.view.last:
            where = "ended at once"
        else:
            where = "stopped before the first step"
        # of a launch that another command began elsewhere
        command = os.environ.get("IMGCLS_COMMAND") or shlex.join(["imgcls", *sys.argv[1:]])
        self.view.line(f"{where}; to continue:\n    {command}")


def title_of(recipe: "Recipe") -> str:
    """Return what a view of a run of the recipe is headed."""
    return f"{recipe.name}: {recipe.model.found.name} on {recipe.data.found.name}"


def console_of(plain: bool) -> "Console":
    """Return the terminal, by a handle that stays when standard output goes to a log file."""
    import os

    from rich.console import Console

    # a handle of its own: standard output and error go to a log file while Ray runs
    handle = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    return Console(file=handle, force_terminal=False if plain else None)
