import pytest
import torch
from tests.plugins.zoo.models import built, count, on_meta

from imgcls import UserError

# Table 6 of arXiv:1512.03385, in millions
TABLE_6 = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}


@pytest.mark.parametrize(("depth", "millions"), TABLE_6.items())
def test_depths_have_the_papers_number_of_layers_and_parameters(depth, millions):
    model = on_meta(f"resnet{depth}_cifar")
    weights = [key for key, p in model.named_parameters() if p.ndim > 1]
    assert len(weights) == depth  # option A's shortcuts have none
    assert count(model) / 1e6 == pytest.approx(millions, rel=0.02)


def test_option_a_takes_every_second_pixel_and_adds_channels_of_zeros():
    shortcut = built("resnet20_cifar").layer2[0].downsample
    x = torch.randn(2, 16, 8, 8)
    y = shortcut(x)
    assert y.shape == (2, 32, 4, 4)
    assert torch.equal(y[:, :16], x[:, :, ::2, ::2])
    assert not y[:, 16:].any()


def test_option_b_is_a_normalised_1x1_convolution():
    model = on_meta("resnet20_cifar", shortcut="B")
    assert {key for key in model.state_dict() if "downsample.0" in key} == {
        "layer2.0.downsample.0.weight",
        "layer3.0.downsample.0.weight",
    }
    assert count(model) == 272_474


def test_the_width_of_a_group_is_the_factor_times_16_32_64():
    model = on_meta("wide_resnet28_10_cifar")
    stages = (model.layer1, model.layer2, model.layer3)
    assert [len(stage) for stage in stages] == [4, 4, 4]
    assert [stage[-1].conv2.out_channels for stage in stages] == [160, 320, 640]


def test_a_block_of_one_width_keeps_its_input_whole_and_another_projects_what_is_activated():
    model = built("wide_resnet16_8_cifar")
    for block in (model.layer1[0], model.layer1[1]):
        torch.nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 128, 8, 8)
    assert torch.equal(model.layer1[1](x), x)
    first, x = model.layer1[0].eval(), torch.randn(2, 16, 8, 8)
    torch.testing.assert_close(first(x), first.downsample(first.bn1(x).relu()))


def test_dropout_lies_between_the_convolutions_of_wide_blocks():
    model = built("wide_resnet16_8_cifar", dropout=0.3)
    assert [block.dropout.p for block in model.layer3] == [0.3, 0.3]
    block, x = model.layer1[1].train(), torch.randn(2, 128, 8, 8)
    assert not torch.equal(block(x), block(x))


@pytest.mark.parametrize(("name", "depth"), [("resnet20_cifar", 18), ("wide_resnet16_8_cifar", 28 + 1)])
def test_a_depth_that_does_not_fit_is_refused_with_one_that_does(name, depth):
    with pytest.raises(UserError, match=r"depth must be 6 n \+ [24], n > 0, such as 2[02]"):
        on_meta(name, depth=depth)
