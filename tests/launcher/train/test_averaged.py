"""The mean of checkpoints against numbers worked out here, its statistics, and what is refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from imgcls.data.loader import training_batches
from imgcls.errors import UserError
from imgcls.train import averaged, build
from imgcls.train.averaged import choose, mean, restated, write
from imgcls.train.loop import train
from imgcls.train.served import load_served
from imgcls.train.world import World

CPU = torch.device("cpu")


def quiet(_done, _of):
    pass


@pytest.fixture
def run(make_plan, make_folder):
    """A run of three epochs of four steps, whose checkpoints are all kept."""
    folder = make_folder("a")
    train(make_plan(checkpoint={"keep": 9}), folder, World())
    return folder


def weights(run, step, name="model"):
    return load_file(run.checkpoints / f"step-{step:08d}" / f"{name}.safetensors")


def test_the_mean_is_that_of_the_newest_in_float64_and_counters_are_the_newests(run):
    chosen = choose(run, 2, None)
    assert chosen.steps == (8, 12)
    found, old, new = mean(chosen.files), weights(run, 8), weights(run, 12)
    assert found.keys() == new.keys()
    for name, tensor in found.items():
        assert tensor.dtype == new[name].dtype
        if tensor.is_floating_point():
            assert torch.equal(tensor, ((old[name].double() + new[name].double()) / 2).to(tensor.dtype))
        else:
            assert torch.equal(tensor, new[name])
    assert not torch.equal(found["0.weight"], new["0.weight"])
    assert choose(run, None, None).steps == (4, 8, 12)
    assert choose(run, None, [12, 4]).steps == (4, 12)
    assert chosen.state.step == 12
    assert chosen.state.metrics["n"] == 19


def test_moving_averages_are_averaged_where_the_run_kept_them(make_plan, make_folder):
    folder = make_folder("ema")
    train(make_plan(checkpoint={"keep": 9}, train={"ema": 0.5}), folder, World())
    found = mean(choose(folder, 3, None).files)
    parts = [weights(folder, step, "ema")["9.weight"].double() for step in (4, 8, 12)]
    assert torch.allclose(found["9.weight"], torch.stack(parts).mean(0).float(), atol=0, rtol=1e-6)


def test_statistics_are_measured_on_the_last_epochs_batches(run, tmp_path):
    """Worked out here: the first batch norm's mean is that of the first convolution's outputs."""
    chosen = choose(run, 3, None)
    tensors, done = mean(chosen.files), []
    found = restated(tensors, chosen.plan, tmp_path, lambda *counts: done.append(counts))
    inputs = build.inputs(chosen.plan)
    machine = build.machine(chosen.plan.loading, CPU, 1)
    means, variances = [], []
    for batch in training_batches(inputs.training, inputs.order, 8, 0, 1, machine):
        maps = torch.nn.functional.conv2d(batch.images, tensors["0.weight"], stride=2, padding=1)
        means.append(maps.mean((0, 2, 3)))
        variances.append(maps.transpose(0, 1).flatten(1).var(1))
    assert torch.allclose(found["1.running_mean"], torch.stack(means).mean(0), atol=1e-5)
    assert torch.allclose(found["1.running_var"], torch.stack(variances).mean(0), rtol=1e-4)
    assert not torch.allclose(found["1.running_mean"], tensors["1.running_mean"], atol=1e-3)
    assert {name for name in found if not torch.equal(found[name], tensors[name])} == {
        f"{layer}.running_{what}" for layer in (1, 4) for what in ("mean", "var")
    }
    assert done[-1] == (26, 26)
    again = restated(tensors, chosen.plan, tmp_path, quiet)
    assert all(torch.equal(tensor, again[name]) for name, tensor in found.items())


def test_statistics_of_frozen_layers_stay(make_plan, make_folder, tmp_path):
    folder = make_folder("frozen")
    train(make_plan(checkpoint={"keep": 9}, train={"freeze": ("0.*", "1.*")}), folder, World())
    chosen = choose(folder, 2, None)
    tensors = mean(chosen.files)
    found = restated(tensors, chosen.plan, tmp_path, quiet)
    assert torch.equal(found["1.running_mean"], tensors["1.running_mean"])
    assert not torch.equal(found["4.running_mean"], tensors["4.running_mean"])


def test_a_model_without_batch_norm_has_nothing_to_measure(make_plan, make_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "imgcls_test_model.build",
        lambda options, num_classes, in_channels: torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(256 * in_channels, num_classes)
        ),
    )
    folder = make_folder("linear")
    train(make_plan(checkpoint={"keep": 9}), folder, World())
    chosen = choose(folder, 2, None)
    assert restated(mean(chosen.files), chosen.plan, tmp_path, quiet) is None


def test_indexes_are_found_in_a_storage_that_was_moved_and_missed_where_they_are_gone(run, tmp_path):
    chosen = choose(run, 2, None)
    tensors = mean(chosen.files)
    expected = restated(tensors, chosen.plan, tmp_path, quiet)
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in tmp_path.glob("*.parquet"):
        shutil.move(file, moved / file.name)
    found = restated(tensors, chosen.plan, moved, quiet)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    with pytest.raises(UserError, match=r"--statistics mean"):
        restated(tensors, chosen.plan, tmp_path, quiet)


def test_what_is_written_is_served_and_has_checksums(run):
    chosen = choose(run, 3, None)
    tensors = mean(chosen.files)
    target = run.path / "averaged"
    write(target, tensors, chosen, "mean")
    assert {path.name for path in target.iterdir()} == {
        "model.safetensors", "plan.json", averaged.RECORD, "manifest.json",
    }  # fmt: skip
    served = load_served(target, CPU)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in served.model.state_dict().items())
    assert json.loads((target / averaged.RECORD).read_text())["steps"] == [4, 8, 12]
    write(target, weights(run, 12), chosen, "mean")  # in the place of the one that was there
    assert [path.name for path in run.path.glob("*averaged*")] == ["averaged"]
    assert torch.equal(load_file(target / "model.safetensors")["9.bias"], weights(run, 12)["9.bias"])


# ---- what is refused ----------------------------------------------------------------------------------------


def refused(*arguments):
    with pytest.raises(UserError) as caught:
        choose(*arguments)
    return str(caught.value)


def test_damaged_checkpoints_are_named(run):
    newest = run.checkpoints / "step-00000012/model.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"x")
    said = refused(run, None, None)
    assert f"{newest.parent}: model.safetensors is not what was written" in said
    assert "--steps 4,8" in said
    assert choose(run, None, [4, 8]).steps == (4, 8)
    (run.checkpoints / "step-00000008/manifest.json").unlink()
    said = refused(run, None, None)
    assert "step-00000012" in said
    assert "step-00000008" in said
    assert "too few are whole" in said


def test_too_few_checkpoints_say_how_more_are_kept(make_plan, make_folder, run):
    folder = make_folder("few")
    train(make_plan(checkpoint={"keep": 2}), folder, World())
    said = refused(folder, 5, None)
    assert "2 checkpoints of its newest, 5 are to be averaged" in said
    assert "set checkpoint.keep = 5" in said
    assert "train on until there are more" in refused(run, 9, None)
    folder = make_folder("one")
    train(make_plan(checkpoint={"keep": 1}), folder, World())
    assert "set checkpoint.keep = 2" in refused(folder, None, None)


def test_the_best_of_long_ago_is_not_among_the_newest(make_plan, make_folder):
    folder = make_folder("best")
    train(make_plan(checkpoint={"keep": 2}, train={"epochs": 5}), folder, World())
    for path in folder.checkpoints.glob("step-*"):
        if path.name not in ("step-00000016", "step-00000020"):
            shutil.rmtree(path)
    shutil.copytree(folder.checkpoints / "step-00000016", folder.checkpoints / "step-00000004")
    assert choose(folder, None, None).steps == (16, 20)
    assert "set checkpoint.keep = 3" in refused(folder, 3, None)
    assert choose(folder, None, [4, 20]).steps == (4, 20)


def test_steps_that_are_not_there_are_named_with_those_that_are(run, make_folder):
    said = refused(run, None, [4, 7])
    assert "--steps 7: no such checkpoints; there are 4, 8, 12" in said
    assert "name two at least" in refused(run, None, [4, 4])
    assert "is no run's folder with checkpoints" in refused(make_folder("empty"), None, None)


def test_whole_numbers_alone_are_the_newests(tmp_path):
    for number in (1, 2):
        save_file(
            {"n": torch.tensor(number), "x": torch.tensor([float(number)], dtype=torch.bfloat16)},
            tmp_path / f"{number}.safetensors",
        )
    found = mean([tmp_path / "1.safetensors", tmp_path / "2.safetensors"])
    assert found["n"].item() == 2
    assert found["x"].dtype == torch.bfloat16
    assert found["x"].item() == 1.5
