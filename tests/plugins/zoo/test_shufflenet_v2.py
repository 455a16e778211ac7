import torch
from tests.plugins.zoo.models import built, on_meta
from torch import nn


def test_a_unit_interleaves_what_passes_with_what_is_computed():
    unit = built("shufflenet_v2_x0_5").stage2[1].eval()
    x = torch.randn(2, 48, 4, 4)
    with torch.no_grad():
        y = unit(x)
        assert torch.equal(y[:, 0::2], x[:, :24])
        assert torch.equal(y[:, 1::2], unit.branch2(x[:, 24:]))


def test_swish_replaces_every_relu():
    model = on_meta("shufflenet_v2_swish")
    assert not any(isinstance(module, nn.ReLU) for module in model.modules())
    assert any(isinstance(module, nn.SiLU) for module in model.modules())
