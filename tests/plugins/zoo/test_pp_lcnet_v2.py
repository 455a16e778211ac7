import torch
from tests.plugins.zoo.models import built, count
from torch import nn


def with_statistics(model):
    """Batch normalisations as after training: no two channels alike."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 1.5, generator=generator)
            for tensor in (module.bias.data, module.running_mean):
                tensor.normal_(0, 0.3, generator=generator)
    return model


def test_the_deployed_network_gives_the_same_with_paddles_published_number_of_parameters():
    model = with_statistics(built("pp_lcnet_v2_base", 1000, 3)).eval()
    deployed = model.for_inference()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = model(images)
        torch.testing.assert_close(deployed(images), expected, rtol=1e-4, atol=1e-4 * float(expected.std()))
    assert f"{count(deployed) / 1e6:.1f}" == "6.6"
    assert not any("branches" in name for name, _ in deployed.named_parameters())
    assert any("branches" in name for name, _ in model.named_parameters())


def test_a_branch_of_one_pixel_only_where_there_is_no_stride():
    first, second, *_ = built("pp_lcnet_v2_base", 10, 3).stages[2]
    assert [branch.conv.kernel_size[0] for branch in first.conv_dw.branches] == [5, 3]
    assert [branch.conv.kernel_size[0] for branch in second.conv_dw.branches] == [5, 3, 1]


def test_only_the_last_stage_has_shortcuts_and_only_where_shapes_allow():
    stages = built("pp_lcnet_v2_base", 10, 3).stages
    assert [[block.shortcut for block in stage] for stage in stages] == [
        [False] * 2,
        [False] * 2,
        [False] * 6,
        [False, True],
    ]
