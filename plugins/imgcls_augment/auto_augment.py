"""AutoAugment: Cubuk, Zoph, Mane, Vasudevan, Le, 2018, arXiv:1805.09501."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcls import Augmentation, Draws, Graph
from imgcls_augment.one_of import OneOf
from imgcls_augment.options import AutoAugment
from imgcls_augment.policies import AUTO_AUGMENT, LEVELS, POLICIES, Step

_STEPS = 2


class Policy(Augmentation):
    """One sub-policy of a policy for each image: two steps, each with its own operation, probability and level.

    Args:
        one_of: the operations that the policy names.
        sub_policies: each two steps.
    """

    def __init__(self, one_of: OneOf, sub_policies: Sequence[tuple[Step, Step]]) -> None:
        self.one_of = one_of
        names = [row.operation for row in one_of.rows]
        self._operation = np.array([[names.index(name) for name, _, _ in sub] for sub in sub_policies])
        self._probability = np.array([[probability for _, probability, _ in sub] for sub in sub_policies])
        self._level = np.array([[level / (LEVELS - 1) for _, _, level in sub] for sub in sub_policies])

    def draw(self, draws: Draws, size: int) -> tuple[NDArray[Any], ...]:
        """Return kind, value and matrix of both steps, as :meth:`OneOf.parameters`."""
        sub_policy = draws.integers(len(self._operation))[:, 0]
        happens = draws.uniform(_STEPS) < self._probability[sub_policy]
        negative = draws.uniform(_STEPS) < 0.5
        fed: list[NDArray[Any]] = []
        for step in range(_STEPS):
            chosen = np.where(happens[:, step], self._operation[sub_policy, step], -1)
            fed += self.one_of.parameters(chosen, self._level[sub_policy, step], negative[:, step], size)
        return tuple(fed)

    def apply(self, graph: Graph, *parameters: Any) -> None:
        """Apply both steps."""
        for first in range(0, len(parameters), 3):
            step = parameters[first : first + 3]
            graph.images = self.one_of.apply(graph.images, graph.channels, *step)


def build(options: AutoAugment) -> Policy:
    """A published policy."""
    sub_policies = POLICIES[options.policy]
    named = {name for sub_policy in sub_policies for name, _, _ in sub_policy}
    rows = [row for row in AUTO_AUGMENT if row.operation in named]
    return Policy(OneOf(rows, options.fill, options.interpolation), sub_policies)
