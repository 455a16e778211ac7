"""A search of values that are listed, one trial at a time, so that one process trains all of them.

    python listed_search.py FOLDER VALUES.json

FOLDER holds recipe.toml.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgcls.on_ray.tuner import Search, run
from imgcls.recipe.schema import Workers
from imgcls.tuning.runs import flags_of, plan_of, recipe_of
from imgcls.tuning.study import Asked, Report, Rung, Study


class Lines:
    """A view that prints how trials end."""

    def trial(
        self, number: int, values: Mapping[str, Any], state: str, report: Report | None, why: str = ""
    ) -> None:
        """Print it."""
        if state in ("finished", "stopped", "failed"):
            print(number, state, why)

    def line(self, text: str) -> None:
        """Print it."""
        print(text)

    def tick(self) -> None:
        """Do nothing."""


def _asked(trials: int) -> Asked:
    rungs = (Rung(2, 1.0, "2 epochs"),)
    return Asked(
        "x", "val/top1", trials, "listed", "none", "epochs", None, 0, 3, 1, rungs, 1, 1.0, space={}, domains={}
    )


def main() -> None:
    """Carry it out."""
    study = Study(Path(sys.argv[1]))
    study.logs.mkdir()
    values = json.loads(Path(sys.argv[2]).read_text())
    for each in values:
        study.add(each)
    asked = _asked(len(values))
    first = recipe_of(study, flags_of(study, asked, values[0], asked.rungs[0]))
    plan = plan_of(first, "first", study.path.parent / ".index")
    search = Search(study, asked, (), Workers(), 1, lambda _values: None, plan)
    run(search, lambda _asked, _at_a_time, _why: Lines(), lambda _at_once, _code: None)


if __name__ == "__main__":
    main()
