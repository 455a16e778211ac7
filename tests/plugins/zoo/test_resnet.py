import pytest
import torch
from tests.plugins.zoo.models import BY_NAME, built, count, on_meta

from imgcls import UserError
from imgcls.component import load
from imgcls.train.layouts import renamed

# as published by torchvision, at 1,000 classes and three channels
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}


@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_resnets_have_torchvisions_number_of_parameters(name, expected):
    assert count(on_meta(name)) == expected


def test_the_stride_of_a_bottleneck_is_the_3x3s():
    block = on_meta("resnet50").layer2[0]
    assert (block.conv1.stride, block.conv2.stride, block.conv3.stride) == ((1, 1), (2, 2), (1, 1))


def test_zero_init_residual_starts_each_block_as_the_identity():
    model = built("resnet50", 10, 3, zero_init_residual=True).train()
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        for block in stage:
            assert torch.equal(block.bn3.weight, torch.zeros_like(block.bn3.weight))
    x = torch.randn(2, 256, 8, 8).relu()
    assert torch.equal(model.layer1[1](x), x)
    ones = built("resnet50", 10, 3)
    assert torch.equal(ones.layer1[1].bn3.weight, torch.ones(256))


def test_dropout_acts_in_training_only():
    model = built("resnet18", 10, 3, dropout=0.5)
    assert model.dropout.p == 0.5
    model.eval()
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(model(images), model(images))


def test_drop_path_rises_from_nothing_to_the_last_block():
    model = built("resnet18", 10, 3, drop_path=0.7)
    stages = (model.layer1, model.layer2, model.layer3, model.layer4)
    rates = [getattr(block.drop_path, "probability", 0) for stage in stages for block in stage]
    assert rates == pytest.approx([i / 10 for i in range(8)])


def test_a_pooled_shortcut_is_the_mean_of_four_pixels_and_a_1x1():
    pool, conv, _ = built("resnet18_vd", 10, 3).layer2[0].downsample
    assert (conv.kernel_size, conv.stride) == ((1, 1), (1, 1))
    x = torch.randn(1, 64, 5, 5)
    assert pool(x)[0, 0, 0, 0] == pytest.approx(x[0, 0, :2, :2].mean().item(), abs=1e-6)
    assert pool(x)[0, 0, 2, 2] == x[0, 0, 4, 4]  # as many pixels as the branch has, where the size is odd


def test_images_of_odd_sizes_pass_a_pooled_shortcut():
    assert on_meta("resnet50_vd").eval()(torch.zeros(1, 3, 101, 75, device="meta")).shape == (1, 1000)


def test_strided_1x1_moves_the_stride_of_every_stage_that_has_one():
    model = on_meta("resnet50", strided="1x1")
    for stage in (model.layer2, model.layer3, model.layer4):
        assert (stage[0].conv1.stride, stage[0].conv2.stride) == ((2, 2), (1, 1))


def test_senet154_halves_its_first_convolutions_and_has_3x3_shortcuts_after_stage_1():
    model = on_meta("senet154")
    block = model.layer2[0]
    assert (block.conv1.out_channels, block.conv2.out_channels, block.conv2.groups) == (256, 512, 64)
    kernels = [stage[0].downsample[0].kernel_size for stage in (model.layer1, model.layer2, model.layer4)]
    assert kernels == [(1, 1), (3, 3), (3, 3)]
    assert model.dropout.p == 0.2


def test_a_squeeze_weighs_the_branch_and_not_the_shortcut():
    block = built("se_resnet18", 10, 3).layer1[1].eval()
    torch.nn.init.constant_(block.se.fc2.bias, -1e4)  # a gate of zero
    x = torch.randn(2, 64, 8, 8).relu()
    assert torch.equal(block(x), x)


def test_projected_first_is_what_paddles_resnet18_has_more():
    assert count(on_meta("resnet18", projected_first=True)) == 11_689_512 + 64 * 64 + 2 * 64


def test_options_of_bottlenecks_are_refused_for_basic_blocks():
    with pytest.raises(UserError, match="are of bottlenecks"):
        on_meta("resnet18", groups=32)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("_conv_stem._bn._mean", "bn1.running_mean"),
        ("_conv3_22._conv1._conv.weight", "layer3.22.conv2.weight"),
        ("_conv2_0._short._conv._bn.weight", "layer2.0.downsample.1.weight"),
        ("_out.bias", "fc.bias"),
    ],
)
def test_paddles_names_of_the_weakly_supervised(theirs, ours):
    component = BY_NAME["resnext101_32x8d_wsl"]
    assert renamed(theirs, load(component.layouts)(component.defaults)["paddle"]) == ours
