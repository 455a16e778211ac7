import pytest
import torch
from tests.plugins.zoo.filling import filled
from tests.plugins.zoo.models import built, count, multiply_adds, on_meta
from torch import nn

# of the deployed networks at 224 pixels: parameters and multiply-adds as the table of MMPretrain rounds them
DEPLOYED = {
    "repvgg_a0": (8.31, 1.36),
    "repvgg_a1": (12.79, 2.37),
    "repvgg_b0": (14.34, 3.06),
    "repvgg_b1g2": (41.36, 8.82),
    "repvgg_b2g4": (55.78, 11.34),
    "repvgg_d2se": (120.39, 32.85),
}


def with_statistics(model):
    """The same model as if it had been trained: no scale is one, no mean is zero."""
    state = model.state_dict()
    model.load_state_dict(
        {key: torch.from_numpy(filled(key, tuple(tensor.shape))) for key, tensor in state.items() if tensor.ndim}
        | {key: tensor for key, tensor in state.items() if not tensor.ndim}
    )
    return model.eval()


@pytest.mark.parametrize("options", [{}, {"groups": 4}, {"squeeze_excite": True}])
def test_the_deployed_network_gives_the_same_outputs_with_fewer_parameters(options):
    model = with_statistics(built("repvgg_a0", 10, 3, layers=(2, 2, 4, 1), widths=(0.5, 0.5), **options))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(images)
        deployed = model.for_inference()
        found = deployed(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert count(deployed) < count(model)
    assert not deployed.training
    kernels = [
        module.kernel_size
        for name, module in deployed.named_modules()
        if isinstance(module, nn.Conv2d) and "se" not in name
    ]
    assert kernels == [(3, 3)] * 10
    assert not any(isinstance(module, nn.BatchNorm2d) for module in deployed.modules())


def test_deploying_leaves_the_model_as_it_was():
    model = built("repvgg_a0", 10, 3).train()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    model.for_inference()
    assert model.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", DEPLOYED)
def test_the_deployed_network_has_the_published_figures(name):
    params_m, macs_g = DEPLOYED[name]
    deployed = on_meta(name).for_inference()
    assert f"{count(deployed) / 1e6:.2f}" == f"{params_m:.2f}"
    assert multiply_adds(deployed, 3, 224) == pytest.approx(macs_g, rel=0.01)


def test_every_second_block_is_grouped():
    model = on_meta("repvgg_b1g4")
    blocks = [model.stage0, *model.stage1, *model.stage2, *model.stage3, *model.stage4]
    assert [block.rbr_dense[0].groups for block in blocks] == [1, 1, *[4, 1] * 13]
