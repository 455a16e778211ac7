"""``imgcls parity``: how far the pictures that a model is given are from Pillow's."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgcls.cli.arguments import recipe_argument, set_option, storage_option

if TYPE_CHECKING:
    from imgcls.plan import Plan
    from imgcls.train.parity import Parity


@click.command(short_help="Compare the evaluation's pictures with Pillow's.")
@recipe_argument
@set_option
@storage_option
@click.option("--images", type=click.IntRange(1), default=256, show_default=True, help="Of the validation split.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="A file of safetensors, or a run's folder: compare the model's answers, too.",
)
def parity(recipe: str, overrides: tuple[str, ...], storage: Path, images: int, weights: Path | None) -> None:
    """Compare the evaluation's pictures with Pillow's, in grey levels of 0..255.

    Exit code 0 where the difference is within what imgcls states, 1 where it is not.
    """
    from imgcls.cli.preparation import planned

    plan = planned(recipe, overrides, storage)
    from imgcls.train.parity import compare

    found = compare(plan, images, weights)
    for line in _report(plan, found):
        click.echo(line)
    if found.within_bounds is False:
        sys.exit(1)


def _report(plan: "Plan", found: "Parity") -> list[str]:
    from importlib.metadata import version

    from imgcls.cli.preparation import dali_of, form_of

    where = "the CPU" if found.machine.decoder == "cpu" else "the GPU"
    operators = "the CPU" if found.machine.device == "cpu" else f"GPU {found.machine.device_id}"
    return [
        f"{plan.name}: shorter side to {plan.format.eval_resize}, centre of {form_of(plan.format)}",
        f"decoded on {where} by {dali_of(plan)}, resized and normalised on {operators}",
        f"reference: Pillow {version('pillow')}",
        "",
        *_table(plan, found),
        "",
        _verdict(found),
    ]


def _table(plan: "Plan", found: "Parity") -> list[str]:
    pictures = found.pictures
    rows = [
        ("images", f"{pictures.images:,} of {plan.data.validation.samples:,}"),
        ("largest difference", f"{pictures.largest:g}"),
        ("mean difference", f"{pictures.mean:.4f}"),
        ("pixels that differ", f"{pictures.share:.2%}"),
        ("worst image", found.index.path(pictures.worst) if pictures.worst >= 0 else "none differs"),
    ]
    if found.left_out:
        rows.append(("left out, not decodable", f"{len(found.left_out):,}"))
    if found.answers is not None:
        answers = found.answers
        rows += [
            ("top-1 changed", f"{answers.changed} of {answers.images} ({answers.changed / answers.images:.2%})"),
            ("largest logit difference", f"{answers.largest:.4g}"),
            ("weights", str(found.weights)),
        ]
    return [f"{name:<26}{value}" for name, value in rows]


def _verdict(found: "Parity") -> str:
    from imgcls.train.parity import MEAN, MOST

    if found.within_bounds is None:
        return "no bounds are stated yet for decoding on a GPU"
    stated = f"what imgcls states for decoding on the CPU: at most {MOST:g}, mean under {MEAN:g}"
    return f"within {stated}" if found.within_bounds else f"NOT within {stated}"
