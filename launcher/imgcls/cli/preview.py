"""``imgcls preview``: a picture of what a model will be given."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgcls.cli.arguments import recipe_argument, set_option, storage_option

if TYPE_CHECKING:
    from PIL.Image import Image

    from imgcls.plan import Plan
    from imgcls.report.contact_sheet import Row
    from imgcls.train.preview import Sample

_DRAWS = 5


@click.command(short_help="Draw what the model will be given in training.")
@recipe_argument
@set_option
@storage_option
@click.option(
    "--rows", type=click.IntRange(1, 64), default=8, show_default=True, help="Images of the training set."
)
@click.option("--epoch", type=click.IntRange(0), default=0, show_default=True, help="The first one shown.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("preview.png"),
    show_default=True,
    help="The PNG that is written.",
)
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def preview(
    recipe: str, overrides: tuple[str, ...], storage: Path, rows: int, epoch: int, out: Path, force: bool
) -> None:
    """Draw images of the training set beside what the model is given of them, epoch by epoch.

    By the pipeline that trains, with its augmentations and mixtures; written as a PNG.
    """
    from imgcls.cli.preparation import planned

    _refuse(out, force)
    plan = planned(recipe, overrides, storage)
    from imgcls.report.contact_sheet import draw
    from imgcls.train.preview import samples

    shown = samples(plan, rows, epoch, _DRAWS)
    grows = plan.progressive.size is not None
    sizes = [f", {picture.shape[0]} pixels" if grows else "" for picture in shown[0].draws]
    epochs = [f"epoch {epoch + number}{size}" for number, size in enumerate(sizes)]
    sheet = draw(plan.name, _notes(plan), ["original", *epochs], [_row(sample) for sample in shown])
    _write(sheet, out, force)
    click.echo(str(out))


def _refuse(out: Path, force: bool) -> None:
    from imgcls.errors import UserError

    if out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: what is written is a PNG; give it a name that ends in .png")
    if not out.absolute().parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.absolute().parent}; make it")
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; give the name of a file in it")
    if out.exists() and not force:
        raise UserError(f"--out {out}: is there already and was left as it is; give another name, or --force")


def _write(sheet: "Image", out: Path, force: bool) -> None:
    import io

    from imgcls.errors import UserError

    png = io.BytesIO()
    sheet.save(png, "PNG")
    try:
        with out.open("wb" if force else "xb") as file:
            file.write(png.getvalue())
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written: {error.strerror}") from None


def _notes(plan: "Plan") -> list[str]:
    from imgcls.cli.preparation import form_of

    data = plan.data
    names = ", ".join(reference.name for reference in plan.augment) or "no augmentation"
    counts = f"{len(data.classes):,} classes, {data.train.samples:,} images to train, seed {plan.seed}"
    return [f"{plan.model.name} on {data.dataset.name}, {counts}", f"{form_of(plan.format.training)}; {names}"]


def _row(sample: "Sample") -> "Row":
    from imgcls.report.contact_sheet import Row

    width, height = sample.original.size
    return Row(
        label=sample.label,
        note=f"{sample.path.rpartition('/')[2]}, {width}x{height}",
        original=sample.original,
        pictures=sample.draws,
        captions=sample.targets,
    )
