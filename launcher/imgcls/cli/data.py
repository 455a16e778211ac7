"""``imgcls data index`` and ``imgcls data check``: the data of a recipe, before a run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgcls.cli.arguments import recipe_argument, set_option, storage_option

if TYPE_CHECKING:
    from imgcls.data.check import Split
    from imgcls.data.index import Index
    from imgcls.recipe import Recipe
    from imgcls.report.counting import Counting


@click.group(short_help="Index a recipe's images, or check each of them.")
def data() -> None:
    """Index the images of a recipe, or check each of them, before a run."""


@data.command(short_help="Read the header of every image, as a launch would.")
@recipe_argument
@set_option
@storage_option
def index(recipe: str, overrides: tuple[str, ...], storage: Path) -> None:
    """Read the header of every image and keep the index, as a launch into the same storage would."""
    import time

    from imgcls.data.index import Index
    from imgcls.data.prepare import prepare

    found, cache = _read(recipe, overrides, storage)
    started = time.monotonic()
    with _counting() as counting:
        counting.begin("reading image headers")
        made = prepare(found, cache, counting)
    seconds = time.monotonic() - started
    parts = {"train": made.train, "validation": made.validation}
    indexes = [Index.load(Path(part.path), Path(part.root)) for part in parts.values()]
    counts = ", ".join(f"{name} {part.samples:,}" for name, part in parts.items())
    samples = sum(len(part) for part in indexes)
    speed = f"{counting.total / seconds:,.0f} files/s" if counting.total else "no header had to be read"
    rows = [
        ("images", f"{samples:,}: {counts}"),
        ("classes", f"{len(made.classes):,}"),
        ("smallest", _extreme(indexes, largest=False)),
        ("largest", _extreme(indexes, largest=True)),
        ("time", f"{seconds:.2f} s, {speed}"),
        *((f"{name} index", part.path) for name, part in parts.items()),
    ]
    left_out = {path for part in indexes for path, _ in part.left_out}
    if left_out:
        rows.insert(1, ("left out", f"{len(left_out):,}; `imgcls data check` names them"))
    for name, value in rows:
        click.echo(f"{name:<18}{value}")


@data.command(short_help="Decode every image, and list what is no good.")
@recipe_argument
@set_option
@storage_option
@click.option("--threads", type=click.IntRange(1), help="That decode. Default: as in training, on all CPUs.")
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    help="Of an image that is not refused. Default: 178,956,970, where Pillow speaks of an attack.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Where to write all that was found, as JSON. Default: beside the index.",
)
def check(
    recipe: str,
    overrides: tuple[str, ...],
    storage: Path,
    threads: int | None,
    max_pixels: int | None,
    report: Path | None,
) -> None:
    """Decode every image with what training decodes with, and list what is no good.

    Images that cannot be decoded go into a quarantine list beside the index: runs in this storage leave them out.
    Exit code 0 where a run would use every image and none is in training and in validation, else 1.
    """
    from imgcls.data.prepare import indexes
    from imgcls.train.environment import prepare_environment

    prepare_environment()
    found, cache = _read(recipe, overrides, storage)
    path = cache / f"{found.name}.check.json" if report is None else report
    _prove_writable(path)
    with _counting() as counting:
        counting.begin("reading image headers")
        parts = indexes(found, cache, counting, skip_bad=True)
        with _decoders_quiet(path.with_name(f"{path.name}.log")):
            splits, decoder = _examined(found, parts, threads, max_pixels, counting)
    passed = _tell(splits, {"recipe": found.name, "dataset": found.data.found.name, **decoder}, cache, path)
    if not passed:
        sys.exit(1)


def _examined(
    recipe: "Recipe",
    parts: "tuple[Index, Index]",
    threads: int | None,
    max_pixels: int | None,
    counting: "Counting",
) -> "tuple[list[Split], dict[str, Any]]":
    """Return what was found in both splits, and with what they were decoded."""
    import time
    from dataclasses import replace

    from imgcls.data.check import examine, pixels_limit
    from imgcls.plan import resolve_format
    from imgcls.train.build import machine
    from imgcls.train.world import pick_device, set_threads

    form = resolve_format(recipe)
    mine = machine(recipe.loading, pick_device(0), set_threads(None, 1))
    if threads is not None:
        mine = replace(mine, threads=threads)
    train, validation = (replace(part, root=part.root.absolute()) for part in parts)
    if validation.left_out == train.left_out:  # a part of train was held out: say it once
        validation = replace(validation, left_out=())
    started, splits = time.monotonic(), []
    for name, part in (("train", train), ("validation", validation)):
        counting.begin(f"checking {name}")
        splits.append(examine(name, part, form, mine, max_pixels or pixels_limit(), counting))
    return splits, {
        "decoder": "CPU" if mine.decoder == "cpu" else f"GPU {mine.device_id}",
        "threads": mine.threads,
        "seconds": round(time.monotonic() - started, 3),
    }


def _tell(splits: "list[Split]", about: dict[str, Any], cache: Path, path: Path) -> bool:
    """Write the report and the quarantine lists, print what they say; return whether all is in order."""
    import json

    from imgcls.data import quarantine
    from imgcls.data.check import report
    from imgcls.report.data_check import summary
    from imgcls.run_folder import write_whole

    listed = {split.name: quarantine.write(cache, split.index, split.listed) for split in splits}
    kept = {split.name: str(listed[split.name]) for split in splits if split.listed}
    found = {**about, **report(splits), "quarantine": kept}
    write_whole(path, json.dumps(found, indent=1) + "\n")
    for line in summary(found):
        click.echo(line)
    if kept:
        count = sum(len(split.listed) for split in splits)
        click.echo(f"in quarantine, left out of runs in this storage: {count:,}; {', '.join(kept.values())}")
    if any(split.index.left_out for split in splits):
        click.echo('files that are no images end a launch: remove them, or set data.on_bad_image = "skip"')
    images = sum(len(split.index) for split in splits)
    speed = images / max(about["seconds"], 1e-3)
    click.echo(f"{images:,} images in {about['seconds']:.1f} s, {speed:,.0f} images/s, {about['decoder']}")
    click.echo(f"report: {path}")
    return bool(found["passed"])


def _read(recipe: str, overrides: tuple[str, ...], storage: Path) -> "tuple[Recipe, Path]":
    """Return the recipe, and the folder of indexes.

    Raises:
        UserError: a faulty recipe, a storage that cannot be written.
    """
    from imgcls.errors import UserError
    from imgcls.plugins import installed
    from imgcls.recipe import find, read
    from imgcls.run_folder import RunFolder

    found = read(find(recipe), installed(), overrides)
    cache = RunFolder(storage / found.name).index_cache
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the storage {storage} cannot be written: {error.strerror}; set --storage") from None
    return found, cache


def _prove_writable(path: Path) -> None:
    """Raise a UserError now rather than after an hour, where the report cannot be written."""
    import errno
    import os

    from imgcls.errors import UserError

    probe = path.with_name(f".{path.name}.writable")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"--report {path} cannot be written: {error.strerror}") from None


def _counting() -> "Counting":
    import os

    from rich.console import Console

    from imgcls.report.counting import Counting

    # a handle of its own: standard error goes to a log file while images are decoded
    return Counting(Console(file=os.fdopen(os.dup(2), "w", encoding="utf-8", buffering=1)))


@contextmanager
def _decoders_quiet(log: Path) -> Iterator[None]:
    """Send what DALI's decoders write on standard error to a file, which is there only if they did."""
    import os

    handle, kept = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), os.dup(2)
    os.dup2(handle, 2)
    os.close(handle)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        if not log.stat().st_size:
            log.unlink()


def _extreme(indexes: "list[Index]", largest: bool) -> str:
    """Return size and path of the image of the most or the fewest pixels."""
    from imgcls.report.data_check import printable

    found = []
    for part in indexes:
        pixels = part.sizes.prod(axis=1, dtype="int64")
        sample = int(pixels.argmax() if largest else pixels.argmin())
        height, width = part.sizes[sample].tolist()
        found.append((int(pixels[sample]), f"{width}x{height}  {printable(part.path(sample))}"))
    return (max if largest else min)(found)[1]
