import math

import torch
from tests.plugins.zoo.models import BY_NAME, built, on_meta
from torch import nn

from imgcls.component import load
from imgcls.train.layouts import renamed


def test_self_attention_is_torchs_with_its_names_of_parameters():
    ours = built("vit_ti_16").encoder.layers[0].self_attention
    theirs = nn.MultiheadAttention(192, 3, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    nn.init.normal_(theirs.out_proj.bias)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 5, 192)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0])


def test_scores_are_scaled_as_asked():
    x = torch.randn(1, 4, 192)
    plain = built("vit_ti_16").encoder.layers[0].self_attention
    scaled = built("vit_ti_16", scale=1.0).encoder.layers[0].self_attention
    doubled = built("vit_ti_16").encoder.layers[0].self_attention
    scaled.load_state_dict(plain.state_dict())
    doubled.load_state_dict(plain.state_dict())
    with torch.no_grad():
        doubled.in_proj_weight[:192] *= math.sqrt(64)  # of the queries; a head is 64 wide
    torch.testing.assert_close(scaled(x), doubled(x))
    assert not torch.allclose(scaled(x), plain(x))


def test_weights_start_as_in_the_authors_code():
    model = built("vit_ti_16")
    attention, mlp = model.encoder.layers[3].self_attention, model.encoder.layers[3].mlp
    for third in attention.in_proj_weight.chunk(3):
        assert math.isclose(third.abs().max().item(), math.sqrt(6 / (192 + 192)), rel_tol=0.01)
    assert math.isclose(mlp[0].weight.abs().max().item(), math.sqrt(6 / (192 + 768)), rel_tol=0.01)
    assert not attention.in_proj_bias.any()
    assert not attention.out_proj.bias.any()
    assert 0 < mlp[3].bias.abs().max() < 1e-5
    assert not model.class_token.any()
    assert not model.heads.head.weight.any()
    assert math.isclose(model.encoder.pos_embedding.std().item(), 0.02, rel_tol=0.05)
    assert math.isclose(model.conv_proj.weight.std().item(), 1 / math.sqrt(3 * 16 * 16), rel_tol=0.05)


def test_loaded_positions_are_interpolated_as_in_the_forward_pass():
    small, large = built("vit_ti_16", 7), built("vit_ti_16", 7, image_size=256)
    nn.init.normal_(small.heads.head.weight)
    state = small.state_dict()
    name = "encoder.pos_embedding"
    state[name] = large.adapted(name, state[name])
    assert state[name].shape == (1, 1 + 16 * 16, 192)
    large.load_state_dict(state)
    images = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        torch.testing.assert_close(small.eval()(images), large.eval()(images))


def test_what_does_not_fit_is_not_adapted():
    model = on_meta("vit_ti_16")
    name = "encoder.pos_embedding"
    assert model.adapted(name, torch.zeros(1, 1 + 195, 192)) is None
    assert model.adapted(name, torch.zeros(1, 1 + 196, 384)) is None
    assert model.adapted(name, torch.zeros(196, 192)) is None
    assert model.adapted("encoder.layers.encoder_layer_0.self_attention.in_proj_weight", torch.zeros(9, 3)) is None
    assert model.adapted("heads.head.weight", torch.zeros(10, 192)) is None


def test_torchvisions_published_files_have_older_names_for_the_perceptrons():
    own = on_meta("vit_ti_16").state_dict().keys()
    published = {key.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2.") for key in own}
    layout = load(BY_NAME["vit_ti_16"].layouts)(BY_NAME["vit_ti_16"].defaults)["torchvision"]
    assert published != own
    assert {renamed(key, layout) for key in published} == own
    assert {renamed(key, layout) for key in own} == own
