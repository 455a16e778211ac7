import pytest
import torch
from tests.plugins.zoo.models import BY_NAME, built, on_meta

from imgcls.component import load
from imgcls.train.layouts import renamed
from imgcls_zoo.resnest import SplitAttention

# a stage's first block in PaddleClas's file, as its ResNeSt50 has it
PADDLE = {
    "stem.conv1._conv.weight": "conv1.0.weight",
    "stem.conv1._batch_norm._mean": "conv1.1.running_mean",
    "stem.conv2._conv.weight": "conv1.3.weight",
    "stem.conv2._batch_norm.bias": "conv1.4.bias",
    "stem.conv3._conv.weight": "conv1.6.weight",
    "stem.conv3._batch_norm._variance": "bn1.running_var",
    "layer2.layer2_bottleneck_0.conv1._conv.weight": "layer2.0.conv1.weight",
    "layer2.layer2_bottleneck_0.conv1._batch_norm.weight": "layer2.0.bn1.weight",
    "layer2.layer2_bottleneck_0.conv2.conv1._conv.weight": "layer2.0.conv2.conv.weight",
    "layer2.layer2_bottleneck_0.conv2.conv1._batch_norm.weight": "layer2.0.conv2.bn0.weight",
    "layer2.layer2_bottleneck_0.conv2.conv2._conv.weight": "layer2.0.conv2.fc1.weight",
    "layer2.layer2_bottleneck_0.conv2.conv2._batch_norm.weight": "layer2.0.conv2.bn1.weight",
    "layer2.layer2_bottleneck_0.conv2.conv3.bias": "layer2.0.conv2.fc2.bias",
    "layer2.layer2_bottleneck_0.conv3._conv.weight": "layer2.0.conv3.weight",
    "layer2.layer2_bottleneck_0.conv3._batch_norm.weight": "layer2.0.bn3.weight",
    "layer2.layer2_bottleneck_0.conv4.weight": "layer2.0.downsample.1.weight",
    "layer2.layer2_bottleneck_0._batch_norm.weight": "layer2.0.downsample.2.weight",
    "out.weight": "fc.weight",
}


@pytest.mark.parametrize(("radix", "cardinality"), [(1, 1), (2, 1), (2, 4)])
def test_split_attention_is_the_papers_sum_over_splits(radix, cardinality):
    torch.manual_seed(0)
    block, channels, part = SplitAttention(16, radix, cardinality, bias=True).eval(), 16, 16 // cardinality
    x = torch.randn(2, channels, 5, 5)
    with torch.no_grad():
        features = block.bn0(block.conv(x)).relu()
        pooled = sum(
            features[:, r * channels : (r + 1) * channels].mean((2, 3), keepdim=True) for r in range(radix)
        )
        scores = block.fc2(block.bn1(block.fc1(pooled)).relu()).flatten(1)
        expected = torch.zeros_like(x)
        for k in range(cardinality):
            of_group = scores[:, k * radix * part : (k + 1) * radix * part].unflatten(1, (radix, part))
            weights = of_group.softmax(1) if radix > 1 else of_group.sigmoid()
            for r in range(radix):
                at = r * channels + k * part
                expected[:, k * part : (k + 1) * part] += (
                    features[:, at : at + part] * weights[:, r, :, None, None]
                )
        torch.testing.assert_close(block(x), expected)


def test_the_fast_setting_pools_before_the_split_attention():
    fast, usual = on_meta("resnest50_fast_1s1x64d").layer2[0], on_meta("resnest50").layer2[0]
    assert isinstance(fast.pool_before, torch.nn.AvgPool2d)
    assert isinstance(fast.pool_after, torch.nn.Identity)
    assert isinstance(usual.pool_before, torch.nn.Identity)
    assert isinstance(usual.pool_after, torch.nn.AvgPool2d)


def test_blocks_begin_as_the_identity_unless_asked_otherwise():
    block = built("resnest50", 10, 3).layer1[1].eval()
    x = torch.randn(2, 256, 8, 8).relu()
    with torch.no_grad():
        assert torch.equal(block(x), x)
    assert built("resnest50", 10, 3, zero_init_residual=False).layer1[1].bn3.weight.all()


def test_paddleclas_files_are_for_a_network_with_its_details():
    component = BY_NAME["resnest50"]
    assert load(component.layouts)(component.defaults) == {}
    model = on_meta("resnest50", details="paddle")
    layout = load(component.layouts)(type(component.defaults)(layers=(3, 4, 6, 3), stem=32, details="paddle"))[
        "paddle"
    ]
    assert {name: renamed(name, layout) for name in PADDLE} == PADDLE
    assert model.state_dict().keys() >= set(PADDLE.values())
    assert model.layer1[0].conv2.fc1.bias is None
    assert not model.layer2[0].pool_after.count_include_pad
