from pathlib import Path

import torch
from tests.plugins.zoo.filling import filled, image
from tests.plugins.zoo.models import BY_NAME, built, on_meta
from tests.plugins.zoo.test_released import read
from torch import nn

from imgcls.component import load
from imgcls.train.layouts import converted

TIMM = Path(__file__).parent / "adapted" / "mobilenet_v3_small.timm.txt"


def test_timms_convolution_is_taken_for_the_first_fully_connected_layer():
    size, expected, shapes = read(TIMM)
    model, component = built("mobilenet_v3_small"), BY_NAME["mobilenet_v3_small"]
    state = {key: torch.from_numpy(filled(key, shape)) for key, shape in shapes.items()}
    state = converted(state, load(component.layouts)(component.defaults)["timm"], set())
    own = model.state_dict()
    for name, tensor in own.items():
        if not tensor.is_floating_point():
            state[name] = tensor
        elif state[name].shape != tensor.shape:
            state[name] = model.adapted(name, state[name])
    model.load_state_dict(state)
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(image(3, size)))
    found = torch.cat((logits[0, :6], logits[1, -6:]))
    torch.testing.assert_close(found, torch.tensor(expected), rtol=2e-3, atol=2e-3 * float(logits.std()))


def test_nothing_else_is_adapted():
    model = on_meta("mobilenet_v3_small")
    assert model.adapted("classifier.0.weight", torch.zeros(1024, 576, 3, 3)) is None
    assert model.adapted("classifier.3.weight", torch.zeros(1000, 1024, 1, 1)) is None


def test_expansions_are_the_tables_ratio_of_the_channels_there_are():
    block = on_meta("mobilenet_v3_small_x0_5").features[3].block
    assert block[0][0].weight.shape == (56, 16, 1, 1)  # 16 * 88 / 24, to a multiple of 8


def test_batch_norm_is_as_the_paper_has_it_and_an_option():
    norms = [m for m in on_meta("mobilenet_v3_large").modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(0.001, 0.01)}
    other = on_meta("mobilenet_v3_large", norm_epsilon=1e-5, norm_momentum=0.1)
    assert {(m.eps, m.momentum) for m in other.modules() if isinstance(m, nn.BatchNorm2d)} == {(1e-5, 0.1)}
