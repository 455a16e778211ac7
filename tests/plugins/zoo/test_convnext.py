import torch
from tests.plugins.zoo.models import BY_NAME, built, on_meta
from tests.plugins.zoo.test_released import RELEASED, read

from imgcls.component import load
from imgcls.train.layouts import renamed


def test_a_block_starts_as_all_but_the_identity():
    block = built("convnext_tiny", drop_path=0.0).features[1][0]
    x = torch.randn(1, 96, 8, 8)
    change = (block(x) - x).abs().max()
    assert 0 < change < 1e-5
    torch.nn.init.ones_(block.layer_scale)
    torch.testing.assert_close(block(x) - x, block.block(x))


def test_blocks_are_dropped_at_rates_that_rise_over_all_stages():
    model = on_meta("convnext_base")
    rates = [block.stochastic_depth.probability for stage in (1, 3, 5, 7) for block in model.features[stage]]
    assert len(rates) == 36
    assert rates[0] == 0
    assert rates[-1] == 0.5
    assert rates == sorted(set(rates))


def test_the_first_classifier_is_as_small_as_asked():
    usual, small = built("convnext_tiny", 10), built("convnext_tiny", 10, head_init_scale=0.001)
    torch.testing.assert_close(usual.classifier[2].weight * 0.001, small.classifier[2].weight)
    assert torch.equal(usual.features[0][0].weight, small.features[0][0].weight)


def test_the_authors_names_are_those_of_paddles_files():
    model = on_meta("convnext_tiny")
    (path,) = (path for path in RELEASED if path.stem == "convnext_tiny.paddle")
    layout = load(BY_NAME["convnext_tiny"].layouts)(BY_NAME["convnext_tiny"].defaults)["authors"]
    assert {renamed(name, layout) for name in read(path)[2]} == model.state_dict().keys()


def test_a_layer_scale_of_one_axis_is_adapted_and_nothing_else():
    model = on_meta("convnext_tiny")
    name = "features.1.0.layer_scale"
    assert model.adapted(name, torch.arange(96.0)).shape == (96, 1, 1)
    assert model.adapted(name, torch.zeros(192)) is None
    assert model.adapted("features.0.1.weight", torch.zeros(48)) is None
