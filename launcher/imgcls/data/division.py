"""Which samples of a dataset a run trains on, and which it validates on."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imgcls.data.index import Index
from imgcls.data.quarantine import without_listed
from imgcls.data.split import some_of, stratified
from imgcls.errors import UserError

if TYPE_CHECKING:
    from imgcls.recipe import Recipe


@dataclass(frozen=True)
class Division:
    """How a training set is divided: the shares in a recipe's ``[data]``, in the order in which they are taken.

    Every draw goes by the samples' numbers in the whole training set, so that none depends on the one before it,
    and images in quarantine are left out before ``holdout`` and ``fraction`` are counted.

    Attributes:
        seed: of the run, or the recipe's own for the split.
        validation: held out where the dataset has no validation set of its own.
        holdout: of what is left, validated on in place of either; None: nothing.
        fraction: of what is then left, trained on.
    """

    seed: int
    validation: float
    holdout: float | None = None
    fraction: float = 1.0

    @classmethod
    def of(cls, recipe: "Recipe") -> "Division":
        """Return what a recipe says."""
        return cls(recipe.seed_of_split, recipe.validation, recipe.holdout, recipe.fraction)

    def divide(self, whole: Index, has_own: bool, cache: Path) -> tuple[Index, Index | None]:
        """Return the indexes of what is trained on and of what is held out to validate on.

        Args:
            whole: of the training set.
            has_own: whether the dataset has a validation set of its own; without ``holdout`` that is validated on,
                and nothing is held out: None.
            cache: folder of quarantine lists.

        Raises:
            UserError: nothing can be held out, or nothing is left.
        """
        own, validation, numbers = whole, None, np.arange(len(whole), dtype=np.int64)
        if not has_own:
            numbers, held_out = stratified(whole.labels, self.validation, self.seed)
            own = whole.part(numbers)
            if self.holdout is None:
                validation, _ = without_listed(cache, _held_out(whole, held_out))
        train, good = without_listed(cache, own)
        numbers, kept = numbers[good], np.arange(len(good))
        if self.holdout is not None:
            kept, held_out = stratified(train.labels, self.holdout, self.seed, numbers, "holdout")
            validation = _held_out(train, held_out)
        if self.fraction < 1:
            kept = kept[some_of(train.labels[kept], self.fraction, self.seed, numbers[kept])]
        return train if len(kept) == len(train) else train.part(kept), validation


def _held_out(whole: Index, samples: NDArray[np.int64]) -> Index:
    if not len(samples):
        raise UserError(f"{whole.root}: every class has one image to train on, none can be held out")
    return whole.part(samples)
