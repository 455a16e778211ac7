import math

import pytest
import torch
from tests.plugins.zoo.filling import filled, image
from tests.plugins.zoo.models import BY_NAME, built

from imgcls_zoo.blocks import DropPath, SameConv2d
from imgcls_zoo.efficientnet_stages import plan

# torchvision 0.29's efficientnet_b0, filled by filling.py but with variances halved, so that the image matters, for
# its images of 64 pixels: logits of the first image's first six classes and of the second's last six
TORCHVISION = [
    *(-157.26, 249.49, 184.86, -147.23, -335.66, -22.609),
    *(-6.6144, -71.894, 246.97, -375.46, -158.4, 377.49),
]


def answers(**options):
    model = built("efficientnet_b0", 1000, 3, **options).eval()
    state = model.state_dict()
    for key, tensor in state.items():
        if tensor.is_floating_point():
            factor = 0.5 if key.endswith("running_var") else 1
            state[key] = torch.from_numpy(filled(key, tuple(tensor.shape))) * factor
    model.load_state_dict(state)
    with torch.no_grad():
        logits = model(torch.from_numpy(image(3, 64)))
    return torch.cat((logits[0, :6], logits[1, -6:]))


def test_the_options_reach_torchvisions_network():
    expected = torch.tensor(TORCHVISION)
    found = answers(padding="symmetric", batch_norm_epsilon=1e-5)
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=0.5)
    for own in ({"batch_norm_epsilon": 1e-5}, {"padding": "symmetric"}):
        assert (answers(**own) - expected).abs().max() > 2.5


@pytest.mark.parametrize(
    ("name", "stem", "widths", "depths", "head"),
    [
        ("efficientnet_b0", 32, (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), 1280),
        ("efficientnet_b7", 64, (32, 48, 80, 160, 224, 384, 640), (4, 7, 7, 10, 10, 13, 4), 2560),
        # 16 * 1.2 is rounded down by more than 10 %, which the first version would not do
        ("efficientnet_v2_b3", 40, (16, 40, 56, 112, 136, 232), (2, 3, 3, 5, 7, 12), 1536),
    ],
)
def test_compound_scaling(name, stem, widths, depths, head):
    found = plan(BY_NAME[name].defaults)
    assert (found.stem, found.head) == (stem, head)
    assert tuple(stage.width for stage in found.stages) == widths
    assert tuple(stage.depth for stage in found.stages) == depths


def test_stochastic_depth_rises_over_the_blocks_and_never_reaches_its_last_value():
    model = built("efficientnet_b0", 10, 3, drop_path=0.32)
    rates = [module.probability for module in model.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.32 * i / 16 for i in range(16)])


def test_tensorflows_padding_is_that_of_strided_convolutions_alone():
    def strided(padding):
        model = built("efficientnet_b0", 10, 3, padding=padding)
        return [module.stride for module in model.modules() if isinstance(module, SameConv2d)]

    assert strided("same") == [(2, 2)] * 5
    assert strided("symmetric") == []


def test_convolutions_begin_with_the_fan_out_of_a_filter_and_the_classifier_with_that_of_the_classes():
    model = built("efficientnet_b0", 100, 3).requires_grad_(False)
    depthwise = model.features[6][1].block[1][0]
    assert depthwise.groups > 1
    assert float(depthwise.weight.std()) == pytest.approx(math.sqrt(2 / 25), rel=0.02)
    assert float(model.features[8][0].weight.std()) == pytest.approx(math.sqrt(2 / 1280), rel=0.02)
    assert 0.099 < float(model.classifier[1].weight.abs().max()) <= 0.1
    assert not model.classifier[1].bias.any()


def test_batch_normalisation_and_dropout_are_as_asked():
    model = built("efficientnet_v2_b0", 10, 3, batch_norm_epsilon=0.5, batch_norm_momentum=0.25, dropout=0.75)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(0.5, 0.25)}
    assert model.classifier[0].p == 0.75
