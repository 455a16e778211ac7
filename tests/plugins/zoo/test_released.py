"""Weights of other projects load as they are or through a layout, and give the answers they give there.

``released/NAME.LAYOUT.txt`` holds a model's tensors by name and shape and its logits for weights and images that
filling.py makes, as record.py wrote them down with that project.
"""

from pathlib import Path

import pytest
import torch
from tests.plugins.zoo.filling import filled, image
from tests.plugins.zoo.models import BY_NAME, QUICK, built
from torch import nn

from imgcls.component import load
from imgcls.train.layouts import converted

RELEASED = sorted((Path(__file__).parent / "released").glob("*.txt"))


def read(path):
    _, size, logits, *tensors = path.read_text().splitlines()
    shapes = {}
    for line in tensors:
        name, _, shape = line.partition(" ")
        shapes[name] = tuple(int(n) for n in shape.split("x")) if shape else ()
    return int(size.split()[1]), [float(x) for x in logits.split()[1:]], shapes


def test_there_are_released_models():
    assert RELEASED


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=() if path.stem.split(".")[0] in QUICK else pytest.mark.slow)
        for path in RELEASED
    ],
)
def test_a_released_model_loads_and_answers_as_it_does_in_its_project(path):
    name, layout = path.stem.rsplit(".", 1)
    size, expected, shapes = read(path)
    model = built(name, 1000, 3)
    state = {key: torch.from_numpy(filled(key, shape)) for key, shape in shapes.items()}
    component = BY_NAME[name]
    if layout != "own":
        known = load(component.layouts)(component.defaults)
        linear = {f"{key}.weight" for key, module in model.named_modules() if isinstance(module, nn.Linear)}
        state = converted(state, known[layout], linear)
    own = model.state_dict()
    for key, value in state.items():
        if key in own and value.shape != own[key].shape and hasattr(model, "adapted"):
            state[key] = model.adapted(key, value)
    computed = {key for key, tensor in own.items() if not tensor.is_floating_point()} | {
        key for key, buffer in model.named_buffers() if key.endswith("relative_coords_table")
    }
    assert state.keys() - computed == own.keys() - computed
    assert {key: tuple(state[key].shape) for key in state.keys() - computed} == {
        key: tuple(own[key].shape) for key in own.keys() - computed
    }
    model.load_state_dict({**state, **{key: own[key] for key in computed}})
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(image(3, size)))
    found = torch.cat((logits[0, :6], logits[1, -6:]))
    torch.testing.assert_close(found, torch.tensor(expected), rtol=2e-3, atol=2e-3 * float(logits.std()))
