"""Measurements of a recipe, as they are kept in a file."""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcls.errors import UserError
from imgcls_cluster.scaling.fit import Measurement
from imgcls_cluster.scaling.measure import Launches

if TYPE_CHECKING:
    from imgcls.recipe import Recipe


@dataclass(frozen=True)
class Kept:
    """What was measured of a recipe on one machine.

    Attributes:
        recipe: its resolved text.
        cpus: that the workers shared; None: each had a GPU.
        threads: CPUs that a worker takes.
        parameters: of the model.
        measurements: of launches.
    """

    recipe: str
    cpus: int | None
    threads: float
    parameters: int
    measurements: tuple[Measurement, ...]

    @classmethod
    def load(cls, file: Path | None, recipe: "Recipe") -> "Kept | None":
        """Return what is in a file; None where there is no file.

        Raises:
            UserError: it holds something else, or measurements of another recipe.
        """
        if file is None or not file.exists():
            return None
        try:
            values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            rows = tuple(Measurement(**row) for row in values.pop("measurements"))
            kept = cls(**values, measurements=rows)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"--measurements {file}: holds no measurements ({error}); name another file") from None
        if kept.recipe != _text(recipe):
            raise UserError(f"--measurements {file}: is of another recipe or other values; name another file")
        return kept

    def save(self, file: Path | None) -> None:
        """Write it to a file; nothing where none is named.

        Raises:
            UserError: the file cannot be written.
        """
        if file is None:
            return
        rows = [each.to_dict() for each in self.measurements]
        text = json.dumps({**vars(self), "measurements": rows}, indent=1) + "\n"
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"--measurements {file}: cannot be written: {error.strerror}") from None


def measure(
    path: str,
    overrides: Sequence[str],
    recipe: "Recipe",
    counts: Sequence[int],
    seconds: float,
    tell: Callable[[str], None],
) -> Kept:
    """Measure a recipe on this machine: one worker with two batches, then more with the recipe's.

    Args:
        path: of the recipe, or the name of a shipped one.
        overrides: as given by ``--set``.
        recipe: the same, read.
        counts: numbers of workers.
        seconds: timed in each launch.
        tell: takes a line about each launch before it begins.

    Raises:
        UserError: a launch ended early.
    """
    batch, gpus = recipe.train.batch_size, len(list(Path("/dev").glob("nvidia[0-9]*")))
    counts = [count for count in counts if count <= batch and (not gpus or count <= gpus)]
    most, cpus = max(counts, default=1), len(os.sched_getaffinity(0))
    share = None if gpus else float(cpus // most) or int(100 * cpus / most) / 100
    # one worker with the share that each of the most has, too: what a step takes beside its samples
    cases = dict.fromkeys([(1, batch), (1, max(1, batch // max(most, 2))), *((count, batch) for count in counts)])
    with tempfile.TemporaryDirectory(prefix="imgcls-plan-") as storage:
        launches = Launches(path, overrides, Path(storage), share, seconds)
        found = []
        for number, (workers, samples) in enumerate(cases, start=1):
            tell(f"measuring {number} of {len(cases)}: {workers} worker{'s'[: workers > 1]}, batch {samples}")
            found.append(launches.measure(workers, samples))
    return Kept(_text(recipe), None if gpus else cpus, max(1.0, share or 1.0), launches.parameters, tuple(found))


def _text(recipe: "Recipe") -> str:
    from imgcls.recipe import to_toml

    return to_toml(recipe)
