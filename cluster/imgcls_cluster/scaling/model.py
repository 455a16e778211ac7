"""Step time against the number of workers: compute, ring all-reduce, input.

A step of N workers with b samples each takes ``max(compute(b) + exposed(N, b), input(b))``: the forward and
backward pass, what of the all-reduce is not hidden behind the backward pass, and the loader, which works ahead.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_BACKWARD = 2 / 3  # of compute: the gradients of weights and of inputs cost a forward pass each
_LAST_BUCKET = 25 * 2**20  # bytes: what DDP sends at a time; the last is only ready when the backward pass ends


@dataclass(frozen=True)
class Compute:
    """Seconds of a worker's forward and backward pass, a straight line over its batch.

    Attributes:
        fixed: seconds a step, whatever the batch.
        per_sample: seconds a sample.
    """

    fixed: float
    per_sample: float

    def seconds(self, batch: float) -> float:
        """Return the seconds of a step with so many samples on the worker."""
        return self.fixed + self.per_sample * batch

    @classmethod
    def through(cls, points: Iterable[tuple[float, float]]) -> "Compute":
        """Return the line through (batch, seconds): least squares, with neither part below 0.

        One point alone is taken in proportion: nothing is fixed.
        """
        known = sorted(points)
        mean_batch = sum(batch for batch, _ in known) / len(known)
        mean = sum(seconds for _, seconds in known) / len(known)
        spread = sum((batch - mean_batch) ** 2 for batch, _ in known)
        slope = (
            sum((batch - mean_batch) * (seconds - mean) for batch, seconds in known) / spread if spread else 0.0
        )
        if slope <= 0 and spread:
            return cls(mean, 0.0)  # the batch does not matter: all is overhead
        if not spread or mean < slope * mean_batch:
            return cls(0.0, mean / mean_batch)
        return cls(mean - slope * mean_batch, slope)


@dataclass(frozen=True)
class Link:
    """The slowest hop of a ring of workers.

    Attributes:
        bandwidth: bytes a second, in each direction.
        latency: seconds a message.
    """

    bandwidth: float
    latency: float

    def all_reduce(self, workers: int, size: float) -> float:
        """Return the seconds of a ring all-reduce of ``size`` bytes.

        Each sends 2 (N - 1) messages of size / N (Patarasuk and Yuan, 2009, doi:10.1016/j.jpdc.2008.09.002).
        """
        messages = 2 * (workers - 1)
        return messages * (size / workers / self.bandwidth + self.latency)


@dataclass(frozen=True)
class Forecast:
    """What a number of workers would reach.

    Attributes:
        workers: of the run.
        batch: samples of each worker in a step.
        compute, exposed, loading: seconds of a step: forward and backward, the all-reduce that they do not hide,
            and the loader.
        efficiency: images a second a worker, as a share of one worker's with the batch that this is compared to.
    """

    workers: int
    batch: float
    compute: float
    exposed: float
    loading: float
    efficiency: float

    @property
    def seconds(self) -> float:
        """Return the seconds of a step."""
        return max(self.compute + self.exposed, self.loading)

    @property
    def images_per_second(self) -> float:
        """Return the images that all workers train on in a second."""
        return self.workers * self.batch / self.seconds

    @property
    def limit(self) -> str:
        """Return what most of the time beyond the ideal goes to."""
        if self.loading > self.compute + self.exposed:
            return "input"
        return "all-reduce" if self.exposed > 0.05 * self.compute else "compute"


@dataclass(frozen=True)
class Scaling:
    """A recipe's step on a cluster of equal workers.

    Attributes:
        compute: of one worker.
        gradients: bytes that are summed over the workers in each step.
        between: the link between hosts.
        within: the link within a host.
        per_host: workers on a host.
        input_speed: images a second that a host's loader delivers; None: it is never what limits.
    """

    compute: Compute
    gradients: float
    between: Link
    within: Link
    per_host: int = 1
    input_speed: float | None = None

    def forecast(self, workers: int, batch: float, alone: float) -> Forecast:
        """Return what so many workers reach.

        Args:
            workers: how many.
            batch: samples of each in a step.
            alone: samples in a step of the one worker that the efficiency is compared to.
        """
        reached = self._step(workers, batch)
        reference = self._step(1, alone)
        best = reference.images_per_second
        return Forecast(
            workers,
            batch,
            reached.compute,
            reached.exposed,
            reached.loading,
            reached.images_per_second / workers / best,
        )

    def _step(self, workers: int, batch: float) -> Forecast:
        compute = self.compute.seconds(batch)
        rate = self.input_speed
        loading = 0.0 if rate is None else min(workers, self.per_host) * batch / rate
        return Forecast(workers, batch, compute, self._exposed(workers, compute), loading, 1.0)

    def _exposed(self, workers: int, compute: float) -> float:
        """Return the seconds of the all-reduce that the backward pass does not hide."""
        if workers == 1:
            return 0.0
        link = self.within if workers <= self.per_host else self.between
        last = link.all_reduce(workers, min(self.gradients, _LAST_BUCKET))
        return max(last, link.all_reduce(workers, self.gradients) - _BACKWARD * compute)
