"""``imgcls rerun``: a run once more, from its lock."""

import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgcls.cli.arguments import FolderPath, RunPath, WorkerRange, workers_flag

if TYPE_CHECKING:
    from imgcls.lock import Lock
    from imgcls.recipe import Recipe
    from imgcls.run_folder import RunFolder


@click.command(short_help="Repeat a run from its lock.")
@click.argument("run", type=RunPath())
@click.option("--name", help="Name of the new run's folder. Default: RUN-rerun, or RUN-rerun-2, and so on.")
@click.option("--storage", type=FolderPath(), help="Folder of the new run. Default: that of RUN.")
@click.option("--workers", type=WorkerRange(), help="Processes that train. Default: as many as RUN had.")
@click.option("--anyway", is_flag=True, help="Run also where something is another than it was.")
def rerun(
    run: Path, name: str | None, storage: Path | None, workers: tuple[int, int] | None, anyway: bool
) -> None:
    """Repeat the run in the folder RUN, from its run.lock.json, into a new folder.

    Where something is another than it was (a package, a plugin's code, the data), all of it is listed and
    nothing is started; exit code 2. At the end the weights are compared with RUN's: exit code 1 if they differ
    though nothing else did. The same command continues a repetition that was ended.
    """
    from imgcls import lock
    from imgcls.cli.launch import folder_name
    from imgcls.cli.launching import Launch
    from imgcls.errors import UserError
    from imgcls.run_folder import RunFolder
    from imgcls.storage.reading import is_copy

    if storage is None and is_copy(run):
        raise UserError("RUN is an address, and the new run is kept in a folder; give --storage")
    original = RunFolder(run.resolve())
    old = lock.as_it_ran(original, lock.read(original))
    storage = original.path.parent if storage is None else storage
    folder = RunFolder(storage / folder_name(_free(storage, original.path.name) if name is None else name))
    recipe, new, problems = _now(original, old, folder, workers)
    found = [*(f"while it ran, {line}" for line in old.changed), *lock.differences(old, new), *problems]
    for line in lock.on_another_platform(old, new):
        click.echo(f"note: another machine, which may round in another way: {line}", err=True)
    if found:
        _say(original, found, anyway, can=recipe is not None)
    assert recipe is not None
    Launch(recipe, folder, plain=False, timings=False).run()
    if not _is_the_same(original, folder) and not found:
        sys.exit(1)


def _free(storage: Path, base: str) -> str:
    """Return the first name that no finished run has: an unfinished repetition is continued."""
    from imgcls.run_folder import RunFolder

    names = (f"{base}-rerun" if number == 1 else f"{base}-rerun-{number}" for number in count(1))
    return next(name for name in names if not RunFolder(storage / name).result.exists())


def _now(
    original: "RunFolder", old: "Lock", folder: "RunFolder", workers: tuple[int, int] | None
) -> "tuple[Recipe | None, Lock, list[str]]":
    """Return the recipe and the lock that a run would have now, and what cannot even be looked at."""
    from dataclasses import replace

    from imgcls import lock
    from imgcls.distillation import teacher_of
    from imgcls.errors import UserError

    new = lock.here(old)
    try:
        recipe = _recipe(original, old, workers)
    except UserError as error:
        return None, new, [f"recipe: can no longer be read:\n{_indented(str(error))}"]
    new = replace(new, workers=recipe.workers.count)
    problems = []
    try:
        new = replace(new, data=_data(recipe, folder))
    except UserError as error:
        problems.append(f"data: cannot be had:\n{_indented(str(error))}{_elsewhere(old)}")
    try:
        new = replace(new, weights=_weights(recipe))
    except UserError as error:
        problems.append(f"weights: cannot be had:\n{_indented(str(error))}{_elsewhere(old)}")
    try:
        new = replace(new, teacher=teacher_of(recipe))
    except UserError as error:
        problems.append(f"teacher: cannot be had:\n{_indented(str(error))}{_elsewhere(old)}")
    return (None if problems else recipe), new, problems


def _recipe(original: "RunFolder", old: "Lock", workers: tuple[int, int] | None) -> "Recipe":
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from imgcls.errors import UserError
    from imgcls.plugins import installed
    from imgcls.recipe import read

    flags = [] if workers is None else [workers_flag(workers)]
    with TemporaryDirectory(prefix="imgcls-") as temporary:
        path = Path(temporary) / "recipe.toml"
        path.write_text(old.recipe, encoding="utf-8")
        try:
            recipe = read(path, installed(), (), flags)
        except UserError as error:
            # the file with the same lines that outlives this command
            raise UserError(str(error).replace(str(path), str(original.recipe))) from None
    return replace(recipe, path=Path(f"{original.path.name}.toml"))


def _data(recipe: "Recipe", folder: "RunFolder") -> dict[str, str]:
    from rich.console import Console

    from imgcls.data.prepare import prepare
    from imgcls.errors import UserError
    from imgcls.report.counting import Counting

    try:
        folder.index_cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"the storage {folder.path.parent} cannot be written: {error.strerror}; set --storage"
        raise UserError(text) from None
    with Counting(Console(stderr=True)) as counting:
        counting.begin("reading image headers")
        data = prepare(recipe, folder.index_cache, counting)
    return {"train": data.train.digest, "validation": data.validation.digest}


def _weights(recipe: "Recipe") -> str | None:
    from imgcls.weights import locate

    start = recipe.weights
    if start.source is None:
        return None
    return locate(start.source, start.sha256 or "", start.layout or "").sha256


def _indented(text: str) -> str:
    return "\n".join(f"        {line}" for line in text.splitlines())


def _elsewhere(old: "Lock") -> str:
    """Say where relative paths began, if that is elsewhere."""
    return f"\n        (RUN was begun in {old.folder})" if Path(old.folder) != Path.cwd() else ""


def _say(original: "RunFolder", found: list[str], anyway: bool, can: bool) -> None:
    """Say what is another than it was.

    Raises:
        UserError: the run is not wanted so, or not possible.
    """
    from imgcls.errors import UserError

    listed = "\n    ".join(found)
    how_many = "1 difference" if len(found) == 1 else f"{len(found)} differences"
    if not (anyway and can):
        advice = "--anyway runs it all the same" if can else "mend what can no longer be read or had"
        text = f"{original.path} cannot be repeated as it was, {how_many}:\n    {listed}"
        raise UserError(f"{text}\nnothing was started; {advice}")
    click.echo(f"repeating {original.path} with {how_many}:\n    {listed}", err=True)


def _is_the_same(original: "RunFolder", folder: "RunFolder") -> bool:
    """Say whether the two runs' last weights are the same; True also where there is nothing to compare with."""
    from imgcls.prove.fingerprint import fingerprint, last_checkpoint

    before, now = last_checkpoint(original), last_checkpoint(folder)
    if before is None or now is None:
        click.echo(f"{original.path} was not finished, or its last checkpoint is gone: nothing to compare with")
        return True
    was, is_now = fingerprint(before)["model"], fingerprint(now)["model"]
    same = was.sha256 == is_now.sha256
    verdict = "are, bit for bit," if same else "are NOT"
    click.echo(f"the weights {verdict} those of {original.path}; SHA-256 {is_now.sha256}")
    if not same:
        click.echo(f"    those of {original.path} have {was.sha256}")
    return same
