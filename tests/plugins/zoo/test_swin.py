import math
from pathlib import Path

import pytest
import torch
from tests.plugins.zoo.models import BY_NAME, built, on_meta
from tests.plugins.zoo.test_released import read

from imgcls.train.layouts import renamed
from imgcls_zoo import swin, swin_v2

RELEASED = Path(__file__).parent / "released"
TINY = {"width": 8, "heads": (1, 2, 4, 8), "windows": (4, 4, 2, 2)}


def seen_by(block, x, mask, row, column):
    """Rows and columns of the tokens that one token's output depends on."""
    x = x.clone().requires_grad_()
    block(x, mask)[0, row, column].sum().backward()
    reached = x.grad[0].abs().sum(-1) > 1e-12
    return {tuple(place) for place in reached.nonzero().tolist()}


def square(rows, columns):
    return {(row, column) for row in rows for column in columns}


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t"])
def test_a_token_sees_its_window_and_after_the_shift_no_further_than_the_edge(name):
    attention = built(name, 10, 3, **TINY).eval().features[1][1].attn
    x = torch.randn(1, 12, 12, 8)
    mask = swin.shift_mask(x, 4)
    assert seen_by(attention, x, None, 1, 6) == square(range(4), range(4, 8))
    assert seen_by(attention, x, mask, 1, 6) == square(range(2), range(6, 10))
    assert seen_by(attention, x, mask, 11, 11) == square(range(10, 12), range(10, 12))
    assert seen_by(attention, x, mask, 5, 5) == square(range(2, 6), range(2, 6))


def test_only_sides_with_more_than_one_window_are_shifted():
    assert swin.shifts(7, 7, 7) == (0, 0)
    assert swin.shifts(8, 5, 7) == (3, 0)
    assert swin.shift_mask(torch.zeros(1, 7, 5, 3), 7) is None
    mask = swin.shift_mask(torch.zeros(1, 8, 4, 3), 4)  # two windows below one another, the second mixed
    assert not mask[0].any()
    assert torch.equal(
        mask[1] == 0,
        torch.arange(16)
        .div(8, rounding_mode="floor")
        .repeat(16, 1)
        .eq(torch.arange(16).div(8, rounding_mode="floor")[:, None]),
    )


def test_the_bias_of_a_pair_is_the_tables_row_of_their_offset():
    offsets = swin.relative_positions(3).view(9, 9)
    assert offsets.unique().tolist() == list(range(25))
    assert (offsets.diagonal() == 12).all()  # the middle row: no offset
    assert offsets[0, 8] == 0  # two rows and two columns before
    assert offsets[1, 0] - offsets[0, 0] == 1
    assert offsets[3, 0] - offsets[0, 0] == 5


def test_coordinates_are_log_spaced_and_scaled_by_the_window_that_was_trained():
    along = swin_v2.log_spaced(8, 8)[0, :, 7, 0]
    assert along[7] == 0
    assert along[-1].item() == pytest.approx(math.log(9, 8))
    assert torch.equal(along, -along.flip(0))
    furthest = math.log(8 * 23 / 11 + 1, 8)
    assert swin_v2.log_spaced(24, 12)[0, 0, -1].tolist() == pytest.approx([-furthest, furthest])


def test_separate_biases_are_torchvisions_without_the_keys():
    joint = built("swin_v2_t", 10, 3, **TINY, zero_init_residual=False).eval()
    apart = built("swin_v2_t", 10, 3, **TINY, zero_init_residual=False, separate_biases=True).eval()
    for key, parameter in joint.named_parameters():
        if key.endswith("qkv.bias"):
            torch.nn.init.normal_(parameter)
    state = joint.state_dict()
    for key in [key for key in state if key.endswith("qkv.bias")]:
        query, _, value = state.pop(key).chunk(3)
        state[key.replace("qkv.bias", "q_bias")] = query
        state[key.replace("qkv.bias", "v_bias")] = value
    apart.load_state_dict(state)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(joint(images), apart(images))


