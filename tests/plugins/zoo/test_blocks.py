import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from imgcls_zoo.blocks import (
    Attention,
    ConvNormAct,
    DropPath,
    LayerNorm2d,
    Mlp,
    PatchEmbedding,
    SameConv2d,
    SqueezeExcite,
    attend,
    drop_path_rates,
    kaiming_normal_fan_out,
    make_divisible,
    resized_positions,
    truncated_normal,
    zero_init,
)


def tensorflows_padding(size, kernel, stride, dilation):
    """Before and after, as TensorFlow's documentation of SAME says it."""
    reach = (kernel - 1) * dilation + 1
    whole = max(reach - stride, 0) if size % stride == 0 else max(reach - size % stride, 0)
    return whole // 2, whole - whole // 2


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (13, 10), (3, 5)])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (5, 2, 1), (5, 3, 1), (3, 2, 2), (1, 2, 1), (2, 2, 1)]
)
def test_same_convolution_pads_as_tensorflow(size, kernel, stride, dilation):
    conv = SameConv2d(2, 3, kernel, stride, dilation=dilation)
    x = torch.randn(1, 2, *size)
    rows, columns = (tensorflows_padding(length, kernel, stride, dilation) for length in size)
    padded = torch.zeros(1, 2, size[0] + sum(rows), size[1] + sum(columns))
    padded[:, :, rows[0] : rows[0] + size[0], columns[0] : columns[0] + size[1]] = x
    expected = functional.conv2d(padded, conv.weight, conv.bias, stride, 0, dilation)
    assert expected.shape[2:] == tuple(-(-length // stride) for length in size)
    torch.testing.assert_close(conv(x), expected)


def test_same_convolution_of_an_even_size_lies_further_down_than_the_symmetric():
    conv = SameConv2d(1, 1, 3, 2, bias=False)
    nn.init.zeros_(conv.weight)
    conv.weight.data[0, 0, 0, 0] = 1  # takes the pixel that its window starts at
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert conv(x).flatten().tolist() == [0, 2, 8, 10]


def test_conv_norm_act_is_its_three_parts_under_their_names():
    block = ConvNormAct(3, 8, 3, 2, groups=1, activation=nn.SiLU, names=("conv", "bn", "act")).eval()
    assert [name for name, _ in block.named_children()] == ["conv", "bn", "act"]
    assert block.conv.bias is None
    assert not block.act.inplace  # autograd would copy its input
    assert ConvNormAct(3, 8)[2].inplace
    x = torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(block(x), functional.silu(block.bn(block.conv(x))))
    assert block(x).shape == (2, 8, 5, 5)


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (5, 1), (3, 2), ((1, 7), 1)])
def test_conv_norm_act_keeps_the_size_at_a_stride_of_1(kernel, dilation):
    block = ConvNormAct(2, 2, kernel, dilation=dilation, norm=None, activation=None)
    assert block[0].bias is not None
    assert len(block) == 1
    assert block(torch.zeros(1, 2, 10, 12)).shape == (1, 2, 10, 12)


@pytest.mark.parametrize(
    ("value", "expected"),
    # MobileNetV2's layers by width multipliers, and MobileNetV3's squeezed channels
    [
        (32 * 1.4, 48),
        (16 * 1.4, 24),
        (24 * 1.4, 32),
        (1280 * 1.4, 1792),
        (24 * 0.75, 24),
        (32 * 0.35, 16),
        (16 * 0.35, 8),
        (72 / 4, 24),
        (120 / 4, 32),
        (480 / 4, 120),
        (960 / 4, 240),
    ],
)
def test_widths_are_those_of_the_mobilenets(value, expected):
    assert make_divisible(value) == expected


def test_widths_never_lose_a_tenth():
    assert all(make_divisible(value) >= 0.9 * value for value in range(1, 400))
    assert make_divisible(3, least=16) == 16
    assert make_divisible(10, divisor=4) == 12


def test_drop_path_drops_whole_samples_and_keeps_the_expectation():
    torch.manual_seed(0)
    block = DropPath(0.25).train()
    x = torch.ones(40_000, 2, 3)
    y = block(x)
    assert y.unique().tolist() == pytest.approx([0, 1 / 0.75])
    samples = y.flatten(1)
    assert (samples == samples[:, :1]).all()
    # four standard deviations of a binomial's share
    assert (samples[:, 0] == 0).float().mean().item() == pytest.approx(
        0.25, abs=4 * math.sqrt(0.25 * 0.75 / 40_000)
    )
    assert y.mean().item() == pytest.approx(1, abs=0.02)


def test_drop_path_is_the_identity_in_evaluation_and_at_zero():
    x = torch.randn(4, 3)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0).train()(x) is x


def test_drop_path_rates_rise_linearly():
    assert drop_path_rates(0.3, 4) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert drop_path_rates(0.3, 1) == [0]


def test_squeeze_excite_weighs_channels():
    block = SqueezeExcite(6, 2, nn.SiLU, nn.Hardsigmoid, names=("reduce", "expand"))
    assert {name for name, _ in block.named_parameters()} == {
        "reduce.weight",
        "reduce.bias",
        "expand.weight",
        "expand.bias",
    }
    x = torch.randn(3, 6, 4, 5)
    first, second = block.reduce, block.expand
    means = x.flatten(2).mean(2)
    squeezed = functional.silu(means @ first.weight[:, :, 0, 0].T + first.bias)
    scale = functional.hardsigmoid(squeezed @ second.weight[:, :, 0, 0].T + second.bias)
    torch.testing.assert_close(block(x), x * scale[:, :, None, None])


