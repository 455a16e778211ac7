"""What a recipe's [distill] says that cannot be meant together."""

from collections.abc import Iterator

from imgcls.recipe.locate import KeyPath
from imgcls.recipe.schema import Distill, Train

_METHODS = '"soft", "ssld" or "dml"'


def conflicts(asked: Distill, with_model: bool, train: Train) -> Iterator[tuple[KeyPath, str]]:
    """Yield each key that does not go with the others, and what to do.

    Args:
        asked: the table, without its model.
        with_model: whether it names a model.
        train: the recipe's.
    """
    of_teacher = [key for key in ("teacher", "sha256", "layout") if getattr(asked, key) is not None]
    if asked.method is None:
        others = [key for key in ("temperature", "weight") if getattr(asked, key) is not None]
        said = [*of_teacher, *others, *(["model"] if with_model else [])]
        if said:
            yield ("distill", said[0]), f"means nothing without distill.method; set that to {_METHODS}"
    elif asked.method == "dml":
        for key in of_teacher:
            yield ("distill", key), 'dml has no teacher, two models learn; leave it out, or set method = "soft"'
        yield from _of_two_models(train)
    elif asked.teacher is None:
        yield ("distill", "teacher"), f"missing; {asked.method} needs the folder of a run, or a file of weights"
    if asked.method == "ssld" and asked.weight is not None:
        text = 'ssld learns from the teacher alone, without labels; leave it out, or set method = "soft"'
        yield ("distill", "weight"), text


def _of_two_models(train: Train) -> Iterator[tuple[KeyPath, str]]:
    if train.freeze:
        text = "dml trains a second model from random weights, of which nothing is to be frozen; leave it out"
        yield ("train", "freeze"), text
    if train.parallel == "fsdp":
        yield ("train", "parallel"), '"fsdp" does not go with distill.method = "dml"; set "ddp"'