def test_attention_of_the_second_version_is_by_angle_with_a_bounded_scale():
    attention = built("swin_v2_t", 10, 3, **TINY).features[1][0].attn
    query, key, value = torch.randn(3, 1, 1, 16, 8).unbind(0)
    bias = torch.randn(1, 1, 16, 16)
    torch.nn.init.constant_(attention.logit_scale, 9.0)
    angles = torch.einsum(
        "bhic,bhjc->bhij", query / query.norm(dim=-1, keepdim=True), key / key.norm(dim=-1, keepdim=True)
    )
    expected = (100 * angles + bias).softmax(-1) @ value
    torch.testing.assert_close(attention.attend(query, key, value, bias), expected, rtol=1e-4, atol=1e-4)


def test_blocks_of_the_second_version_start_as_the_identity():
    x = torch.randn(1, 8, 8, 8)
    for zero, same in ((True, True), (False, False)):
        block = built("swin_v2_t", 10, 3, **TINY, zero_init_residual=zero).eval().features[1][0]
        assert torch.equal(block(x, None), x) == same


def test_drop_path_rises_over_all_blocks():
    rates = [m.probability for m in on_meta("swin_s").modules() if isinstance(m, swin.DropPath)]
    assert rates == pytest.approx([0.3 * i / 23 for i in range(24)])


def test_fully_connected_layers_start_at_a_deviation_of_2_percent():
    model = built("swin_t", 10, 3, width=32, heads=(1, 2, 4, 8))
    weights = [m.weight.flatten() for m in model.modules() if isinstance(m, torch.nn.Linear)]
    assert torch.cat(weights).std().item() == pytest.approx(0.02, rel=0.01)
    assert model.features[1][0].attn.relative_position_bias_table.std().item() == pytest.approx(0.02, rel=0.3)


def test_biases_of_another_window_are_interpolated():
    model = built("swin_t", 10, 3, **{**TINY, "windows": (12, 4, 2, 2)})
    name = "features.1.0.attn.relative_position_bias_table"
    table = torch.randn(13 * 13, 1)
    fitting = model.adapted(name, table)
    assert fitting.shape == model.state_dict()[name].shape == (23 * 23, 1)
    assert fitting[23 * 23 // 2].item() == pytest.approx(table[13 * 13 // 2].item(), abs=1e-5)  # no offset
    own = torch.randn(23 * 23, 1)
    torch.testing.assert_close(model.adapted(name, own), own)
    assert model.adapted("head.weight", torch.zeros(10, 64)) is None
    assert model.adapted(name, torch.zeros(170, 1)) is None  # no square of offsets


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t_window16"])
def test_the_authors_name_a_patch_merging_by_the_stage_that_it_ends(name):
    _, _, shapes = read(RELEASED / f"{name}.timm.txt")
    component = BY_NAME[name]
    family = swin if name == "swin_t" else swin_v2
    known = family.layouts(component.defaults)
    own = set(on_meta(name).state_dict())
    authors = {key.replace("head.fc.", "head.") for key in shapes}
    for stage in (1, 2, 3):
        authors = {key.replace(f"layers.{stage}.downsample", f"layers.{stage - 1}.downsample") for key in authors}
    computed = {"layers.0.blocks.1.attn_mask", "layers.0.blocks.1.attn.relative_position_index"}
    for project in ("microsoft", "paddle"):
        found = {renamed(key, known[project]) for key in authors}
        assert found == own
        assert {renamed(key, known[project]) for key in computed} == {None}


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t"])
def test_exported_and_compiled_with_any_number_of_images(name):
    model = built(name, 10, 3, **TINY, depths=(2, 1, 1, 1)).eval()
    images = torch.randn(2, 3, 32, 32)
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(model, (images,), dynamic_shapes=({0: batch},), strict=False).module()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch._dynamo.mark_dynamic(images, 0)  # raises where the number of images is fixed by the model
    with torch.no_grad():
        torch.testing.assert_close(compiled(images), model(images))
        more = torch.randn(3, 3, 32, 32)
        torch.testing.assert_close(exported(more), model(more))
        torch.testing.assert_close(compiled(more), model(more))


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t"])
def test_sizes_that_windows_do_not_divide_are_padded(name):
    model = built(name, 10, 3, **TINY).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 3, 72, 100)).isfinite().all()
