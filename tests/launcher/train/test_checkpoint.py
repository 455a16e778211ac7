"""What is read back is what was written, or it is passed over."""

import errno
import random
import shutil
import threading
import weakref

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from imgcls.errors import StorageError, UserError
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


def checkpoints(folder, keep=2, **settings):
    warnings, notes = [], []
    made = Checkpoints(folder, keep, warnings.append, notes.append, **settings)
    made.warnings, made.notes = warnings, notes
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


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_damaged_is_an_error_that_names_each_and_touches_nothing(tmp_path):
    made = checkpoints(tmp_path)
    assert made.to_continue_from() == -1
    write(made, 10, 20)
    assert made.to_continue_from() == 20
    cut_off(made.path(10) / "model.safetensors")
    flip_a_bit(made.path(20) / "state.json")
    before = contents(tmp_path)
    with pytest.raises(UserError) as raised:
        made.to_continue_from()
    assert f"{made.path(10)}: model.safetensors is not what was written" in str(raised.value)
    assert f"{made.path(20)}: state.json is not what was written" in str(raised.value)
    assert "--name" in str(raised.value)
    assert contents(tmp_path) == before


def test_a_run_whose_checkpoints_are_gone_does_not_begin_anew(tmp_path):
    made = checkpoints(tmp_path)
    write(made, 10)
    shutil.rmtree(made.path(10))
    with pytest.raises(UserError, match="no checkpoint of this run is whole"):
        made.to_continue_from()
    assert "names 'step-00000010', which is not there" in made.warnings[0]


def test_a_newest_checkpoint_that_is_gone_is_missed_loudly(tmp_path):
    made = checkpoints(tmp_path)
    write(made, 10, 20)
    shutil.rmtree(made.path(20))
    assert made.to_continue_from() == 10
    (warning,) = made.warnings
    assert "step-00000020" in warning
    assert "not there" in warning


MANIFESTS = ["", "{}", "[]", "null", '{"sha256": {}}', '{"sha256": null}', '{"sha256": ["model.safetensors"]}']


@pytest.mark.parametrize("text", MANIFESTS)
def test_a_manifest_that_says_nothing_makes_no_checkpoint_valid(tmp_path, text):
    made = checkpoints(tmp_path)
    write(made, 10, 20)
    (made.path(20) / "manifest.json").write_text(text)
    assert made.newest_valid() == 10
    assert len(made.warnings) == 1


def test_folders_that_somebody_else_made_are_no_checkpoints(tmp_path):
    made = checkpoints(tmp_path)
    write(made, 10)
    (tmp_path / "step-00000010 (copy)").mkdir()
    (tmp_path / "step-old").mkdir()
    assert made.steps() == [10]


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


def test_storage_that_stays_away_is_waited_for_as_long_as_stated_and_then_named(tmp_path):
    (tmp_path / "file").touch()
    made = checkpoints(tmp_path / "file" / "below", wait=0.1)
    made.save(*make(), State(step=1), "{}")
    with pytest.raises(StorageError, match=r"within 0.1 s: Not a directory\n.*begin anew"):
        made.finish()
    made.close()
    assert made.warnings == []


def test_the_error_at_the_end_says_what_is_kept(tmp_path):
    made = checkpoints(tmp_path, wait=0.1)
    write(made, 10)
    away = tmp_path.rename(tmp_path.with_name("away"))
    made.save(*make(seed=20), State(step=20), "{}")
    with pytest.raises(StorageError, match="No such file or directory"):
        made.finish()
    assert not tmp_path.exists(), "a folder on the disk below would hide what is on the storage"
    away.rename(tmp_path)
    made.wait = 60
    made.finish()  # it has gone on trying
    assert made.steps() == [20, 10]
    assert made.to_continue_from() == 20


def test_an_error_of_the_program_in_the_background_is_raised_in_training(tmp_path):
    made, saved = checkpoints(tmp_path), make()
    saved[0].register_buffer("unknown", torch.zeros(2, dtype=torch.complex32))
    made.save(*saved, State(step=1), "{}")
    with pytest.raises(Exception, match="complex"):
        made.finish()
    made.finish()
    made.close()


class Away:
    """Storage that fails while it is away; put in front of a checkpoint's own writes."""

    def __init__(self):
        self.is_away, self.tries = True, threading.Semaphore(0)

    def __call__(self):
        self.tries.release()
        if self.is_away:
            raise OSError(errno.EIO, "Input/output error")


def test_while_storage_is_away_training_goes_on_and_the_newest_and_the_best_are_written_later(tmp_path):
    storage = Away()
    made = checkpoints(tmp_path, keep=1, before=storage)
    for step, best in [(1, -1), (2, 2), (3, 2), (4, 2)]:
        made.save(*make(seed=step), State(step=step, best_step=best), "{}")
        if step == 1:
            assert storage.tries.acquire(timeout=60)
    assert made.steps() == []
    storage.is_away = False
    made.finish()
    assert made.steps() == [4, 2], "the newest and the best; those between were replaced"
    for step in (2, 4):
        fresh = make(seed=9)
        made.restore(step, *fresh)
        same(fresh, make(seed=step))


def test_two_snapshots_are_in_memory_at_most(tmp_path, monkeypatch):
    alive = weakref.WeakSet()
    made_snapshot = checkpoint.Snapshot

    def counted(*arguments):
        snapshot = made_snapshot(*arguments)
        alive.add(snapshot)
        assert len(alive) <= 2, sorted(each.step for each in alive)
        return snapshot

    monkeypatch.setattr(checkpoint, "Snapshot", counted)
    storage = Away()
    made = checkpoints(tmp_path, before=storage)
    made.save(*make(), State(step=1), "{}")
    assert storage.tries.acquire(timeout=60)
    for step in range(2, 30):
        made.save(*make(), State(step=step, best_step=7 if step >= 7 else -1), "{}")
    storage.is_away = False
    made.finish()
    made.close()
    assert made.steps() == [29, 7]
    assert len(alive) == 0


def test_what_an_earlier_failure_left_half_written_is_removed_and_the_one_before_is_kept(tmp_path, monkeypatch):
    made = checkpoints(tmp_path, keep=1)
    write(made, 1)
    write_file, tries = checkpoint.save_file, []

    def fails_twice(tensors, path):
        tries.append(path.name)
        write_file(tensors, path)
        if len(tries) in (2, 4):
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        present = sorted(each.name for each in tmp_path.iterdir() if each != path.parent)
        assert present == ["latest", "step-00000001"]

    monkeypatch.setattr(checkpoint, "save_file", fails_twice)
    write(made, 2)
    assert len(tries) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-00000002"]
    assert made.newest_valid() == 2
    assert made.warnings == [], "two tries are no outage yet"


def test_another_models_checkpoint_is_refused(tmp_path):
    made = checkpoints(tmp_path)
    write(made, 1)
    other = nn.Linear(2, 2)
    with pytest.raises(RuntimeError):
        made.restore(1, other, torch.optim.SGD(other.parameters(), lr=0.1))
