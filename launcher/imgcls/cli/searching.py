"""A search from its folder to its best recipe: what ``imgcls tune`` does with its options."""

import contextlib
import json
import os
import shlex
import signal
import statistics
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from types import FrameType

    from imgcls.plan import Plan
    from imgcls.recipe import Recipe
    from imgcls.tuning.study import Asked, Report, Study, Trial

# of what was asked for: another value, and trials would not be comparable
_IDENTITY = (
    "metric",
    "search",
    "scheduler",
    "fidelity",
    "holdout",
    "seed",
    "reduction",
    "rungs",
    "workers",
    "domains",
)


class Searching:
    """One search.

    Args:
        recipe: with [tune] and a space.
        study: its folder.
        plain: no live table.
        address: of the Ray cluster to join; None: one is started here.
        most: trials at a time, at most; None: as many as fit.
    """

    def __init__(
        self, recipe: "Recipe", study: "Study", plain: bool, address: str | None, most: int | None
    ) -> None:
        from imgcls.cli.launching import console_of

        self.recipe = recipe
        self.study = study
        self.plain = plain
        self.address = address
        self.most = most
        self.console = console_of(plain)
        self.view: Any = None

    def run(self, seeds: int | None, best: int) -> None:
        """Search, and say what was found; then train the best with several seeds, if that is wanted."""
        from imgcls.on_ray.address import reachable
        from imgcls.run_folder import RunFolder

        signal.signal(signal.SIGTERM, self._ended_before)
        asked = self._asked()
        if self.address is not None:
            self.address = reachable(self.address)
        else:
            self._must_fit(asked)
        self._make_folder()
        with RunFolder(self.study.path).locked():
            asked = self._begun_before(asked)
            self._write_recipe()
            self._search(self.study, asked)
            if not self._say_found(asked):
                sys.exit(1)
            if seeds is not None:
                self._confirm(asked, seeds, best)
        self._say(f"results: {self.study.path}; look at them with: imgcls tune show {self.study.path}")

    def _ended_before(self, _number: int, _frame: "FrameType | None") -> None:
        """End at SIGTERM where nothing runs yet."""
        from imgcls.interrupts import RUN_ME_AGAIN

        self._stopping(True, RUN_ME_AGAIN)
        sys.exit(RUN_ME_AGAIN)

    def _asked(self) -> "Asked":
        from imgcls.recipe.tables import show
        from imgcls.tuning.fidelity import rungs
        from imgcls.tuning.space import domain_json
        from imgcls.tuning.study import Asked

        tune = self.recipe.tune
        assert tune is not None
        domains = {parameter.key: domain_json(parameter) for parameter in self.recipe.space}
        return Asked(
            recipe=self.recipe.name,
            metric=tune.metric,
            trials=tune.trials,
            search=tune.search,
            scheduler=tune.scheduler,
            fidelity=tune.fidelity,
            holdout=tune.holdout,
            seed=tune.seed,
            reduction=tune.reduction,
            perturb_every=tune.perturb_every,
            rungs=rungs(self.recipe, tune),
            workers=tune.workers_per_trial,
            cpus=self.recipe.workers.cpus or 1.0,
            space={key: show(domain) for key, domain in domains.items()},
            domains=domains,
        )

    def _must_fit(self, asked: "Asked") -> None:
        """Refuse what can never fit on this machine before Ray is started for it."""
        from imgcls.on_ray.resources import Node
        from imgcls.on_ray.trial_room import trial_room

        here = Node(float(len(os.sched_getaffinity(0))))
        trial_room([here], asked.workers, self.recipe.workers.cpus, asked.trials, self.most)

    def _make_folder(self) -> None:
        from imgcls.errors import UserError
        from imgcls.run_folder import explained, probe

        path = self.study.path
        if (path / "plan.json").exists():
            raise UserError(
                f"{path} holds a run of `imgcls launch`; nothing was changed; give this search a --name"
            )
        with explained(path):
            (path / "trials").mkdir(parents=True, exist_ok=True)
            self.study.logs.mkdir(exist_ok=True)
            probe(path)

    def _begun_before(self, asked: "Asked") -> "Asked":
        """Return what is asked for now.

        Raises:
            UserError: the folder holds another search.
        """
        from imgcls.errors import UserError
        from imgcls.recipe.text import to_text

        if not self.study.trials:
            return asked
        before = self.study.asked
        changed = [
            f"{name}: was {getattr(before, name)}, is now {getattr(asked, name)}"
            for name in _IDENTITY
            if _plain(getattr(before, name)) != _plain(getattr(asked, name))
        ]
        if self.study.recipe.exists() and self.study.recipe.read_text(encoding="utf-8") != to_text(self._tree()):
            changed.append(f"the recipe: another than {self.study.recipe}")
        if changed:
            raise UserError(
                f"{self.study.path} holds another search:\n    "
                + "\n    ".join(changed)
                + "\nnothing was changed; give this search another --name, or the values it was begun with"
            )
        return asked

    def _tree(self) -> dict[str, Any]:
        """Return the recipe as it was written, without what is of searches and of expectations."""
        tree = self.recipe.origins.tree
        return {key: value for key, value in tree.items() if key not in ("tune", "expect")}

    def _write_recipe(self) -> None:
        from imgcls.recipe.text import to_text
        from imgcls.run_folder import write_whole

        write_whole(self.study.recipe, to_text(self._tree()))

    def _plan_one(self, study: "Study", asked: "Asked") -> "Plan":
        """Plan the recipe itself: data that is missing is said before anything is started, and indexed once."""
        from imgcls.tuning.runs import flags_of, plan_of, recipe_of

        flags = flags_of(study, asked, {}, asked.rungs[0])
        return plan_of(recipe_of(study, flags), asked.recipe, study.path.parent / ".index")

    def _search(self, study: "Study", asked: "Asked") -> None:
        from imgcls.errors import WorkerError
        from imgcls.on_ray import tuner
        from imgcls.tuning.runs import flags_of, recipe_of

        done = [trial for trial in study.trials if trial.end is not None]
        if len(done) >= asked.trials and len(done) == len(study.trials):
            return

        def check(values: Mapping[str, Any]) -> None:
            recipe_of(study, flags_of(study, asked, values, asked.rungs[0]))

        workers, plan = self.recipe.workers, self._plan_one(study, asked)
        search = tuner.Search(study, asked, self._parameters(asked), workers, self.most, check, plan)
        try:
            tuner.run(search, self._show, self._stopping, self.address)
        except WorkerError as error:
            self._close()
            click.echo(str(error), err=True)
            sys.exit(1)
        finally:
            self._close()
        short = asked.trials - len(study.trials)
        if short > 0:
            self._say(f"the space has no more values: {len(study.trials)} trials, not {asked.trials}")

    def _parameters(self, asked: "Asked") -> Any:
        return () if asked.search == "listed" else self.recipe.space

    def _show(self, asked: "Asked", at_a_time: int, why: str) -> Any:
        from imgcls.report.tune_table import LiveTable

        what = f"{asked.trials} trials" if asked.search != "listed" else f"{asked.trials} runs to confirm"
        judged = f"{asked.scheduler}, {asked.search}, by {asked.metric}" if asked.search != "listed" else ""
        title = f"{asked.recipe}: {what}{f' ({judged})' if judged else ''}, {why}"
        self.view = LiveTable(self.console, title, asked, at_a_time, self.plain)
        return self.view

    def _close(self) -> None:
        if self.view is not None:
            self.view.close()

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _stopping(self, at_once: bool, code: int) -> None:
        from imgcls.interrupts import RUN_ME_AGAIN

        if at_once:
            self._close()
            command = shlex.join(["imgcls", *sys.argv[1:]])
            with contextlib.suppress(OSError):
                self._say(f"stopped; to go on:\n    {command}")
        else:
            name = "SIGTERM" if code == RUN_ME_AGAIN else "Ctrl-C"
            self._say(f"stopping with checkpoints after {name}; a second one ends at once")

    def _say_found(self, asked: "Asked") -> bool:
        """Write best.toml, and say what it is; return False where every trial failed."""
        from imgcls.run_folder import write_whole
        from imgcls.tuning.study import ranked

        found = ranked(self.study, asked)
        if not found:
            whys = {trial.end["why"] for trial in self.study.trials if trial.end is not None}
            self._say("every trial failed:\n    " + "\n    ".join(sorted(whys)))
            return False
        trial, report = found[0]
        write_whole(self.study.best, self._best_text(asked, trial, report))
        values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in trial.values_now.items())
        reached = f"{asked.metric} {getattr(report, asked.figure):.4g}"
        self._say(f"best: trial {trial.number}, {reached}: {values}")
        self._say(f"its recipe: {self.study.best}; train it with: imgcls launch {self.study.best}")
        return True

    def _best_text(self, asked: "Asked", trial: "Trial", report: "Report") -> str:
        from imgcls.tuning.runs import flags_of, text_of

        rung = next((rung for rung in asked.rungs if rung.time == report.time), asked.rungs[-1])
        text = text_of(self.study, flags_of(self.study, asked, trial.values_now, rung))
        lines = [
            f"# trial {trial.number} of {len(self.study.trials)} of `imgcls tune {asked.recipe}`",
            f"# it reached {asked.metric} {getattr(report, asked.figure):g} after {report.epoch} epochs",
        ]
        if len(trial.runs) > 1 and asked.scheduler == "pbt":
            lines.append(
                "# its values changed while it was trained: these are the last, and a launch reaches another score"
            )
        return "\n".join(lines) + "\n\n" + text

    def _confirm(self, asked: "Asked", seeds: int, best: int) -> None:
        """Train the recipe itself and the best trials on the recipe's own validation set, with several seeds."""
        from dataclasses import replace

        from imgcls.run_folder import write_whole
        from imgcls.tuning.study import Rung, Study, ranked

        chosen = [trial for trial, _ in ranked(self.study, asked)[:best]]
        rows: list[tuple[int | None, dict[str, Any]]] = [(None, {}), *((t.number, t.values_now) for t in chosen)]
        first = self.recipe.seed
        study = Study(self.study.path / "confirm")
        study.path.mkdir(exist_ok=True)
        study.logs.mkdir(exist_ok=True)
        write_whole(study.recipe, self.study.recipe.read_text(encoding="utf-8"))
        epochs = self.recipe.train.epochs
        whole = replace(
            asked,
            trials=len(rows) * seeds,
            search="listed",
            scheduler="none",
            holdout=None,
            rungs=(Rung(epochs, 1.0, f"{epochs} epochs"),),
            space={},
            domains={},
        )
        # the same samples are left to validate on, whatever the seed: those that the search has not seen
        split = {"data.split_seed": self.recipe.seed_of_split}
        wanted = [{**values, "seed": first + 1 + i, **split} for _, values in rows for i in range(seeds)]
        known = {json.dumps(trial.values, sort_keys=True): trial for trial in study.trials}
        trials = [known.get(json.dumps(values, sort_keys=True)) or study.add(values) for values in wanted]
        self._search(study, replace(whole, trials=len(study.trials)))
        write_whole(
            self.study.path / "confirm.json", json.dumps(_confirmed(asked, rows, trials, seeds, first), indent=1)
        )
        self._say_confirmed()

    def _say_confirmed(self) -> None:
        from imgcls.run_folder import read_json

        found = read_json(self.study.path / "confirm.json")
        for row in found["rows"]:
            who = "the recipe itself" if row["trial"] is None else f"trial {row['trial']}"
            scores = ", ".join(f"{score:.4g}" for score in row["scores"])
            text = "no score" if row["mean"] is None else f"{row['mean']:.4g} +- {row['spread']:.2g} ({scores})"
            self._say(f"{found['metric']} over {len(row['scores'])} seeds, {who}: {text}")
            if found["metric"] != "val/top1" and row["top1"]:
                top1 = ", ".join(f"{score:.2f}" for score in row["top1"])
                self._say(f"    top-1 {statistics.fmean(row['top1']):.2f} % ({top1})")


def _confirmed(
    asked: "Asked",
    rows: list[tuple[int | None, dict[str, Any]]],
    trials: "list[Trial]",
    seeds: int,
    first: int,
) -> dict[str, Any]:
    """Return the scores of each row: its seeds follow each other in ``trials``."""
    found = []
    for number, (trial, values) in enumerate(rows):
        own = trials[number * seeds : (number + 1) * seeds]
        scores = [float(getattr(each.reports[-1], asked.figure)) for each in own if each.reports]
        found.append(
            {
                "trial": trial,
                "values": values,
                "scores": scores,
                "mean": statistics.fmean(scores) if scores else None,
                "spread": statistics.stdev(scores) if len(scores) > 1 else 0.0,
                "top1": [each.reports[-1].top1 for each in own if each.reports],
            }
        )
    return {"seeds": [first + 1 + i for i in range(seeds)], "metric": asked.metric, "rows": found}


def _plain(value: Any) -> Any:
    """Return a value as it is after a way through JSON."""
    from dataclasses import asdict, is_dataclass

    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return json.loads(json.dumps(value))
