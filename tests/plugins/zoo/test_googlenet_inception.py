import pytest
import torch
from tests.plugins.zoo.models import BY_NAME, built, count, on_meta

from imgcls import UserError, WithAuxiliary
from imgcls.component import load
from imgcls.train.layouts import converted
from imgcls_zoo.catalog.family import HALF, IMAGENET_MEAN, IMAGENET_STD
from imgcls_zoo.googlenet import convolution
from imgcls_zoo.inception_v3 import InceptionAux

HEADS = {"googlenet": [0.3, 0.3], "inception_v3": [0.4]}


@pytest.mark.parametrize(("name", "weights"), HEADS.items())
def test_further_heads_answer_in_training_only_with_the_papers_weights(name, weights):
    model = on_meta(name, 7).train()
    images = torch.zeros(2, 3, 128, 128, device="meta")
    outputs = model(images)
    assert isinstance(outputs, WithAuxiliary)
    assert [weight for weight, _ in outputs.auxiliary] == weights
    assert all(logits.shape == (2, 7) for _, logits in outputs.auxiliary)
    assert isinstance(model.eval()(images), torch.Tensor)


@pytest.mark.parametrize(("name", "parameters"), {"googlenet": 6_624_904, "inception_v3": 23_834_568}.items())
def test_without_further_heads_a_released_file_loads_through_its_layout(name, parameters):
    whole, model = on_meta(name), on_meta(name, auxiliary=False)
    assert count(model) == parameters
    assert isinstance(model.train()(torch.zeros(2, 3, 128, 128, device="meta")), torch.Tensor)
    layouts = load(BY_NAME[name].layouts)
    layout = layouts(type(BY_NAME[name].defaults)(auxiliary=False))["torchvision"]
    assert converted(whole.state_dict(), layout, ()).keys() == model.state_dict().keys()


def test_inceptions_further_head_pools_as_the_authors_do_at_299_pixels():
    head = InceptionAux(convolution(0.001), 768, 7).eval()
    grid = torch.randn(1, 768, 17, 17)
    with torch.no_grad():
        expected = head.fc(head.conv1(head.conv0(torch.nn.functional.avg_pool2d(grid, 5, 3))).flatten(1))
        assert torch.equal(head(grid), expected)
        assert head(grid[:, :, :4, :4]).shape == (1, 7)


def test_transform_input_takes_imagenets_normalisation_to_minus_one_to_one():
    plain = built("googlenet", 7).eval()
    model = built("googlenet", 7, transform_input=True).eval()
    assert model.state_dict().keys() == plain.state_dict().keys()
    pixels = torch.rand(2, 3, 64, 64)
    mean, deviation, half = (torch.tensor(x).view(3, 1, 1) for x in (IMAGENET_MEAN, IMAGENET_STD, HALF))
    with torch.no_grad():
        found, expected = model((pixels - mean) / deviation), plain((pixels - half) / half)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_transform_input_is_refused_for_other_than_three_channels():
    with pytest.raises(UserError, match="the images have 4"):
        on_meta("inception_v3", 7, 4, transform_input=True)


def test_the_papers_googlenet_has_5x5_convolutions():
    branch = on_meta("googlenet", branch_kernel=5).inception3a.branch3
    assert branch[1].conv.kernel_size == (5, 5)
    assert branch[1].conv.padding == (2, 2)
    assert on_meta("googlenet").inception3a.branch3[1].conv.kernel_size == (3, 3)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "inception_v4"])
def test_batch_normalisation_adds_the_epsilon_of_the_options(name):
    def epsilons(model):
        return {module.eps for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)}

    assert epsilons(on_meta(name)) == {0.001}
    assert epsilons(on_meta(name, norm_eps=1e-5)) == {1e-5}
