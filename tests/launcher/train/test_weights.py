"""A file's tensors become a model's, all of them or none."""

import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from imgcls.component import Layout
from imgcls.errors import UserError
from imgcls.train.weights import fit, read


class Net(nn.Module):
    """A stem that follows the channels, a body, a head that follows the classes, positions of a grid."""

    def __init__(self, classes=5, channels=3, grid=4):
        super().__init__()
        self.stem = nn.Conv2d(channels, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.body = nn.Linear(6, 6)
        self.positions = nn.Parameter(torch.randn(grid))
        self.head = nn.Linear(6, classes)

    def adapted(self, name, value):
        if name != "positions":
            return None
        return nn.functional.interpolate(value[None, None], len(self.positions), mode="linear")[0, 0]


def fitted(model, given, classes=5, channels=3, layouts=None, adapt=True, **options):
    return fit(model, given, Net if adapt else None, classes, channels, layouts or {}, **options)


def state(**options):
    torch.manual_seed(3)
    return {name: tensor.clone() for name, tensor in Net(**options).state_dict().items()}


def test_the_same_names_and_shapes_load_as_they_are():
    model, given = Net(), state()
    found = fitted(model, given)
    assert (found.layout, found.loaded, found.notes) == ("own", len(given), [])
    assert all(torch.equal(tensor, given[name]) for name, tensor in model.state_dict().items())


def test_half_precision_becomes_the_models():
    model = Net()
    fitted(model, {name: t.half() if t.is_floating_point() else t for name, t in state().items()})
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_head_of_other_classes_is_replaced_and_said():
    model, given = Net(classes=7), state(classes=5)
    before = model.head.weight.clone()
    found = fitted(model, given, classes=7)
    assert torch.equal(model.head.weight, before)
    assert torch.equal(model.body.weight, given["body.weight"])
    assert found.notes == ["head.weight: 5 classes in the file, 7 here; starts anew"]
    assert found.loaded == len(given) - 2


def test_a_file_without_a_head_is_taken_for_the_rest():
    given = {name: tensor for name, tensor in state().items() if not name.startswith("head")}
    notes = fitted(Net(), given).notes
    assert notes == [
        "head.weight is not in the file and starts anew",
        "head.bias is not in the file and starts anew",
    ]


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_a_first_convolution_of_other_channels_gives_the_same_for_grey_images(channels):
    model, given = Net(channels=channels), state()
    found = fitted(model, given, channels=channels)
    assert found.notes == [f"stem.weight: 3 channels in the file, {channels} here; the sum is shared out"]
    grey = torch.randn(2, 1, 8, 8)
    original = nn.functional.conv2d(grey.expand(-1, 3, -1, -1), given["stem.weight"], given["stem.bias"])
    assert torch.allclose(model.stem(grey.expand(-1, channels, -1, -1)), original, atol=1e-5)


def test_what_the_model_can_resize_is_resized():
    model = Net(grid=8)
    assert fitted(model, state(grid=4)).notes == ["positions: resized from 4 to 8"]
    expected = nn.functional.interpolate(state(grid=4)["positions"][None, None], 8, mode="linear")[0, 0]
    assert torch.equal(model.positions, expected)


def test_with_adapt_off_everything_must_be_the_models():
    with pytest.raises(UserError, match="head.weight is 5x6 in the file, 7x6 in the model"):
        fitted(Net(classes=7), state(), classes=7, adapt=False)


def test_a_mismatch_lists_keys_shapes_and_nearest_names_and_loads_nothing():
    model, given = Net(), state()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    given["bodi.weight"] = given.pop("body.weight")
    given["norm.weight"] = torch.zeros(9)
    with pytest.raises(UserError) as refused:
        fitted(model, given)
    text = str(refused.value)
    assert "missing: body.weight 6x6; nearest: bodi.weight 6x6" in text
    assert "norm.weight is 9 in the file, 6 in the model" in text
    assert "not in the model: bodi.weight 6x6; nearest: body.weight 6x6" in text
    assert "differences: 3" in text
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_long_list_is_cut():
    with pytest.raises(UserError, match=r"and \d+ more"):
        fitted(Net(), {f"x.{i}": torch.zeros(3) for i in range(40)})


def test_the_layout_that_fits_is_found_and_an_unknown_one_refused():
    layouts = {
        "wrong": Layout(rename=((r"^b\.", "nobody."),)),
        "theirs": Layout(rename=((r"^b\.", "body."), (r"\.gamma$", ".weight")), linear_transposed=True),
    }
    given = state()
    theirs = {name.replace("body.", "b."): t for name, t in given.items()}
    theirs = {name: t.T if name in ("b.weight", "head.weight") else t for name, t in theirs.items()}
    theirs["norm.gamma"] = theirs.pop("norm.weight")
    model = Net()
    assert fitted(model, theirs, layouts=layouts).layout == "theirs"
    assert torch.equal(model.body.weight, given["body.weight"])
    assert torch.equal(model.stem.weight, given["stem.weight"])
    with pytest.raises(UserError, match="names were read as 'wrong'"):
        fitted(Net(), theirs, layouts=layouts, layout="wrong")
    with pytest.raises(UserError, match="unknown for this model; known are own, wrong, theirs"):
        fitted(Net(), theirs, layouts=layouts, layout="caffe")


WRAPPED = {
    "alone": lambda tensors: tensors,
    "state_dict": lambda tensors: {"epoch": 3, "state_dict": tensors},
    "model in model": lambda tensors: {"model": {"state_dict": tensors}},
    "ddp": lambda tensors: {"state_dict": {f"module.{name}": t for name, t in tensors.items()}},
    "compiled": lambda tensors: {f"_orig_mod.{name}": t for name, t in tensors.items()},
}


@pytest.mark.parametrize("how", WRAPPED)
@pytest.mark.parametrize("new_format", [True, False])
def test_pytorchs_files_are_read_however_they_are_wrapped(tmp_path, how, new_format):
    given = state()
    torch.save(WRAPPED[how](given), tmp_path / "net.pth", _use_new_zipfile_serialization=new_format)
    found = read(tmp_path / "net.pth")
    assert found.keys() == given.keys()
    assert all(torch.equal(found[name], given[name]) for name in given)


def test_safetensors_are_read_whatever_their_name(tmp_path):
    save_file(state(), tmp_path / "net.safetensors")
    save_file(state(), tmp_path / "net.bin")
    assert read(tmp_path / "net.safetensors").keys() == read(tmp_path / "net.bin").keys() == state().keys()


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/imgcls-evil",)


@pytest.mark.parametrize("name", ["net.pth", "net.pdparams"])
def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(tmp_path, name):
    if os.path.exists("/tmp/imgcls-evil"):
        os.unlink("/tmp/imgcls-evil")
    content = {"weight": torch.zeros(2) if name.endswith("pth") else np.zeros(2), "x": Evil()}
    if name.endswith("pth"):
        torch.save(content, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(UserError):
        read(tmp_path / name)
    assert not os.path.exists("/tmp/imgcls-evil")


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_paddles_files_are_read(tmp_path, protocol):
    arrays = {"conv.weight": np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32)}
    table = {"StructuredToParameterName@@": {"conv.weight": "conv2d_0.w_0"}}
    (tmp_path / "net.pdparams").write_bytes(pickle.dumps({**arrays, **table}, protocol=protocol))
    found = read(tmp_path / "net.pdparams")
    assert found.keys() == arrays.keys()
    assert np.array_equal(found["conv.weight"].numpy(), arrays["conv.weight"])


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 no zip", b"\x80\x02 no pickle"])
@pytest.mark.parametrize("name", ["net.pth", "net.safetensors", "net.pdparams"])
def test_what_is_no_file_of_weights_is_said(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="net"):
        read(tmp_path / name)


def test_a_file_without_tensors_is_said(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "net.pth")
    with pytest.raises(UserError, match="holds no tensors by name"):
        read(tmp_path / "net.pth")
