"""Which values are tried next: Optuna's samplers, as a search algorithm of Ray Tune that remembers every trial."""

import copy
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, BruteForceSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from ray.tune.experiment import Trial as RayTrial
from ray.tune.experiment.config_parser import _create_trial_from_spec, _make_parser
from ray.tune.schedulers import TrialScheduler
from ray.tune.search.search_algorithm import SearchAlgorithm

from imgcls.errors import UserError
from imgcls.on_ray.bound import Bound
from imgcls.tuning.space import Choice, LogUniform, Parameter, Randint, Uniform
from imgcls.tuning.study import Asked, Study, Trial

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
_TRIES = 50  # of values that have been tried already, before the space is taken to be exhausted

Values = dict[str, Any]


class Suggestions(Bound, SearchAlgorithm):
    """Hands trials to Ray Tune: first those that a search began before, then new ones.

    Optuna's study is in memory, and is made from the search's folder: of trials that have ended it is told what
    they reached. A trial that was stopped early is told as pruned, with all of its reports, so that a short run
    is not taken for what its values reach in a whole one.

    Args:
        study: the search.
        asked: what it was asked for.
        parameters: what is searched; conditions before what depends on them.
        most: trials at a time; None: Ray Tune is given all of them at once, and runs as many as there is room for.
        check: raises UserError where values cannot make a run.
        say: is told of each trial that has ended.
    """

    def __init__(
        self,
        study: Study,
        asked: Asked,
        parameters: Sequence[Parameter],
        most: int | None,
        check: Callable[[Mapping[str, Any]], None],
        say: Callable[[Trial, str, str], None],
    ) -> None:
        super().__init__()
        self._metric = "score"
        self._finished: bool = False
        self._study = study
        self._asked = asked
        self._parameters = parameters
        self._most = most
        self._check = check
        self._say = say
        self._tried: dict[str, int] = {}
        self._optuna_trials: dict[int, optuna.trial.Trial] = {}
        self._of_ray: dict[str, Trial] = {}  # by Ray Tune's id, while they are with it
        self._waiting: list[Trial] = []  # begun before, to be gone on with
        self._count = 0
        self._spec: dict[str, Any] = {}
        self._parser = _make_parser()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        known = study.trials
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that options of the sampler are experimental
            sampler = _sampler(asked, len(known))
            self._optuna = optuna.create_study(
                direction="maximize" if asked.mode == "max" else "minimize", sampler=sampler
            )
        for trial in known:
            self._remember(trial)

    def _remember(self, trial: Trial) -> None:
        self._count += 1
        self._tried.setdefault(_identity(trial.values), trial.number)
        names = [parameter.key for parameter in self._parameters]
        if self._asked.search == "listed":
            if trial.end is None:
                self._waiting.append(trial)
            return
        if not set(trial.values) <= set(names):
            raise UserError(
                f"{trial.folder / 'trial.json'}: was tried in another space; give this search another --name"
            )
        if trial.end is None and trial.decisions[-1:] == [TrialScheduler.STOP]:
            trial.ended("stopped", self._why_stopped(trial))  # the search was killed before it could say so
        # a synchronous scheduler compares whole brackets: those that have ended must be in theirs once more
        again = self._asked.scheduler == "hyperband" and trial.state in ("finished", "stopped")
        if trial.end is None or again:
            self._waiting.append(trial)
            self._optuna.enqueue_trial(_encoded(self._parameters, trial.values))
            asked = self._optuna.ask()
            self._drawn(asked)
            self._optuna_trials[trial.number] = asked
            for report in () if again else trial.reports[: len(trial.decisions)]:
                asked.report(float(getattr(report, self._asked.figure)), report.index + 1)
            return
        self._tell_ended(trial)

    def _tell_ended(self, trial: Trial) -> None:
        """Tell Optuna of a trial that has ended in an earlier launch."""
        reports = trial.reports
        figures = {r.index + 1: float(getattr(r, self._asked.figure)) for r in reports}
        state = {"finished": COMPLETE, "stopped": PRUNED}.get(trial.state, FAIL)
        if not figures:
            state = FAIL
        values = _encoded(self._parameters, trial.values)
        distributions = {p.key: distribution(p) for p in self._parameters if p.key in trial.values}
        self._optuna.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=list(figures.values())[-1] if state == COMPLETE else None,
                params={key: values[key] for key in distributions},
                distributions=distributions,
                intermediate_values=figures,
            )
        )

    @property
    def total_samples(self) -> int:
        """How many trials there will be."""
        return self._asked.trials

    @property
    def exhausted(self) -> bool:
        """Whether the space has no more values than have been tried."""
        return self._finished and self._count < self._asked.trials

    def add_configurations(self, experiments: Any) -> None:
        """Take the experiment that trials belong to."""
        self._spec = experiments[0].spec if isinstance(experiments, list) else experiments.spec

    def is_finished(self) -> bool:
        """Whether Ray Tune has been given all trials."""
        return not self._waiting and (self._finished or self._count >= self._asked.trials)

    def next_trial(self) -> RayTrial | None:
        """Return the next trial; None where there is none now."""
        if self._most is not None and len(self._of_ray) >= self._most:
            return None
        trial = self._waiting.pop(0) if self._waiting else self._new()
        if trial is None:
            return None
        config = {
            "study": str(self._study.path.absolute()),
            "cwd": str(Path.cwd()),
            "number": trial.number,
            "values": trial.values_now,
        }
        ray_trial: RayTrial = _create_trial_from_spec(
            {**copy.deepcopy(self._spec), "config": config},
            self._parser,
            evaluated_params={},
            experiment_tag=str(trial.number),
            trial_id=f"{trial.number:04}",
        )
        self._of_ray[ray_trial.trial_id] = trial
        return ray_trial

    def _new(self) -> Trial | None:
        if self._finished or self._count >= self._asked.trials:
            return None
        for _ in range(_TRIES):
            asked = self._optuna.ask()
            values = self._drawn(asked)
            if _identity(values) in self._tried:
                self._tell(asked, None, FAIL)
                if self._finished:
                    return None
                continue
            self._count += 1
            trial = self._study.add(values)
            self._tried[_identity(values)] = trial.number
            self._optuna_trials[trial.number] = asked
            try:
                self._check(values)
            except UserError as error:
                trial.ended("failed", str(error))
                self._tell(asked, None, FAIL)
                self._say(trial, "failed", str(error))
                return self._new()
            return trial
        self._finished = True
        return None

    def _drawn(self, asked: optuna.trial.Trial) -> Values:
        """Return what Optuna draws for a trial: values of the parameters that there are, in order."""
        values: Values = {}
        for parameter in self._parameters:
            if parameter.holds(values):
                drawn = asked._suggest(parameter.key, distribution(parameter))
                values[parameter.key] = json.loads(drawn) if isinstance(parameter.domain, Choice) else drawn
        return values

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Tell Optuna of a report."""
        trial = self._of_ray[trial_id]
        if trial.number in self._optuna_trials and not result["failed"]:
            self._optuna_trials[trial.number].report(result["score"], result["training_iteration"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Take note of a trial's end: in its folder first, then with Optuna."""
        trial = self._of_ray.pop(trial_id, None)
        if trial is None:
            return
        asked = self._optuna_trials.get(trial.number)
        result = result or {}
        if trial.end is not None:
            is_whole = trial.state == "finished"
            self._tell(asked, result.get("score") if is_whole else None, COMPLETE if is_whole else PRUNED)
            self._say(trial, trial.state, "")
        elif error or result.get("failed"):
            why = result.get("failed") or "its processes died more often than the recipe allows; see its logs"
            trial.ended("failed", why)
            self._tell(asked, None, FAIL)
            self._say(trial, "failed", why)
        elif result.get("last"):
            trial.ended("finished", "came to its end")
            self._tell(asked, float(result["score"]), COMPLETE)
            self._say(trial, "finished", "")
        else:
            trial.ended("stopped", self._why_stopped(trial))
            self._tell(asked, None, PRUNED)
            self._say(trial, "stopped", "")

    def _why_stopped(self, trial: Trial) -> str:
        return f"by {self._asked.scheduler}, after report {len(trial.decisions) or len(trial.reports)}"

    def _tell(self, asked: optuna.trial.Trial | None, value: float | None, state: TrialState) -> None:
        if asked is None:
            return  # what is tried is listed, and Optuna not asked
        try:
            self._optuna.tell(asked, value, state=state)
        except RuntimeError:
            # the sampler of grids asks a loop of Optuna's own, which there is none of, to end
            self._finished = True


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return what Optuna draws a parameter from; choices are drawn as JSON."""
    domain = parameter.domain
    if isinstance(domain, Uniform):
        return FloatDistribution(domain.low, domain.high, step=domain.step)
    if isinstance(domain, LogUniform):
        return FloatDistribution(domain.low, domain.high, log=True)
    if isinstance(domain, Randint):
        return IntDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    return CategoricalDistribution([json.dumps(value, sort_keys=True) for value in domain.values])


def _encoded(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> Values:
    chosen = {p.key for p in parameters if isinstance(p.domain, Choice)}
    return {key: json.dumps(value, sort_keys=True) if key in chosen else value for key, value in values.items()}


def _identity(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _sampler(asked: Asked, known: int) -> BaseSampler:
    # a continued search must not draw once more what it drew at its beginning
    seed = (asked.seed * 1_000_003 + known) % 2**32
    if asked.search == "random":
        return RandomSampler(seed=seed)
    if asked.search == "grid":
        return BruteForceSampler(seed=seed)
    if asked.search == "bayesian":
        return GPSampler(seed=seed, deterministic_objective=False)
    return TPESampler(seed=seed, constant_liar=True)
