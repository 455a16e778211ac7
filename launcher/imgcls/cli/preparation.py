"""From RECIPE to a plan without a run's folder: what commands do that look at a recipe's data and model."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcls.plan import Format, Plan


def planned(recipe: str, overrides: tuple[str, ...], storage: Path) -> "Plan":
    """Return the plan that a launch of the recipe would have; the storage keeps its indexes, as for a launch.

    Raises:
        UserError: a faulty recipe, missing data, a storage that cannot be written.
    """
    from rich.console import Console

    from imgcls.data.prepare import prepare
    from imgcls.errors import UserError
    from imgcls.plan import make
    from imgcls.plugins import installed
    from imgcls.recipe import find, read
    from imgcls.report.counting import Counting
    from imgcls.run_folder import RunFolder
    from imgcls.train.environment import prepare_environment

    prepare_environment()
    found = read(find(recipe), installed(), overrides)
    cache = RunFolder(storage / found.name).index_cache
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the storage {storage} cannot be written: {error.strerror}; set --storage") from None
    with Counting(Console(stderr=True)) as counting:
        counting.begin("reading image headers")
        return make(found, prepare(found, cache, counting), found.name)


def form_of(form: "Format") -> str:
    """Return a model's input in a few words."""
    return f"{form.size}x{form.size} pixels, {'grey' if form.channels == 1 else 'RGB'}, {form.interpolation}"


def dali_of(plan: "Plan") -> str:
    """Return DALI's name with the version that is installed."""
    versions = [version for name, version in plan.versions.items() if name.startswith("nvidia-dali")]
    return f"DALI {versions[0]}" if versions else "DALI"
