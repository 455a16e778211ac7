"""Progressive resizing: the size of training's images, a pure function of the epoch."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcls.plan import Plan


@dataclass(frozen=True)
class Growth:
    """Sizes that grow with the epochs: small images first, which are quicker.

    Linear from the end of epoch ``begin`` on until epoch ``end``, in whole multiples, as the ImageNet scripts of
    ffcv have it (Leclerc et al., 2023, arXiv:2306.12517); the idea is Howard's, 2018, for DAWNBench.

    Attributes:
        first: height and width in pixels at the beginning.
        last: height and width in pixels at the end, larger than ``first``.
        begin: epochs after which they grow.
        end: epochs after which they are ``last``, more than ``begin``.
        multiple: sizes between are the nearest multiples of this many pixels; of two as near, the even one.
    """

    first: int
    last: int
    begin: int
    end: int
    multiple: int

    @classmethod
    def of(cls, plan: "Plan") -> "Growth | None":
        """Return how a run's images grow; None: they do not."""
        wanted = plan.progressive
        if wanted.size is None:
            return None
        # by default the last epoch has the images that its rate and its evaluation are for
        end = max(wanted.begin + 1, plan.train.epochs - 1) if wanted.end is None else wanted.end
        return cls(wanted.size, plan.format.training.size, wanted.begin, end, wanted.multiple)

    def size(self, epoch: int) -> int:
        """Return the height and width in pixels in an epoch, counted from 0."""
        if epoch <= self.begin:
            return self.first
        if epoch >= self.end:
            return self.last
        # fractions: a half is one, whatever its floating-point neighbours are
        exact = self.first + Fraction((self.last - self.first) * (epoch - self.begin), self.end - self.begin)
        return min(max(self.multiple * round(exact / self.multiple), self.first), self.last)

    def stretches(self, epochs: int) -> list[tuple[int, int, int]]:
        """Return the sizes over so many epochs: (first epoch, last epoch + 1, size), epochs counted from 0."""
        found: list[tuple[int, int, int]] = []
        for epoch in range(epochs):
            size = self.size(epoch)
            begun = found.pop()[0] if found and found[-1][2] == size else epoch
            found.append((begun, epoch + 1, size))
        return found

    def described(self, epochs: int) -> str:
        """Return the sizes in pixels over so many epochs, in words; epochs are counted from 1."""
        parts = [
            f"{size} in epoch{'s' if end - begin > 1 else ''} {_span(begin + 1, end)}"
            for begin, end, size in self.stretches(epochs)
        ]
        return ", ".join(parts)


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"
