import re

import torch
from tests.plugins.zoo.models import BY_NAME, built, on_meta

from imgcls.component import load
from imgcls.train.layouts import converted


def test_torchvisions_published_files_have_older_names():
    own = on_meta("densenet121").state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): x for name, x in own.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    layout = load(BY_NAME["densenet121"].layouts)(BY_NAME["densenet121"].defaults)["torchvision"]
    found = converted(old, layout, ())
    assert found.keys() == own.keys()
    assert all(found[name] is own[name] for name in own)


def test_a_dense_block_keeps_its_input_and_adds_the_growth_for_each_layer():
    model = built("densenet121", 7).eval()
    x = torch.randn(1, 64, 8, 8)
    with torch.no_grad():
        found = model.features.denseblock1(x)
    assert found.shape == (1, 64 + 6 * 32, 8, 8)
    assert torch.equal(found[:, :64], x)


def test_dropout_leaves_out_some_of_what_a_layer_adds():
    layer = built("densenet121", 7, dropout=0.5).features.denseblock1.denselayer1
    x = torch.randn(1, 64, 16, 16)
    assert 0.4 < (layer.train()(x) == 0).float().mean() < 0.6
    assert not (layer.eval()(x) == 0).any()
