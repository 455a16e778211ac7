import torch
from tests.plugins.zoo.models import built, on_meta
from torch.nn import functional


def test_affine_layers_follow_activations_alone_and_begin_as_the_identity():
    model = built("pp_hgnet_v2_b0", 10, 3)
    light = model.stages[2].blocks[0].layers[0]
    assert "lab" not in dict(light.conv1.named_children())
    assert "lab" in dict(light.conv2.named_children())
    assert "lab" not in dict(model.stages[1].downsample.named_children())
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(light.conv2.lab(x), x)
    names = [name for name, _ in on_meta("pp_hgnet_v2_b4", 10, 3).named_parameters()]
    assert not any("lab" in name for name in names)


def test_affine_is_one_scale_and_one_shift():
    affine = built("pp_hgnet_v2_b0", 10, 3).head.last_conv[2]
    with torch.no_grad():
        affine.scale.fill_(2)
        affine.bias.fill_(-1)
    x = torch.randn(2, 8, 1, 1)
    torch.testing.assert_close(affine(x), 2 * x - 1)


def test_the_stems_pooling_cuts_windows_off_at_the_edge():
    # with an affine layer before it numbers may be negative: zeros at the edge would win
    stem = built("pp_hgnet_v2_b0", 10, 3).stem.eval()
    with torch.no_grad():
        stem.stem1.lab.bias.fill_(-5)
        images = torch.randn(1, 3, 16, 16)
        seen = []
        stem.stem3.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        stem(images)
        before = stem.stem1(images)
    pooled = seen[0][:, : before.shape[1]]
    assert pooled.shape == before.shape
    torch.testing.assert_close(pooled[..., :-1, :-1], functional.max_pool2d(before, 2, 1))
    assert torch.equal(pooled[..., -1, -1], before[..., -1, -1])


def test_all_blocks_but_a_stages_first_have_a_shortcut():
    stages = on_meta("pp_hgnet_base", 10, 3).stages
    assert [[block.residual for block in stage.blocks] for stage in stages] == [
        [False],
        [False, True],
        [False, True, True],
        [False, True],
    ]


def test_only_the_largest_of_the_first_version_has_dropout():
    assert on_meta("pp_hgnet_base", 10, 3).head.dropout.p == 0.2
    assert on_meta("pp_hgnet_tiny", 10, 3).head.dropout.p == 0
