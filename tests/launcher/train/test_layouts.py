import pytest
import torch

from imgcls import Layout
from imgcls.train.layouts import converted, renamed


def test_pairs_are_applied_in_the_order_written():
    layout = Layout(rename=((r"^a\.", "b."), (r"^b\.", "c.")))
    assert renamed("a.weight", layout) == "c.weight"
    assert renamed("a.weight", Layout(rename=tuple(reversed(layout.rename)))) == "b.weight"


def test_a_pair_changes_every_place_it_matches_and_no_other():
    layout = Layout(rename=((r"\.fc(\d)\.", r".linear\1."),))
    assert renamed("block.fc1.fc2.weight", Layout(rename=((r"fc", "linear"),))) == "block.linear1.linear2.weight"
    assert renamed("block.fc1.weight", layout) == "block.linear1.weight"
    assert renamed("fc.weight", layout) == "fc.weight"


@pytest.mark.parametrize(
    ("pattern", "replacement", "name", "expected"),
    [
        (r"^stages\.(\d+)\.", "layer{1+1}.", "stages.0.x", "layer1.x"),
        (r"^stages\.(\d+)\.", "layer{1+1}.", "stages.9.x", "layer10.x"),
        (r"^blocks\.(\d+)\.(\d+)\.", r"b{2-3}.\1.", "blocks.7.12.x", "b9.7.x"),
        (r"^layer(\d)\.", "{1+10}{1-1}.", "layer1.x", "110.x"),
    ],
)
def test_a_replacement_counts(pattern, replacement, name, expected):
    assert renamed(name, Layout(rename=((pattern, replacement),))) == expected


def test_what_is_left_out_is_searched_for_in_the_files_names():
    layout = Layout(rename=((r"^old\.", "new."),), leave_out=(r"\.total_ops$", r"^old\.head\."))
    assert renamed("old.conv.total_ops", layout) is None
    assert renamed("old.head.weight", layout) is None
    assert renamed("new.head.weight", layout) == "new.head.weight"


def test_tensors_come_under_their_new_names():
    first, second = torch.randn(2, 3), torch.randn(3)
    layout = Layout(rename=((r"^x\.", "y."),), leave_out=("mask",))
    found = converted({"x.weight": first, "x.mask": second, "z": second}, layout, set())
    assert found.keys() == {"y.weight", "z"}
    assert found["y.weight"] is first


def test_only_weights_of_fully_connected_layers_are_transposed():
    tensors = {"old.weight": torch.randn(2, 3), "old.bias": torch.randn(2), "table": torch.randn(5, 4)}
    layout = Layout(rename=((r"^old\.", "fc."),), linear_transposed=True)
    found = converted(tensors, layout, {"fc.weight"})
    assert torch.equal(found["fc.weight"], tensors["old.weight"].T)
    assert found["fc.bias"] is tensors["old.bias"]
    assert found["table"] is tensors["table"]
    as_it_is = converted(tensors, Layout(rename=layout.rename), {"fc.weight"})
    assert as_it_is["fc.weight"] is tensors["old.weight"]


def test_two_names_that_become_one_are_refused():
    tensors = {"a.weight": torch.zeros(1), "b.weight": torch.ones(1)}
    with pytest.raises(ValueError, match=r"a\.weight; the second is b\.weight"):
        converted(tensors, Layout(rename=((r"^b\.", "a."),)), set())


def test_a_scale_is_of_the_names_here_and_factors_multiply():
    given = {"fc.weight": torch.ones(2, 2), "fc.bias": torch.ones(2)}
    layout = Layout(rename=((r"^fc\.", "head."),), scale=((r"^head\.weight$", 0.5), (r"weight", 0.5)))
    found = converted(given, layout, set())
    assert torch.equal(found["head.weight"], torch.full((2, 2), 0.25))
    assert torch.equal(found["head.bias"], torch.ones(2))
