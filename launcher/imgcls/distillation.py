"""A recipe's [distill] -> what a plan says of it: the teacher, found and compared with the recipe. No torch."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgcls.errors import UserError
from imgcls.plan import Distillation, Format, Plan, Reference, resolve_format
from imgcls.recipe.schema import Input
from imgcls.run_folder import RunFolder, read_json
from imgcls.weights import Weights, locate, of_checkpoint

if TYPE_CHECKING:
    from imgcls.recipe import Recipe

_TEMPERATURES = {"soft": 4.0, "ssld": 1.0, "dml": 1.0}
_WEIGHTS = {"soft": 0.9, "ssld": 1.0, "dml": 1.0}
_SHOWN = 3  # classes in a message


def resolve(recipe: "Recipe", classes: Sequence[str]) -> Distillation | None:
    """Return what a recipe's model learns from beside its labels, None where that is nothing.

    Args:
        recipe: checked.
        classes: of its data, in order.

    Raises:
        UserError: a teacher that is gone, damaged, not finished, or of other classes or channels; at its line.
    """
    asked = recipe.distill
    if asked.method is None:
        return None
    temperature = asked.temperature or _TEMPERATURES[asked.method]
    weight = asked.weight or _WEIGHTS[asked.method]
    if asked.method == "dml":
        model = Reference.of(recipe.distill_model or recipe.model)
        return Distillation(asked.method, temperature, weight, model, None, None)
    try:
        teacher, form, weights, seen = _teacher(recipe, classes)
    except UserError as error:
        raise recipe.error(("distill", "teacher"), str(error).removeprefix("weights ")) from None
    return Distillation(asked.method, temperature, weight, teacher, form, weights, seen)


def teacher_of(recipe: "Recipe") -> str | None:
    """Return the SHA-256 of the teacher's file; None: the recipe has no teacher.

    Raises:
        UserError: it is gone.
    """
    return None if recipe.distill.teacher is None else _located(recipe).sha256


def notes(plan: Plan) -> list[str]:
    """Return what to say of a plan's distillation before training, a line each."""
    distill = plan.distill
    if distill is None:
        return []
    if distill.weights is None or distill.format is None:
        return [f"{plan.model.name} and a second model, {distill.model.name}, learn together; the first is served"]
    lines = [
        f"the teacher is {distill.model.name} of {distill.weights.source}, SHA-256 {distill.weights.sha256[:12]}"
    ]
    size = distill.format.size
    if size != plan.format.training.size:
        lines.append(f"the teacher is shown the same images, resized to its own {size}x{size} pixels")
    if distill.seen not in ("", plan.data.train.digest):
        lines.append(
            "the teacher was trained on other images than this recipe trains on, or on another split of the same; "
            "scores are too good where it has seen images of the validation set (a split depends on seed)"
        )
    return lines


def _located(recipe: "Recipe") -> Weights:
    asked = recipe.distill
    return locate(str(asked.teacher), asked.sha256 or "", asked.layout or "")


def _teacher(recipe: "Recipe", classes: Sequence[str]) -> tuple[Reference, Format, Weights, str]:
    source = str(recipe.distill.teacher)
    folder = Path(source).expanduser()
    form = resolve_format(recipe)
    trained = "://" not in source and _is_of_a_run(folder)
    if not trained:
        return *_of_file(recipe, form), ""
    if recipe.distill_model is not None:
        raise UserError(f"{source}: a run says itself of which model it is; leave distill.model out")
    _refuse_unfinished(folder, source)
    weights = _located(recipe)
    _refuse_damaged(Path(weights.path))
    plan = _plan_beside(Path(weights.path))
    if plan.data.classes != tuple(classes):
        raise UserError(
            f"{source}: its model tells other classes apart than this recipe's data has: "
            f"{_listed(plan.data.classes)}, not {_listed(classes)}; name a run on data of the same classes"
        )
    if plan.format.channels != form.channels:
        raise UserError(
            f"{source}: its model takes {_colour(plan.format)} images, this recipe's are {_colour(form)}; "
            f"set input.channels = {plan.format.channels}, or name another run"
        )
    return plan.model, plan.format, weights, plan.data.train.digest


def _is_of_a_run(folder: Path) -> bool:
    return folder.is_dir() and (folder / "plan.json").is_file()


def _of_file(recipe: "Recipe", form: Format) -> tuple[Reference, Format, Weights]:
    """Return the teacher in a file of weights: of the model that the recipe names, as it was published."""
    source, named = str(recipe.distill.teacher), recipe.distill_model
    if source.endswith(".toml"):
        raise UserError(
            f"{source}: a recipe is not a trained model; give `imgcls launch {source}`, and then name the folder "
            f'of its run, as in teacher = "runs/{Path(source).stem}"'
        )
    weights = _located(recipe)
    if named is None:
        raise UserError(
            f'{source}: a file of weights does not say of which model it is; set distill.model = "NAME", one of '
            "`imgcls models`"
        )
    as_published = replace(recipe, model=named, input=Input(channels=3 if form.channels == 3 else 1))
    return Reference.of(named), resolve_format(as_published), weights


def _refuse_unfinished(folder: Path, source: str) -> None:
    """Refuse a run that is not finished, and a folder in which there is nothing to take.

    Raises:
        UserError: saying so.
    """
    run = RunFolder(folder)
    if of_checkpoint(folder) is not None or run.result.is_file():
        return
    newest = max((path.name for path in run.checkpoints.glob("step-*")), default=None)
    finish = "give the command again that began it"
    if newest is None:
        raise UserError(f"{source}: this run has no checkpoint yet; {finish}, and wait for its end")
    raise UserError(
        f"{source}: this run is not finished, and its best checkpoint would change; {finish}, or name the one "
        f'that is meant, as in teacher = "{folder / run.checkpoints.name / newest}"'
    )


def _refuse_damaged(file: Path) -> None:
    manifest = file.with_name("manifest.json")
    try:
        written = read_json(manifest)["sha256"][file.name]
        found = locate(str(file)).sha256
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{manifest}: cannot be read ({type(error).__name__}); name another checkpoint") from None
    if written != found:
        raise UserError(f"{file}: is damaged, it is not what was written; name another checkpoint or run")


def _plan_beside(file: Path) -> Plan:
    path = file.with_name("plan.json")
    try:
        return Plan.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be read, or was written by another version of imgcls: {why}") from None


def _listed(classes: Sequence[str]) -> str:
    more = f", ..., {len(classes)} in all" if len(classes) > _SHOWN else ""
    return f"({', '.join(classes[:_SHOWN])}{more})"


def _colour(form: Format) -> str:
    return "grey" if form.channels == 1 else "RGB"
