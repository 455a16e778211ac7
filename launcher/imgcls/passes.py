"""How a global batch is shared out where workers come and go: a pure function of their number. No torch."""

from collections.abc import Callable
from dataclasses import dataclass

from imgcls.recipe.schema import Workers

_SHOWN = 6  # rows


@dataclass(frozen=True)
class Shares:
    """Samples and passes of each worker, for every number of workers.

    The global batch, and with it the learning rate and the order of samples, is the same for all of them. With
    fewer workers each has more samples, which it computes in more passes, so that none needs more memory than at
    the largest number of workers.

    Args:
        largest_part: most samples that one of so many workers gets in a step, as ``Order.largest_part`` tells it.
        workers: of the recipe.
        accumulate: passes of each worker that the recipe asks for, at the largest number of workers.
    """

    largest_part: Callable[[int], int]
    workers: Workers
    accumulate: int

    @property
    def largest_pass(self) -> int:
        """Most samples in a pass, at the largest number of workers."""
        return -(-self.largest_part(max(1, self.workers.count)) // self.accumulate)

    def passes(self, world: int) -> int:
        """Return the passes that each of so many workers makes for an update."""
        if not self.workers.elastic:
            return self.accumulate
        return max(self.accumulate, -(-self.largest_part(world) // self.largest_pass))

    def rows(self) -> list[str]:
        """Return the table to print, a line for numbers of workers with equal passes; none where it is fixed."""
        if not self.workers.elastic:
            return []
        groups: list[list[int]] = []
        for world in range(self.workers.count, self.workers.least - 1, -1):
            if groups and self.passes(groups[-1][-1]) == self.passes(world):
                groups[-1].append(world)
            else:
                groups.append([world])
        rows = [self._row(group[-1], group[0]) for group in groups]
        if len(rows) > _SHOWN:
            return [*rows[: _SHOWN - 1], f"... and so on, down to {rows[-1]}"]
        return rows

    def _row(self, fewest: int, most: int) -> str:
        passes, samples = self.passes(fewest), self.largest_part(fewest)
        who = f"{most} worker{'s' if most > 1 else ''}" if fewest == most else f"{fewest}..{most} workers"
        how = "1 pass" if passes == 1 else f"{passes} passes"
        return f"{who}: up to {samples} samples each, in {how} of up to {-(-samples // passes)}"
