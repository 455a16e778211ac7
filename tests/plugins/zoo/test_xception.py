import pytest
import torch
from tests.plugins.zoo.models import built, on_meta
from torch import nn


def test_a_block_leaves_its_input_as_it_is_for_the_shortcut():
    for block in (built("xception", 7, middle=1).block4, built("xception41", 7, middle=1).blocks[3]):
        x = torch.randn(1, 728, 8, 8)
        before = x.clone()
        with torch.no_grad():
            block.eval()(x)
        assert torch.equal(x, before)


@pytest.mark.parametrize(("name", "order"), [("xception", (3, 1)), ("xception41_paddle", (1, 3))])
def test_the_order_of_a_separable_convolution(name, order):
    separable = on_meta(name).conv3
    found = [module.kernel_size[0] for module in separable if isinstance(module, nn.Conv2d)]
    assert tuple(found) == order
    assert any(isinstance(module, nn.BatchNorm2d) for module in separable) == (name != "xception")


def test_the_paper_normalises_shortcuts_and_leaves_the_stem_unpadded():
    paper, theirs = on_meta("xception"), on_meta("xception41_paddle")
    assert isinstance(paper.block1.skipbn, nn.BatchNorm2d)
    assert theirs.block1.skipbn is None
    assert (paper.conv1.padding, theirs.conv1.padding) == ((0, 0), (1, 1))
    assert (paper.bn1.eps, theirs.bn1.eps) == (0.001, 1e-5)
    assert (paper.dropout.p, theirs.dropout.p) == (0.5, 0.0)


def test_only_deeplabs_last_block_is_dilated():
    def dilations(name):
        return [
            max(module.dilation[0] for module in block.modules() if isinstance(module, nn.Conv2d))
            for block in on_meta(name).blocks
        ]

    assert dilations("xception41") == [1] * 13
    assert dilations("xception41_deeplab") == [1] * 12 + [2]


def test_drop_path_rises_to_the_last_block_with_a_shortcut():
    blocks = on_meta("xception41", drop_path=0.11).blocks
    rates = [block.drop_path.probability for block in blocks[:-1]]
    assert rates == pytest.approx([0.01 * i for i in range(12)])
