"""What goes with an exported model: how its images are made, what its classes are called, where it is from."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from imgcls.errors import UserError
from imgcls.plan import Format, Plan
from imgcls.run_folder import RunFolder, read_json
from imgcls.train.averaged import RECORD as AVERAGED
from imgcls.train.served import Served

KEY = "imgcls"  # under which a file's metadata has the description, as JSON
INPUT, OUTPUT = "images", "logits"
_LAYOUT = 1  # of the description; a change that readers must know of makes it 2


def describe(served: Served, deployed: bool, batch_size: int | None) -> dict[str, Any]:
    """Return the description, of what JSON can hold.

    Args:
        served: the model.
        deployed: whether what is exported is its ``for_inference()``.
        batch_size: that is the only one it takes; None: any.

    Raises:
        UserError: the file of weights is not the one that its checkpoint's manifest lists.
    """
    plan, file = served.plan, served.file.absolute()
    size = "batch" if batch_size is None else batch_size
    found = {
        "layout": _LAYOUT,
        "imgcls": version("imgcls"),
        "run": plan.name,
        "model": {"name": plan.model.name, "options": dict(plan.model.options), "deployed": deployed},
        "input": {"name": INPUT, "dtype": "float32", "shape": _shape(size, plan.format)},
        "output": {"name": OUTPUT, "dtype": "float32", "shape": [size, len(plan.data.classes)]},
        "preprocessing": preprocessing(plan.format),
        "eval_flip": plan.train.eval_flip,
        "classes": list(plan.data.classes),
        "weights": _weights(file),
        "recipe": _recipe(file),
        "versions": plan.versions,
    }
    back: dict[str, Any] = json.loads(json.dumps(found))  # as whoever reads it will get it: tuples are lists
    return back


def _shape(batch: int | str, form: Format) -> list[int | str]:
    return [batch, form.channels, form.size, form.size]


def preprocessing(form: Format) -> dict[str, Any]:
    """Return the values of a model's input, and in words what is done with them, step by step."""
    colours = "grey (of a colour JPEG: its luma)" if form.channels == 1 else "RGB"
    resize = (
        f"make the shorter side {form.eval_resize} pixels (eval_resize), the longer one floor(eval_resize * "
        f"longer / shorter), as Pillow's Image.resize does, antialiased, {form.interpolation} (interpolation)"
    )
    crop = f"cut out {form.size} x {form.size} pixels (size), from round((side - size) / 2) on, half to even"
    return {
        "size": form.size,
        "channels": form.channels,
        "mean": list(form.mean),
        "std": list(form.std),
        "eval_resize": form.eval_resize,
        "interpolation": form.interpolation,
        "steps": [
            "decode the first picture, upright as EXIF says, no alpha; 16 bits become 8 by x / 257, rounded",
            f"make it {colours}, uint8",
            resize,
            crop,
            "divide by 255, subtract mean, divide by std, channel by channel: float32",
            "order as (channels, height, width)",
        ],
    }


def _weights(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    manifest = file.with_name("manifest.json")
    try:
        listed = read_json(manifest)["sha256"][file.name]
    except FileNotFoundError:
        listed = sha256  # the folder has been copied without it
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{manifest}: cannot be read, or does not list {file.name}: {error}") from None
    if listed != sha256:
        raise UserError(f"{file}: is damaged: it is not what was written; export another checkpoint of the run")
    return {"file": f"{file.parent.name}/{file.name}", "sha256": sha256, "averaged": file.stem == "ema"}


def _recipe(weights: Path) -> str | None:
    """Return the text of the run's recipe, where the checkpoint lies in the run's folder; an average may, too."""
    folder = weights.parent.parent
    if weights.with_name(AVERAGED).is_file():
        recipe = RunFolder(folder).recipe
    elif folder.name == RunFolder(folder.parent).checkpoints.name:
        recipe = RunFolder(folder.parent).recipe
    else:
        return None
    return recipe.read_text(encoding="utf-8") if recipe.is_file() else None


def summary_of(plan: Plan, batch_size: int | None) -> str:
    """Return what goes in and comes out, in a few words."""
    size = "batch" if batch_size is None else batch_size
    shape = ", ".join(str(side) for side in _shape(size, plan.format))
    return f"{INPUT} float32 ({shape}) -> {OUTPUT} float32 ({size}, {len(plan.data.classes)})"
