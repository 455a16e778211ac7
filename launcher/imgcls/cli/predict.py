"""``imgcls predict``: a trained model's best classes for image files."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from imgcls.cli.arguments import RunPath

if TYPE_CHECKING:
    from imgcls.train.answers import Answering

_BY_ENDING = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "table"}


@click.command(short_help="Tell the classes of image files.")
@click.argument("run_or_checkpoint", type=RunPath())
@click.argument("images", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="Classes of each answer.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "jsonl"]),
    help="Default: by --out's ending, else a table on a terminal and CSV in a pipe.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The file to write. Default: standard output.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@click.option(
    "--batch-size", type=click.IntRange(1), help="Of a forward pass. Default: that of the run's evaluations."
)
def predict(
    run_or_checkpoint: Path,
    images: tuple[str, ...],
    top: int,
    form: str | None,
    out: Path | None,
    force: bool,
    batch_size: int | None,
) -> None:
    """Tell the best classes of images, by the model of a run's folder (its best checkpoint) or of a checkpoint's.

    IMAGES are files, folders (every image below them) or - for names on standard input, one a line. They are
    decoded, resized and cropped as in the run's evaluations. One line an image, in the order given; probabilities
    are the softmax's. Exit code 1 where an image cannot be read: it is named, and the others are answered.
    """
    import os

    from imgcls.cli.outputs import refuse
    from imgcls.data.pictures import named
    from imgcls.quiet import libraries_quiet
    from imgcls.train.environment import prepare_environment

    if out is not None:
        refuse("--out", out, force)
    form = _form(form, out)
    names = named(images, _standard(0, "r"))
    prepare_environment()
    from imgcls.train.answers import Answering

    answering = Answering.load(run_or_checkpoint, batch_size)
    with _opened(out) as file, libraries_quiet(Path(os.devnull)):
        failed = _answer(answering, names, top, form, file)
    if failed:
        click.echo(f"{failed:,} of {len(names):,} images could not be answered", err=True)
        sys.exit(1)


def _standard(number: int, mode: str) -> IO[str]:
    """Return standard input or output for names of files, which need not be text and come out as they went in."""
    import os

    return os.fdopen(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False)


def _form(form: str | None, out: Path | None) -> str:
    from imgcls.errors import UserError

    if form is not None:
        return form
    if out is None:
        return "table" if sys.stdout.isatty() else "csv"
    if out.suffix.lower() not in _BY_ENDING:
        raise UserError(f"--out {out}: {' '.join(_BY_ENDING)} say what to write; else give --format")
    return _BY_ENDING[out.suffix.lower()]


@contextmanager
def _opened(out: Path | None) -> Iterator[IO[str]]:
    """Give standard output, or a file that takes its name when all is written."""
    import os

    from imgcls.errors import UserError

    if out is None:
        try:
            with _standard(1, "w") as file:
                yield file
        except BrokenPipeError:  # the reader, such as head, has seen enough
            raise click.exceptions.Exit(0) from None
        return
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield file
        partial.replace(out)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


def _answer(answering: "Answering", names: list[str], top: int, form: str, file: IO[str]) -> int:
    """Write a line for each image, name on standard error those that have no answer, and return their number."""
    from rich.console import Console

    from imgcls.report.counting import Counting
    from imgcls.report.predictions import printable, writer
    from imgcls.train.predict import predict

    classes = answering.served.plan.data.classes
    top = min(top, len(classes))
    head, line = writer(form, names, classes, top)
    file.write(head)
    failed = 0
    # a bar would stand between the lines of a terminal
    with Counting(Console(stderr=True, quiet=file.isatty())) as counting:
        counting.begin("reading image headers")
        for done, found in enumerate(predict(answering, names, top, counting), 1):
            if done == 1:
                counting.begin("answering")
            file.write(line(found.image, found.top, found.error))
            if found.error is not None:
                failed += 1
                click.echo(f"{printable(found.image)}: {printable(found.error)}", err=True)
            if done % answering.batch_size == 0 or done == len(names):
                file.flush()
                counting(done, len(names))
    return failed
