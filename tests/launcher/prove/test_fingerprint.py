"""Hashes of a checkpoint's groups, from its bytes."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from imgcls.prove.fingerprint import fingerprint, journal, last_checkpoint, tensors
from imgcls.run_folder import RunFolder

STATE = {"step": 7, "seconds": 1.5, "loss_sum": 0.1, "metrics": {"top1": 50.0}, "schedule": {}, "scaler": {}}
MODEL = {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3), "b": torch.ones(3, dtype=torch.bfloat16)}


def write(folder, model=MODEL, state=STATE, optimizer=None, ema=None, settings=0.1):
    folder.mkdir(exist_ok=True)
    save_file(model, folder / "model.safetensors", metadata={"any": "thing"})
    save_file({"0/momentum": torch.ones(2)} if optimizer is None else optimizer, folder / "optimizer.safetensors")
    if ema is not None:
        save_file(ema, folder / "ema.safetensors")
    rest = {"state": {}, "param_groups": [{"lr": settings}]}
    (folder / "state.json").write_text(json.dumps({"run": state, "optimizer": rest}))
    return {name: group.sha256 for name, group in fingerprint(folder).items()}


def unlike(one, other):
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def test_a_change_shows_in_its_group_and_in_no_other(tmp_path):
    before = write(tmp_path / "a")
    assert list(before) == ["model", "optimizer", "scaler", "schedule", "metrics", "step"]
    assert unlike(before, write(tmp_path / "b")) == set()
    bit = MODEL["a"].clone()
    bit.view(torch.int32)[1, 2] ^= 1
    assert unlike(before, write(tmp_path / "b", model={**MODEL, "a": bit})) == {"model"}
    assert unlike(before, write(tmp_path / "b", model={**MODEL, "a": MODEL["a"].reshape(3, 2)})) == {"model"}
    assert unlike(before, write(tmp_path / "b", model={**MODEL, "b": MODEL["b"].view(torch.int16)})) == {"model"}
    assert unlike(before, write(tmp_path / "b", optimizer={"0/momentum": torch.zeros(2)})) == {"optimizer"}
    assert unlike(before, write(tmp_path / "b", settings=0.2)) == {"optimizer"}
    for key, value, group in (
        ("step", 8, "step"),
        ("metrics", {"top1": 51.0}, "metrics"),
        ("schedule", {"best": 1.0}, "schedule"),
        ("scaler", {"scale": 2.0}, "scaler"),
    ):
        assert unlike(before, write(tmp_path / "b", state={**STATE, key: value})) == {group}
    assert unlike(before, write(tmp_path / "c", ema=MODEL)) == {"EMA"}


def test_time_and_the_sixteenth_digit_of_a_sum_are_no_difference(tmp_path):
    before = write(tmp_path / "a")
    assert unlike(before, write(tmp_path / "b", state={**STATE, "seconds": 9.0, "loss_sum": 0.1 + 1e-12})) == set()
    assert unlike(before, write(tmp_path / "b", state={**STATE, "loss_sum": 0.1001})) == {"metrics"}


def test_the_parts_that_differ_are_named(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b", model={"a": MODEL["a"] + 1, "c": MODEL["b"]})
    one, other = fingerprint(tmp_path / "a"), fingerprint(tmp_path / "b")
    assert one["model"].unlike(other["model"]) == ["a", "b", "c"]
    assert one["step"].shown == "7"


def test_a_file_that_is_cut_off_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(MODEL, path)
    assert tensors(path).keys() == {"a", "b"}
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="is cut off in the tensor"):
        tensors(path)


def test_a_journal_is_compared_line_by_line(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text('{"a": 1}\n{"a": 2}\n')
    other.write_text('{"a": 1}\n{"a": 3}\n')
    assert journal(one).unlike(journal(other)) == ["line 2"]
    assert journal(one).sha256 == journal(one).sha256 != journal(other).sha256


def test_the_last_checkpoint_is_that_of_the_result(tmp_path):
    run = RunFolder(tmp_path)
    assert last_checkpoint(run) is None
    run.result.write_text('{"checkpoint": "checkpoints/step-7"}')
    assert last_checkpoint(run) is None
    run.checkpoints.mkdir()
    write(run.checkpoints / "step-7")
    assert last_checkpoint(run) == tmp_path / "checkpoints/step-7"
