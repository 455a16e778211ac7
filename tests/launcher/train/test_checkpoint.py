"""What is read back is what was written, or it is passed over."""

import random
import threading

import pytest
import torch
from torch import nn

from imgcls.train import checkpoint
from imgcls.train.checkpoint import Checkpoints, State


def make(seed=0, momentum=0.9, steps=3):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3))
    groups = [{"params": model[0].parameters()}, {"params": model[3].parameters(), "weight_decay": 0.1}]
    optimizer = torch.optim.SGD(groups, lr=1 / 3, momentum=momentum)
    for _ in range(steps):
        model(torch.randn(5, 1, 4, 4)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


def same(one, other):
    for mine, theirs in ((one[0].state_dict(), other[0].state_dict()),):
        assert mine.keys() == theirs.keys()
        for key, tensor in mine.items():
            assert tensor.dtype == theirs[key].dtype
            assert torch.equal(tensor, theirs[key]), key
    mine, theirs = one[1].state_dict(), other[1].state_dict()
    assert mine["param_groups"] == theirs["param_groups"]
    assert mine["state"].keys() == theirs["state"].keys()
    for number, entry in mine["state"].items():
        assert entry.keys() == theirs["state"][number].keys()
        for key, value in entry.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(theirs["state"][number][key]))


def checkpoints(folder, keep=2):
    warnings = []
    made = Checkpoints(folder, keep, warnings.append)
    made.warnings = warnings
    return made


def write(made, *steps, **state):
    for step in steps:
        made.save(*make(seed=step), State(step=step, **state), "{}")
    made.finish()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_model_optimizer_and_state_come_back_bit_for_bit(tmp_path, momentum):
    made, saved = checkpoints(tmp_path), make(seed=1, momentum=momentum)
    state = State(7, 1, 1 / 3, 2 / 3, 5, 9, 33.3, 4, {"top1": 100 / 3, "n": 19})
    made.save(*saved, state, "{}")
    made.finish()
    fresh = make(seed=2, momentum=momentum, steps=1)
    assert not torch.equal(fresh[0][0].weight, saved[0][0].weight)
    assert made.restore(7, *fresh) == state
    same(fresh, saved)
    for model, optimizer in (saved, fresh):
        torch.manual_seed(0)
        model(torch.randn(5, 1, 4, 4)).square().mean().backward()
        optimizer.step()
    same(fresh, saved)


def test_an_optimizer_with_tensors_and_numbers_in_its_state_comes_back(tmp_path):
    def adam(seed):
        model, _ = make(seed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, betas=(0.8, 0.99))
        model(torch.randn(5, 1, 4, 4)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        return model, optimizer

    made, saved, fresh = checkpoints(tmp_path), adam(1), adam(2)
    made.save(*saved, State(step=1), "{}")
    made.finish()
    made.restore(1, *fresh)
    for model, optimizer in (saved, fresh):
        torch.manual_seed(0)
        model(torch.randn(5, 1, 4, 4)).square().mean().backward()
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(saved[0].parameters(), fresh[0].parameters(), strict=True))


def test_weights_changed_after_saving_are_not_what_is_written(tmp_path, monkeypatch):
    gate, write_file = threading.Event(), checkpoint.save_file

    def late(*arguments):
        assert gate.wait(20)
        write_file(*arguments)

    monkeypatch.setattr(checkpoint, "save_file", late)
    made, running, as_it_was = checkpoints(tmp_path), make(seed=1), make(seed=1)
    state = State(step=5, metrics={"top1": 1.0})
    made.save(*running, state, "{}")
    with torch.no_grad():
        for tensor in [*running[0].parameters(), *running[0].buffers()]:
            tensor.fill_(7)
        for entry in running[1].state.values():
            entry["momentum_buffer"].fill_(7)
    state.step, state.metrics["top1"] = 6, 2.0
    gate.set()
    made.finish()
    fresh = make(seed=2)
    restored = made.restore(5, *fresh)
    assert (restored.step, restored.metrics) == (5, {"top1": 1.0})
    same(fresh, as_it_was)


FILES = ["model.safetensors", "optimizer.safetensors", "state.json", "plan.json", "manifest.json"]


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [flip_a_bit, cut_off, lambda p: p.unlink(), lambda p: p.write_bytes(b"")])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_loudly(tmp_path, name, damage):
    made = checkpoints(tmp_path)
    write(made, 10, 20)
    path = made.path(20) / name
    if path.stat().st_size == 0:
        pytest.fail("nothing to damage")
    damage(path)
    assert made.newest_valid() == 10
    (warning,) = made.warnings
    assert str(made.path(20)) in warning
    assert "passed over" in warning


def test_any_flipped_bit_anywhere_is_noticed(tmp_path):
    made, chance = checkpoints(tmp_path), random.Random(0)
    write(made, 10)
    for name in FILES:
        path = made.path(10) / name
        whole = path.read_bytes()
        for _ in range(60):
            data = bytearray(whole)
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
            assert made.newest_valid() == -1, name
        path.write_bytes(whole)
        assert made.newest_valid() == 10


def test_all_damaged_means_from_the_start(tmp_path):
    made = checkpoints(tmp_path)
    assert made.newest_valid() == -1
    write(made, 10, 20)
    for step in (10, 20):
        cut_off(made.path(step) / "model.safetensors")
    assert made.newest_valid() == -1
    assert len(made.warnings) == 2


def test_a_half_written_folder_does_not_count(tmp_path):
    made = checkpoints(tmp_path)
    write(made, 10)
    (tmp_path / ".step-00000020.1234").mkdir()
    (tmp_path / "step-00000030").mkdir()
    assert made.newest_valid() == 10


def test_the_newest_and_the_best_are_kept(tmp_path):
    made = checkpoints(tmp_path, keep=2)
    write(made, 1, 2, 3)
    assert made.steps() == [3, 2]
    write(made, 4, 5, 6, 7, best_step=3)
    assert made.steps() == [7, 6, 3]
    write(made, 8, best_step=8)
    assert made.steps() == [8, 7]
    assert (tmp_path / "latest").read_text() == "step-00000008"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-00000007", "step-00000008"]


def test_saving_a_step_twice_leaves_the_second(tmp_path):
    made = checkpoints(tmp_path)
    made.save(*make(seed=1), State(step=3), "{}")
    made.save(*make(seed=2), State(step=3, seen=4), "{}")
    made.finish()
    fresh = make(seed=5)
    assert made.restore(made.newest_valid(), *fresh).seen == 4
    same(fresh, make(seed=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-00000003"]


def test_a_failure_to_write_is_raised_once(tmp_path):
    (tmp_path / "file").touch()
    made = checkpoints(tmp_path / "file" / "below")
    made.save(*make(), State(step=1), "{}")
    with pytest.raises(OSError, match=r"below|Not a directory"):
        made.finish()
    made.finish()
    made.save(*make(), State(step=2), "{}")
    with pytest.raises(OSError, match=r"below|Not a directory"):
        made.save(*make(), State(step=3), "{}")


def test_another_models_checkpoint_is_refused(tmp_path):
    made = checkpoints(tmp_path)
    write(made, 1)
    other = nn.Linear(2, 2)
    with pytest.raises(RuntimeError):
        made.restore(1, other, torch.optim.SGD(other.parameters(), lr=0.1))
