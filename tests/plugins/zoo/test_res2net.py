import dataclasses

import pytest
import torch
from tests.plugins.zoo.models import BY_NAME, on_meta

from imgcls.component import load
from imgcls.train.layouts import renamed
from imgcls_zoo.catalog.res2net import Res2Net as Options
from imgcls_zoo.res2net import Bottle2neck

OPTIONS = Options(layers=(1, 1, 1, 1), width=16, scale=4)


@pytest.mark.parametrize("first", [True, False])
def test_groups_are_chained_but_in_a_stages_first_block(first):
    torch.manual_seed(0)
    block = Bottle2neck(256, 64, 1, first, OPTIONS).eval()
    x = torch.randn(2, 256, 6, 6)
    with torch.no_grad():
        a, b, c, d = block.bn1(block.conv1(x)).relu().chunk(4, 1)
        step = [lambda y, i=i: block.bns[i](block.convs[i](y)).relu() for i in range(3)]
        if first:
            parts = [step[0](a), step[1](b), step[2](c), torch.nn.functional.avg_pool2d(d, 3, 1, 1)]
            shortcut = block.downsample(x)
        else:
            parts = [step[0](a)]
            parts += [step[1](b + parts[0])]
            parts += [step[2](c + parts[1]), d]
            shortcut = x
        expected = (block.bn3(block.conv3(torch.cat(parts, 1))) + shortcut).relu()
        torch.testing.assert_close(block(x), expected)


def test_paddleclas_chains_the_very_first_block_too_and_averages_without_padding():
    theirs = dataclasses.replace(OPTIONS, details="paddle")
    assert Bottle2neck(64, 64, 1, True, theirs).chained
    strided = Bottle2neck(64, 64, 2, True, theirs)
    assert not strided.chained
    assert not strided.pool.count_include_pad
    assert Bottle2neck(64, 64, 2, True, OPTIONS).pool.count_include_pad


def test_paddleclas_files_are_for_a_network_with_its_details():
    component = BY_NAME["res2net50_26w_4s"]
    assert load(component.layouts)(component.defaults) == {}
    layout = load(component.layouts)(dataclasses.replace(component.defaults, details="paddle"))["paddle"]
    names = {
        "conv1._conv.weight": "conv1.weight",
        "conv1._batch_norm._mean": "bn1.running_mean",
        "bb_2_5.res4f_branch2b_3._conv.weight": "layer3.5.convs.2.weight",
        "bb_2_5.res4f_branch2b_3._batch_norm.bias": "layer3.5.bns.2.bias",
        "bb_1_0.short._conv.weight": "layer2.0.downsample.0.weight",
        "bb_1_0.short._batch_norm.weight": "layer2.0.downsample.1.weight",
        "bb_1_0.conv0._conv.weight": "layer2.0.conv1.weight",
        "bb_1_0.conv2._batch_norm.weight": "layer2.0.bn3.weight",
        "out.bias": "fc.bias",
    }
    assert {name: renamed(name, layout) for name in names} == names
    assert on_meta("res2net50_26w_4s").state_dict().keys() >= set(names.values())
