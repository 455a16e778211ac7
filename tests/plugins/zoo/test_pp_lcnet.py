import torch
from tests.plugins.zoo.models import built

from imgcls_zoo.blocks import UnscaledDropout


def test_dropout_scales_the_evaluation_and_not_the_training():
    dropout = UnscaledDropout(0.2)
    ones = torch.ones(100_000)
    torch.testing.assert_close(dropout.eval()(ones), 0.8 * ones)
    torch.manual_seed(0)
    dropped = dropout.train()(ones)
    kept = dropped > 0
    torch.testing.assert_close(dropped[kept], ones[kept])
    assert 0.79 < float(kept.float().mean()) < 0.81


def test_the_dropout_of_the_options_is_the_heads():
    assert built("pp_lcnet_x0_25", 10, 3).dropout.p == 0.2
    assert built("pp_lcnet_x0_25", 10, 3, dropout=0.0).dropout.p == 0


def test_squeeze_and_excitation_is_in_the_last_stage_alone():
    stages = built("pp_lcnet_x0_25", 10, 3).blocks
    found = [[hasattr(block.se, "gate") for block in stage] for stage in stages]
    assert found == [[False], [False] * 2, [False] * 2, [False] * 2, [False] * 4, [True] * 2]
    assert [stage[0].conv_dw.stride[0] for stage in stages] == [1, 2, 2, 2, 1, 2]
    assert [block.conv_dw.kernel_size[0] for block in stages[3]] == [3, 5]


def test_convolutions_start_by_their_fan_in():
    block = built("pp_lcnet_x2_5", 10, 3).blocks[5][1]
    weight = block.conv_pw.weight.detach()
    assert abs(float(weight.std()) * (weight[0].numel() / 2) ** 0.5 - 1) < 0.02
    assert not block.se.conv_reduce.bias.any()
