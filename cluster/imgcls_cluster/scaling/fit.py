"""The model's figures from measurements on one machine, and how well it foretells those it has not seen."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from imgcls_cluster.scaling.model import Compute


@dataclass(frozen=True)
class Measurement:
    """Steps of a launch.

    Attributes:
        workers: that trained.
        batch: samples of all workers together in a step.
        seconds: of a step; the median.
        cpu_seconds: of all the workers' processes in a step.
        steps: how many were timed.
    """

    workers: int
    batch: int
    seconds: float
    cpu_seconds: float
    steps: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Machine:
    """One machine whose workers share its CPUs, or have a GPU each.

    A worker alone takes ``compute``. Together they take at least their CPU work divided by the CPUs, and what they
    exchange passes through the same memory and CPUs.

    Attributes:
        cpus: that workers share; None: each has a device of its own, and CPUs are no limit.
        threads: CPUs that a worker takes if it can.
        compute: of a worker that has the machine for itself, its loader included.
        work: CPU seconds of a worker's step, its loader included.
        exchange: seconds for each gradient's way through a ring of workers that have a CPU each.
    """

    cpus: int | None
    threads: float
    compute: Compute
    work: Compute
    exchange: float

    def seconds(self, workers: int, batch: int) -> float:
        """Return the seconds of a step of so many workers, with so many samples together."""
        share = batch / workers
        alone = self.compute.seconds(share)
        together = 0.0 if self.cpus is None else workers * self.work.seconds(share) / self.cpus
        return max(alone, together) + self.exchange * self.rounds(workers)

    def rounds(self, workers: int) -> float:
        """Return how often each gradient passes through a worker, times the workers that share a CPU."""
        crowding = 1.0 if self.cpus is None else max(1.0, workers * self.threads / self.cpus)
        return 2 * (workers - 1) / workers * crowding


@dataclass(frozen=True)
class Check:
    """A measurement, what the model says of it, and whether it was fitted to it.

    Attributes:
        measured: of a launch.
        seconds: of a step, as the model has it.
        fitted: whether the measurement is one of those that the model was fitted to.
    """

    measured: Measurement
    seconds: float
    fitted: bool

    @property
    def error(self) -> float:
        """Return how much more the model says, as a share of what was measured."""
        return self.seconds / self.measured.seconds - 1


def fit(
    measurements: Sequence[Measurement], cpus: int | None, threads: float = 1.0
) -> tuple[Machine, list[Check]]:
    """Fit the model to one worker's steps and to the fewest workers beyond one, and check it on all.

    Args:
        measurements: one of one worker at least.
        cpus: that the workers share; None where each has a device of its own.
        threads: CPUs that a worker takes if it can.
    """
    alone = [each for each in measurements if each.workers == 1]
    compute = Compute.through((each.batch, each.seconds) for each in alone)
    work = Compute.through((each.batch, each.cpu_seconds) for each in alone)
    fewest = min((each.workers for each in measurements if each.workers > 1), default=0)
    several = [each for each in measurements if each.workers == fewest]
    machine = Machine(cpus, threads, compute, work, 0.0)
    excess = [
        (each.seconds - machine.seconds(each.workers, each.batch)) / machine.rounds(each.workers)
        for each in several
    ]
    if excess:
        machine = replace(machine, exchange=max(0.0, sum(excess) / len(excess)))
    fitted = {id(each) for each in (*alone, *several)}
    return machine, [
        Check(each, machine.seconds(each.workers, each.batch), id(each) in fitted) for each in measurements
    ]
