import pytest
import torch
from tests.plugins.zoo.models import built

FAMILIES = ("mobilevit_xxs", "mobilevit_v2_x0_5", "mobilevit_v3_xxs", "mobilevit_v3_x0_5")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_pixel_sees_those_at_its_place_in_every_patch(name):
    block = built(name).layer_5[1].eval()
    width = block.local_rep[1].block.conv.weight.shape[0]
    x = torch.randn(1, width, 4, 6, dtype=torch.float64)
    with torch.no_grad():
        # without the normalisations, which in MobileViTV2 are over all pixels
        block.double()
        block.global_rep = torch.nn.Sequential(*list(block.global_rep)[:1])
        for module in block.global_rep.modules():
            for name_, child in module.named_children():
                if isinstance(child, torch.nn.GroupNorm):
                    setattr(module, name_, torch.nn.Identity())
        before = block.globally(x)
        # the upper right pixel of a patch; not the same for every channel: that, LayerNorm would take out again
        x[:, :, 2, 3] += torch.randn(width, dtype=x.dtype)
        moved = ((before - block.globally(x)).abs() > 1e-12).any(dim=1)[0]
    expected = torch.zeros(4, 6, dtype=torch.bool)
    expected[0::2, 1::2] = True
    assert torch.equal(moved, expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_sizes_that_leave_half_a_patch_work(name):
    model = built(name, 7).eval()
    with torch.no_grad():
        assert model(torch.randn(1, 3, 96, 32)).shape == (1, 7)
        assert model(torch.randn(1, 3, 224, 224)).shape == (1, 7)


def test_the_second_version_weighs_keys_by_one_score_a_token():
    attention = built("mobilevit_v2_x0_5").layer_5[1].global_rep[0].pre_norm_attn[1]
    with torch.no_grad():
        for parameter in attention.qkv_proj.parameters():
            parameter[:1].zero_()  # equal scores: the context is the mean of the keys
    x = torch.randn(2, 128, 4, 5)
    with torch.no_grad():
        key, value = attention.qkv_proj(x)[:, 1:].chunk(2, 1)
        expected = attention.out_proj(value.relu() * key.mean(-1, keepdim=True))
        torch.testing.assert_close(attention(x), expected)


def test_init_scales_by_the_paper():
    first, second = built("mobilevit_xxs"), built("mobilevit_v2_x0_5")
    assert abs(first.classifier.fc.weight.std().item() - 0.02) < 1e-3
    assert second.classifier[1].weight.abs().max().item() == pytest.approx((6 / 1256) ** 0.5, rel=1e-2)
