"""Which trials go on: Ray Tune's schedulers, with every decision written down and told to them again later."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    HyperBandScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
    TrialScheduler,
)

from imgcls.on_ray.bound import Bound
from imgcls.tuning.space import Choice, LogUniform, Parameter, Randint, Uniform
from imgcls.tuning.study import Asked, Report, Study, Trial

_GRACE = 3  # evaluations before the median stops a trial


class Deciding(Bound, TrialScheduler):
    """A scheduler that a search's folder is its memory of.

    Ray Tune saves trials, and nothing of its schedulers. So each decision is written down when it is made. When a
    search goes on, the scheduler is told all reports that it has decided on, in the order of the trials' numbers,
    and what it says to them is left aside: a trial that went on then goes on now.

    Args:
        inner: decides.
        study: the search.
        asked: what it was asked for.
        say: is told of each report, with the trial's state.
    """

    def __init__(
        self, inner: TrialScheduler, study: Study, asked: Asked, say: Callable[[Trial, str, Report | None], None]
    ) -> None:
        super().__init__()
        self._inner = inner
        self._study = study
        self._asked = asked
        self._say = say
        self._is_told = False
        self._runs: set[str] = set()  # trials that are known to run

    @property
    def metric(self) -> Any:
        """Name of the metric."""
        return self._inner.metric

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Take metric and mode."""
        return self._inner.set_search_properties(metric, mode, **spec)

    def on_trial_add(self, tune_controller: Any, trial: RayTrial) -> None:
        """Take a trial, and what has been decided of it before."""
        if not self._is_told:
            self._is_told = True
            if self._asked.scheduler in ("asha", "median"):
                self._tell_of_the_ended(tune_controller)
        self._inner.on_trial_add(tune_controller, trial)
        own = self._of(trial)
        decided = own.reports[: len(own.decisions)]
        if self._asked.scheduler in ("asha", "median"):
            for report in decided:
                self._inner.on_trial_result(tune_controller, trial, self._result(own, report))
        elif isinstance(self._inner, PopulationBasedTraining) and decided:
            self._was_perturbed(trial, decided[-1])

    def _was_perturbed(self, trial: RayTrial, last: Report) -> None:
        """Let population based training know when it looked at a trial last, or it would at once look again."""
        every = self._asked.perturb_every
        state = self._inner._trial_state[trial]
        state.last_perturbation_time = last.time // every * every

    def _tell_of_the_ended(self, tune_controller: Any) -> None:
        for trial in self._study.trials:
            if trial.end is None or trial.state == "failed":
                continue
            ended = _Ended(trial)
            self._inner.on_trial_add(tune_controller, ended)
            results = [self._result(trial, report) for report in trial.reports]
            # as then: what is a trial's last by itself is not decided on
            for result in results[: len(results) - (trial.state == "finished")]:
                self._inner.on_trial_result(tune_controller, ended, result)
            if results:
                self._inner.on_trial_complete(tune_controller, ended, results[-1])

    def _result(self, trial: Trial, report: Report) -> dict[str, Any]:
        return {
            "number": trial.number,
            "score": float(getattr(report, self._asked.figure)),
            "time": report.time,
            "epoch": report.epoch,
            "training_iteration": report.index + 1,
        }

    def _of(self, trial: RayTrial) -> Trial:
        return self._study.trial(int(trial.trial_id))

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        """Decide on a report, and write the decision down before it is carried out."""
        own = self._of(trial)
        reports = own.reports
        report = reports[result["index"]] if 0 <= result["index"] < len(reports) else None
        if result["failed"]:
            return str(TrialScheduler.CONTINUE)  # it is over, as it says itself
        decision = str(self._inner.on_trial_result(tune_controller, trial, result))
        # what has been taken over from another trial has that one's number in it
        trial.config["number"] = own.number
        if len(own.decisions) <= result["index"]:
            own.decide(decision)
        state = "paused" if decision in (TrialScheduler.PAUSE, TrialScheduler.NOOP) else "running"
        self._say(own, state, report)
        return decision

    def on_trial_error(self, tune_controller: Any, trial: RayTrial) -> None:
        """Take note that a trial died."""
        self._inner.on_trial_error(tune_controller, trial)

    def on_trial_complete(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> None:
        """Take note that a trial came to its end."""
        self._inner.on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: RayTrial) -> None:
        """Take note that a trial is ended while it waits."""
        self._inner.on_trial_remove(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> RayTrial | None:
        """Return the trial that is to go on next."""
        self._look(tune_controller)
        chosen: RayTrial | None = self._inner.choose_trial_to_run(tune_controller)
        return chosen

    def _look(self, tune_controller: Any) -> None:
        """See which trials have begun to run: Ray Tune's callbacks are told, but are pickled."""
        trials = tune_controller.get_trials()
        runs = {trial.trial_id: trial for trial in trials if trial.status == RayTrial.RUNNING}
        for name in runs.keys() - self._runs:
            self._say(self._of(runs[name]), "running", None)
        self._runs = set(runs)

    def debug_string(self) -> str:
        """Return the scheduler's state in words."""
        return str(self._inner.debug_string())


class _Ended:
    """A trial of an earlier launch that has ended, for a scheduler that asks for no more than its name."""

    status = RayTrial.TERMINATED

    def __init__(self, trial: Trial) -> None:
        self.trial_id = f"{trial.number:04}"

    def is_finished(self) -> bool:
        return True


def scheduler(asked: Asked, parameters: Sequence[Parameter]) -> TrialScheduler:
    """Return Ray Tune's scheduler of a name.

    ASHA: arXiv:1810.05934; Hyperband: arXiv:1603.06560; population based training: arXiv:1711.09846.
    """
    last = asked.rungs[-1].time
    judged = {"time_attr": "time", "metric": "score", "mode": asked.mode}
    if asked.scheduler == "asha":
        # the last rung is the end of a trial by itself
        return AsyncHyperBandScheduler(
            **judged,
            max_t=last + 1,
            grace_period=asked.rungs[0].time,
            reduction_factor=asked.reduction,
            stop_last_trials=False,
        )
    if asked.scheduler == "hyperband":
        return HyperBandScheduler(
            **judged, max_t=max(last, 1), reduction_factor=asked.reduction, stop_last_trials=False
        )
    if asked.scheduler == "median":
        return MedianStoppingRule(**judged, grace_period=1, min_samples_required=_GRACE, hard_stop=True)
    if asked.scheduler == "pbt":
        return PopulationBasedTraining(
            **judged,
            perturbation_interval=asked.perturb_every,
            hyperparam_mutations={"values": {p.key: _mutation(p) for p in parameters}},
            custom_explore_fn=partial(_within, parameters=parameters),
            log_config=False,
        )
    fifo = FIFOScheduler()
    fifo.set_search_properties("score", asked.mode)
    return fifo


def _within(config: dict[str, Any], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return a configuration whose values are in the space: a factor of 1.2 may lead out of it."""
    values = dict(config["values"])
    for parameter in parameters:
        domain = parameter.domain
        if isinstance(domain, Uniform | LogUniform):
            value = min(max(values[parameter.key], domain.low), domain.high)
            step = domain.step if isinstance(domain, Uniform) else None
            values[parameter.key] = (
                value if step is None else min(domain.low + round((value - domain.low) / step) * step, domain.high)
            )
    return {**config, "values": values}


def _mutation(parameter: Parameter) -> Any:
    """Return what population based training draws a parameter from anew, once in four times."""
    domain = parameter.domain
    if isinstance(domain, Choice):
        return list(domain.values)
    if isinstance(domain, LogUniform):
        return tune.loguniform(domain.low, domain.high)
    if isinstance(domain, Uniform):
        return tune.uniform(domain.low, domain.high)
    assert isinstance(domain, Randint)
    return list(range(domain.low, domain.high + 1, domain.step))
