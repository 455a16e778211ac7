"""``imgcls export``: a trained model as a file that other programs run, proved before it is there."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgcls.cli.arguments import RunPath

if TYPE_CHECKING:
    from imgcls.train.export import To
    from imgcls.train.proof import Images, Proof
    from imgcls.train.served import Served


@click.command(short_help="Write a trained model as safetensors, ONNX or torch.export's.")
@click.argument("run_or_checkpoint", type=RunPath())
@click.option(
    "--to",
    type=click.Choice(["safetensors", "onnx", "torch-export"]),
    required=True,
    help="safetensors holds weights alone; the others run without imgcls.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The file. Default: the run's name, in this folder.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@click.option(
    "--batch-size",
    metavar="N|dynamic",
    default="dynamic",
    show_default=True,
    help="Images that the exported model takes at a time; dynamic: any number.",
)
def export(run_or_checkpoint: Path, to: "To", out: Path | None, force: bool, batch_size: str) -> None:
    """Write the model of a run's folder (its best checkpoint) or of a checkpoint's folder to one file.

    Preprocessing, class names, recipe and the SHA-256 of the weights go with it, as JSON in the file's metadata.
    The file is loaded again and run, and kept only where its answers are the model's: exit code 1 where they are
    not.
    """
    size = _size(batch_size, to)
    from imgcls.train.environment import prepare_environment

    prepare_environment()
    from imgcls.cli.outputs import refuse
    from imgcls.train.export import SUFFIX, load, require

    if out is not None:
        _check_suffix(out, SUFFIX[to])
        refuse("--out", out, force)
    require(to)
    served = load(run_or_checkpoint)
    file = out or Path(f"{served.plan.name}{SUFFIX[to]}")
    refuse("--out", file, force)
    _proved(served, to, file, size, force)


def _size(text: str, to: str) -> int | None:
    """Return the one batch size that is exported; None: any."""
    if text == "dynamic":
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 2**20:
        raise click.BadParameter(
            f"'{text}' is neither a number from 1 on nor 'dynamic'.", param_hint="--batch-size"
        )
    if to == "safetensors":
        raise click.BadParameter("safetensors holds weights alone; leave it out.", param_hint="--batch-size")
    return int(text)


def _check_suffix(out: Path, suffix: str) -> None:
    from imgcls.errors import UserError

    if out.suffix != suffix:
        raise UserError(f"--out {out}: give it a name that ends in {suffix}, by which programs know such a file")


def _proved(served: "Served", to: "To", file: Path, size: int | None, force: bool) -> None:
    """Write the file under another name, compare, and give it its own where the answers are the model's."""
    from imgcls.cli.outputs import refuse
    from imgcls.train.description import describe, summary_of
    from imgcls.train.export import deployed, description_in, load_again, runner_of, write
    from imgcls.train.proof import compare, images_for

    plan = served.plan
    other = None if to == "safetensors" else deployed(served.model)
    description = describe(served, other is not None, size)
    with _temporary(file) as temporary:
        write(other or served.model, to, temporary, plan, description, size)
        images = images_for(plan)
        proof = compare(served.model, load_again(to, temporary, plan), images.pixels, size)
        holds = proof.holds and description_in(to, temporary) == description
        click.echo(f"{plan.name}: {plan.model.name}, {description['weights']['file']}, {summary_of(plan, size)}")
        if other is not None:
            click.echo("exported: the network to deploy, which the model's for_inference() returns")
        click.echo(_said(images, proof, runner_of(to)))
        if not holds:
            click.echo("the exported model's answers are not the model's: nothing was kept", err=True)
            sys.exit(1)
        refuse("--out", file, force)  # it may have come to be in the meantime
        temporary.replace(file)
    click.echo(f"{file}: {file.stat().st_size:,} bytes")


@contextmanager
def _temporary(file: Path) -> Iterator[Path]:
    """Give a name beside a file, with its ending, at which nothing is left."""
    import os

    from imgcls.errors import UserError

    temporary = file.with_name(f".{file.stem}.{os.getpid()}{file.suffix}")
    try:
        yield temporary
    except OSError as error:
        raise UserError(f"--out {file}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _said(images: "Images", proof: "Proof", runner: str) -> str:
    from imgcls.train.proof import TOLERANCE

    lines = [] if images.real else [f"the run's validation images are not to be had: {images.note}"]
    of = "of the validation set" if images.real else "of pseudo-random pixels"
    lines.append(
        f"loaded again and run by {runner} on {proof.images} images {of}: largest difference of a logit "
        f"{proof.largest:.2g} (allowed: {TOLERANCE * proof.spread:.2g}), {proof.changed} answers changed"
    )
    return "\n".join(lines)
