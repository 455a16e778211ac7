import torch
from tests.plugins.zoo.models import built, on_meta
from torch import nn

from imgcls_zoo.blocks import SameConv2d
from imgcls_zoo.mixnet import MixConv


def test_each_share_of_the_channels_has_its_kernel():
    mixed = MixConv(10, 10, (3, 5, 7), 1, depthwise=True, same=False)
    assert [conv.weight.shape for conv in mixed] == [(4, 1, 3, 3), (3, 1, 5, 5), (3, 1, 7, 7)]
    x = torch.randn(1, 10, 9, 9)
    changed = x.clone()
    changed[:, 4:7] += 1
    moved = (mixed(x) != mixed(changed)).any(dim=(0, 2, 3))
    assert moved.nonzero().flatten().tolist() == [4, 5, 6]


def test_tensorflows_variants_differ_in_padding_and_epsilon_alone():
    plain, same = on_meta("mixnet_s"), on_meta("tf_mixnet_s")
    assert plain.state_dict().keys() == same.state_dict().keys()
    squeezes = {name for name, _ in same.named_modules() if "squeeze_excite" in name}
    others = {n: m for n, m in same.named_modules() if isinstance(m, nn.Conv2d) and n not in squeezes}
    assert all(isinstance(module, SameConv2d) for module in others.values())
    assert not any(isinstance(module, SameConv2d) for module in plain.modules())
    assert {m.eps for m in same.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}


def test_convolutions_start_by_the_fan_out_of_a_group():
    depthwise = built("mixnet_s").stages[2][1].depthwise[0]
    for conv, kernel in zip(depthwise, (3, 5), strict=True):
        assert abs(conv.weight.std().item() / (2 / kernel**2) ** 0.5 - 1) < 0.1
