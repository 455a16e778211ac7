"""Writes down what another project's model answers, for test_released.py. Not run by the tests.

    python tests/plugins/zoo/record.py OURS LAYOUT REFERENCE [--size 64]

in an environment that has the other project: torchvision, timm or, with its clone in $PADDLECLAS, paddle.
REFERENCE is ``torchvision:resnet50``, ``timm:resnet50d`` or ``paddle:legendary_models.resnet:ResNet50``; LAYOUT is
``own`` where its names are ours, else the key in the family's layouts. The model is filled by filling.py, and
its tensors' names and shapes and its logits for one batch go to released/OURS.LAYOUT.txt.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from filling import filled, image

# buffers that a model computes for itself
COMPUTED = ("relative_coords_table", "num_batches_tracked", "attn_mask")


def torch_model(project, name):
    import torch

    if project == "torchvision":
        import torchvision

        keys = {"aux_logits": True, "init_weights": False} if "inception" in name or name == "googlenet" else {}
        model, version = torchvision.models.get_model(name, **keys), f"torchvision {torchvision.__version__}"
    else:
        import timm

        model, version = timm.create_model(name), f"timm {timm.__version__}"
    state = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    whole = {
        key: tensor
        for key, tensor in model.state_dict().items()
        if not tensor.is_floating_point() or key.endswith(COMPUTED)
    }
    tensors = {key: torch.from_numpy(filled(key, shape)) for key, shape in state.items() if key not in whole}
    model.load_state_dict({**tensors, **whole})
    model.eval()

    def answer(images):
        with torch.no_grad():
            return model(torch.from_numpy(images)).numpy()

    return state, answer, version


def paddle_model(path):
    sys.path.insert(0, os.environ["PADDLECLAS"])
    import paddle
    from ppcls.utils import logger

    logger.init_logger()
    module, name = path.split(":")
    model = getattr(importlib.import_module(f"ppcls.arch.backbone.{module}"), name)()
    own = model.state_dict()
    state = {key: tuple(tensor.shape) for key, tensor in own.items()}
    whole = {
        key: tensor for key, tensor in own.items() if not tensor.is_floating_point() or key.endswith(COMPUTED)
    }
    tensors = {key: paddle.to_tensor(filled(key, shape)) for key, shape in state.items() if key not in whole}
    model.set_state_dict({**tensors, **whole})
    model.eval()

    def answer(images):
        with paddle.no_grad():
            return model(paddle.to_tensor(images)).numpy()

    return state, answer, f"PaddleClas 2024-10-18 on paddle {paddle.__version__}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ours", "layout", "reference"):
        parser.add_argument(name)
    parser.add_argument("--size", type=int, default=64)
    asked = parser.parse_args()
    project, _, name = asked.reference.partition(":")
    state, answer, version = paddle_model(name) if project == "paddle" else torch_model(project, name)
    logits = answer(image(3, asked.size))
    lines = [
        f"# {asked.reference}, {version}",
        f"size {asked.size}",
        "logits " + " ".join(f"{x:.6g}" for x in np.concatenate((logits[0, :6], logits[1, -6:]))),
        *(f"{key} {'x'.join(map(str, shape))}".rstrip() for key, shape in state.items()),
    ]
    target = Path(__file__).parent / "released" / f"{asked.ours}.{asked.layout}.txt"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines) + "\n")
    print(target, *lines[:3], f"{len(state)} tensors, deviation {logits.std():.3g}", sep="\n")


if __name__ == "__main__":
    main()
