import pytest
import torch
from tests.plugins.zoo.models import BY_NAME, built, on_meta

from imgcls_zoo.regnet import stages

# depths and widths of the paper's appendix; the last two are torchvision's, whose widths are rounded otherwise
STAGES = {
    "regnet_x_200mf": ((1, 1, 4, 7), (24, 56, 152, 368)),
    "regnet_x_400mf_pycls": ((1, 2, 7, 12), (32, 64, 160, 384)),
    "regnet_y_16gf": ((2, 4, 11, 1), (224, 448, 1232, 3024)),
    "regnet_x_400mf": ((1, 2, 7, 12), (32, 64, 160, 400)),
    "regnet_y_800mf": ((1, 3, 8, 2), (64, 144, 320, 784)),
}


@pytest.mark.parametrize("name", STAGES)
def test_the_quantised_line_gives_the_papers_stages(name):
    found = stages(BY_NAME[name].defaults)
    assert (tuple(stage.depth for stage in found), tuple(stage.width for stage in found)) == STAGES[name]


def test_groups_have_the_width_that_is_asked_for_and_y_squeezes_to_a_quarter_of_the_input():
    block = on_meta("regnet_y_1_6gf").trunk_output[2][0]
    assert block.f.b[0].in_channels // block.f.b[0].groups == 24
    assert block.f.se.fc1.out_channels == round(block.f.a[0].in_channels / 4)


def test_zero_init_residual_starts_each_block_as_the_identity():
    block = built("regnet_y_200mf", 10, 3, zero_init_residual=True).train().trunk_output[3][1]
    x = torch.randn(2, 368, 4, 4).relu()
    assert torch.equal(block(x), x)
    assert not torch.equal(built("regnet_y_200mf", 10, 3).train().trunk_output[3][1](x), x)
