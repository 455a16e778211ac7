"""A trained model -> a file that other programs run: safetensors, ONNX, torch.export."""

import importlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from imgcls.errors import UserError
from imgcls.plan import Plan
from imgcls.train import build
from imgcls.train.description import INPUT, KEY, OUTPUT
from imgcls.train.served import Served, load_served

To = Literal["safetensors", "onnx", "torch-export"]
Run = Callable[[Tensor], Tensor]  # float32 (n, channels, size, size) -> float32 (n, classes)
SUFFIX: Mapping[To, str] = {"safetensors": ".safetensors", "onnx": ".onnx", "torch-export": ".pt2"}
_EXTRA = "imgcls.json"  # the description's file within torch.export's archive
_ONNX = ("onnx", "onnxscript", "onnxruntime")
_MOST = 2**31 - 2**20  # bytes of weights that an ONNX file can hold, with something left for the graph


def require(to: To) -> None:
    """Make sure that the packages are there that a form needs.

    Raises:
        UserError: one is missing, or does not load.
    """
    for name in _ONNX if to == "onnx" else ():
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(
                f"--to onnx needs {', '.join(_ONNX)}: {error}; install them with pip install 'imgcls[onnx]'"
            ) from None


def load(path: Path) -> Served:
    """Return the model of a run's folder or a checkpoint's, on the CPU, which every reader of a file has.

    Raises:
        UserError: there is none, or it is damaged.
    """
    return load_served(path, torch.device("cpu"))


def deployed(model: nn.Module) -> nn.Module | None:
    """Return the network to deploy in a model's stead, on the CPU in evaluation mode; None: the model itself."""
    make: Callable[[], nn.Module] | None = getattr(model, "for_inference", None)
    return None if make is None else make().eval()


def write(
    model: nn.Module, to: To, file: Path, plan: Plan, description: Mapping[str, Any], batch_size: int | None
) -> None:
    """Write a model on the CPU to a file.

    Args:
        model: in evaluation mode; for onnx and torch-export the network to deploy.
        to: the form.
        file: its name ends as the form wants it; overwritten.
        plan: of the run.
        description: goes into the file's metadata, as JSON under the key ``imgcls``.
        batch_size: the only one that it will take; None: any. Of no account for safetensors.

    Raises:
        UserError: the model cannot be put into this form.
        OSError: the file cannot be written.
    """
    text = json.dumps(description)
    file.touch()
    mode = file.stat().st_mode  # as the user's other files; safetensors would let nobody else read it
    if to == "safetensors":
        # copies, because tensors that share memory are refused
        tensors = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}
        with _writing():
            save_file(tensors, file, {"format": "pt", KEY: text})
        file.chmod(mode)
        return
    with _quiet():
        program = _program(model, plan, batch_size)
        if to == "torch-export":
            with _writing():
                torch.export.save(program, file, extra_files={_EXTRA: text})
            return
        made = _onnx(program, plan, batch_size)
        made.model.metadata_props[KEY] = text
        made.save(file, external_data=False)


@contextmanager
def _writing() -> Iterator[None]:
    """Make an OSError of what safetensors and torch raise for one, such as a full disk."""
    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        raise OSError(_first_line(error)) from error


def _program(model: nn.Module, plan: Plan, batch_size: int | None) -> torch.export.ExportedProgram:
    form = plan.format
    # 2: torch takes a batch of one for a constant
    images = torch.zeros(batch_size or 2, form.channels, form.size, form.size)
    sizes = ({0: torch.export.Dim("batch", min=1)},) if batch_size is None else None
    try:
        with torch.no_grad():
            program = torch.export.export(model, (images,), dynamic_shapes=sizes)
    except Exception as error:
        advice = "--to safetensors" if batch_size else "--batch-size N, or --to safetensors"
        raise UserError(
            f"model {plan.model.name}: torch.export cannot follow what it does: {_first_line(error)}; try {advice}"
        ) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names of this machine's folders, which are nobody else's business
    return program


def _onnx(program: torch.export.ExportedProgram, plan: Plan, batch_size: int | None) -> torch.onnx.ONNXProgram:
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > _MOST:
        raise UserError(
            f"model {plan.model.name}: has {size / 2**30:.2f} GiB of weights, and an ONNX file holds at most 2 "
            "GiB; use --to torch-export or --to safetensors"
        )
    try:
        made = torch.onnx.export(
            program,
            (),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: "batch"},) if batch_size is None else None,
            verbose=False,
        )
    except Exception as error:
        raise UserError(
            f"model {plan.model.name}: cannot be put into ONNX's operators: {_first_line(error)}; "
            "try --to torch-export"
        ) from error
    assert made is not None
    return made


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's exporters from talking of their own affairs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def load_again(to: To, file: Path, plan: Plan) -> Run:
    """Return the function that an exported file is, run as those who get it will run it, on the CPU.

    Raises:
        RuntimeError: the file cannot be loaded.
    """
    if to == "safetensors":
        fresh = build.model(plan, torch.device("cpu")).eval()
        fresh.load_state_dict(load_file(file))
        return fresh
    if to == "torch-export":
        with _quiet():
            module: Run = torch.export.load(file).module()
        return module
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])


def description_in(to: To, file: Path) -> dict[str, Any]:
    """Return the description that an exported file carries.

    Raises:
        KeyError: it carries none.
    """
    if to == "safetensors":
        with safe_open(file, "pt") as opened:
            text = opened.metadata()[KEY]
    elif to == "torch-export":
        extra = {_EXTRA: ""}
        with _quiet():
            torch.export.load(file, extra_files=extra)
        text = extra[_EXTRA]
    else:
        import onnxruntime

        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map[KEY]
    found: dict[str, Any] = json.loads(text)
    return found


def runner_of(to: To) -> str:
    """Return what ran the file, in words."""
    if to == "onnx":
        return f"onnxruntime {version('onnxruntime')}"
    return f"torch {version('torch')}"
