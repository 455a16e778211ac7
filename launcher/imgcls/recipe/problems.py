"""What is wrong with a recipe: one problem a line, each with its place."""

from collections.abc import Sequence
from dataclasses import dataclass

from imgcls.errors import UserError


@dataclass(frozen=True, order=True)
class Problem:
    """One fault: where it was written, at which key, and what is wrong with it."""

    order: int
    where: str
    key: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.text) if part)


class RecipeError(UserError):
    """All the problems of a recipe, sorted by line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = [str(problem) for problem in self.problems]
        super().__init__("\n".join([*lines, f"{count}; nothing was started."]))