@pytest.mark.parametrize("bias", [None, (1, 1, 5, 5), (1, 3, 5, 5), (2, 3, 5, 5)])
def test_attend_is_the_softmax_of_scaled_products_and_bias(bias):
    qkv = torch.randn(2, 5, 3 * 12)
    bias = None if bias is None else torch.randn(bias)
    query, key, value = (part.view(2, 5, 3, 4).transpose(1, 2) for part in qkv.split(12, -1))
    scores = query @ key.transpose(2, 3) / 2  # the root of 4, the width of a head
    scores = scores if bias is None else scores + bias
    expected = (scores.softmax(-1) @ value).transpose(1, 2).reshape(2, 5, 12)
    torch.testing.assert_close(attend(qkv, 3, bias), expected, rtol=1e-4, atol=1e-5)


def test_attention_projects_before_and_after_and_drops_scores_in_training_alone():
    block = Attention(12, 3, qkv_bias=False, attention_dropout=0.5)
    assert block.qkv.bias is None
    x = torch.randn(2, 5, 12)
    expected = block.proj(attend(block.qkv(x), 3))
    torch.testing.assert_close(block.eval()(x), expected)
    assert not torch.allclose(block.train()(x), expected)


def test_mlp_is_two_layers_under_their_names():
    block = Mlp(4, 8, nn.ReLU, names=("0", "3"))
    state = block.state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == {
        "0.weight": (8, 4),
        "0.bias": (8,),
        "3.weight": (4, 8),
        "3.bias": (4,),
    }
    x = torch.randn(2, 5, 4)
    expected = (x @ state["0.weight"].T + state["0.bias"]).relu() @ state["3.weight"].T + state["3.bias"]
    torch.testing.assert_close(block(x), expected)


def test_layer_norm_2d_is_layer_norm_over_channels():
    block = LayerNorm2d(6, eps=1e-3)
    nn.init.normal_(block.weight)
    nn.init.normal_(block.bias)
    x = torch.randn(2, 6, 3, 4)
    for pixel in ((0, 0), (2, 3)):
        channels = x[:, :, *pixel]
        centred = channels - channels.mean(1, keepdim=True)
        expected = (
            centred / (channels.var(1, correction=0, keepdim=True) + 1e-3).sqrt() * block.weight + block.bias
        )
        torch.testing.assert_close(block(x)[:, :, *pixel], expected)


def test_patches_become_tokens_row_by_row():
    block = PatchEmbedding(1, 1, 2)
    nn.init.constant_(block.proj.weight, 0.25)  # means
    nn.init.zeros_(block.proj.bias)
    image = torch.arange(6.0).view(1, 1, 2, 3).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert block(image).shape == (1, 6, 1)
    assert block(image).flatten().tolist() == [0, 1, 2, 3, 4, 5]


def test_positions_of_the_same_grid_are_left_as_they_are():
    embedding = torch.randn(1, 2 + 9, 4)
    assert resized_positions(embedding, 3, 3, 2) is embedding


def test_positions_are_interpolated_over_the_grid_and_kept_before_it():
    across = torch.arange(8.0).repeat(8, 1)  # a ramp from left to right
    embedding = torch.cat((torch.full((1, 1, 1), 99.0), across.view(1, 64, 1)), 1)
    resized = resized_positions(embedding, 4, 16, 1)
    assert resized.shape == (1, 1 + 4 * 16, 1)
    assert resized[0, 0, 0] == 99
    grid = resized[0, 1:, 0].view(4, 16)
    torch.testing.assert_close(grid, grid[:1].expand(4, 16))
    inner = (torch.arange(16) + 0.5) / 2 - 0.5  # centres of the new columns among the old
    # bicubic weights keep a constant, and a ramp to a twentieth of a step
    torch.testing.assert_close(grid[0, 4:-4], inner[4:-4], rtol=0, atol=0.05)
    assert resized_positions(embedding.bfloat16(), 4, 4, 1).dtype == torch.bfloat16


def test_kaiming_start_is_by_the_fan_out():
    model = nn.Sequential(nn.Conv2d(64, 128, 3), nn.Conv2d(64, 64, 5, groups=4), nn.Linear(10, 10))
    linear = model[2].weight.clone()
    kaiming_normal_fan_out(model)
    assert model[0].weight.std().item() == pytest.approx(math.sqrt(2 / (128 * 9)), rel=0.02)
    assert model[1].weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 25)), rel=0.03)
    assert not model[0].bias.any()
    assert torch.equal(model[2].weight, linear)


def test_truncated_normal_start():
    model = nn.Sequential(nn.Linear(200, 300), nn.Conv2d(8, 16, 7), nn.LayerNorm(3))
    truncated_normal(model, 0.05)
    assert model[0].weight.std().item() == pytest.approx(0.05, rel=0.02)
    assert model[1].weight.std().item() == pytest.approx(0.05, rel=0.05)
    assert abs(model[0].weight.mean().item()) < 0.001
    assert not model[0].bias.any()
    assert not model[1].bias.any()
    assert model[2].weight.eq(1).all()


def test_zero_init_ends_a_branch_as_nothing():
    norm = nn.BatchNorm2d(4)
    zero_init(norm)
    assert not norm(torch.randn(2, 4, 3, 3)).any()
