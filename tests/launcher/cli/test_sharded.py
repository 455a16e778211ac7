"""A run whose workers had a part of each weight: afterwards it is a run as any other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tests.launcher.train.processes import Job, train_on

from imgcls.plan import Plan
from imgcls.run_folder import RunFolder
from imgcls.train.answers import Answering

EPOCHS = 8
LEARNT = 0.6  # a share of right answers that 8 epochs of 210 images reach with ease; chance is 0.1
# the ranks are started for all tests of this file
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def runs(trained, tmp_path_factory):
    """Two runs of one plan on 2 ranks: ``sharded``, and ``whole`` with DDP."""
    folder, jobs = tmp_path_factory.mktemp("runs"), []
    plan = Plan.from_json((trained / "runs/pngs/plan.json").read_text())
    for name, parallel in (("sharded", "fsdp"), ("whole", "ddp")):
        run = RunFolder(folder / name)
        run.create()
        theirs = replace(plan, train=replace(plan.train, epochs=EPOCHS, parallel=parallel))
        run.plan.write_text(theirs.to_json())
        jobs.append(Job(theirs, run.path))
    train_on(2, jobs, folder)
    return folder


def result(run):
    return json.loads((run / "result.json").read_text())


def predictions(run_imgcls, trained, run):
    """Predict all images, and return class and probabilities of each."""
    ended = run_imgcls("predict", run, trained / "images", "--format", "jsonl", "--top", 10)
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(rows) == 300
    return {
        row["image"]: (row["top"][0]["class"], {each["class"]: each["probability"] for each in row["top"]})
        for row in rows
    }


def accuracy(found):
    return sum(image.split("/")[-2] == told for image, (told, _) in found.items()) / len(found)


def test_predict_answers_what_the_model_does_that_was_trained_as_a_whole(run_imgcls, trained, runs):
    sharded, whole = (predictions(run_imgcls, trained, runs / name) for name in ("sharded", "whole"))
    assert accuracy(sharded) > LEARNT
    for image, (_, probabilities) in sharded.items():
        assert probabilities == pytest.approx(whole[image][1], abs=2e-3)


def test_export_writes_the_weights_of_the_best_checkpoint_and_finds_its_answers_right(run_imgcls, runs, tmp_path):
    ended = run_imgcls("export", runs / "sharded", "--to", "safetensors", "--out", tmp_path / "x.safetensors")
    assert ended.returncode == 0, ended
    found = load_file(tmp_path / "x.safetensors")
    model = Answering.load(runs / "sharded").served.model.state_dict()
    whole = Answering.load(runs / "whole").served.model.state_dict()
    assert found.keys() == model.keys()
    for key, value in found.items():
        assert torch.equal(value, model[key]), key
        assert torch.allclose(value, whole[key], rtol=1e-3, atol=1e-4), key


def test_its_last_checkpoints_are_averaged_and_predict_with_the_mean(run_imgcls, trained, runs, tmp_path):
    ended = run_imgcls("average", runs / "sharded", "--last", 2, "--out", tmp_path / "averaged")
    assert ended.returncode == 0, ended
    *_, before, last = sorted((runs / "sharded/checkpoints").glob("step-*"))
    one, two, mean = (load_file(each / "model.safetensors") for each in (before, last, tmp_path / "averaged"))
    assert mean.keys() == one.keys()
    for key, value in mean.items():
        assert torch.allclose(value, (one[key] + two[key]) / 2, rtol=1e-5, atol=1e-6), key
    assert accuracy(predictions(run_imgcls, trained, tmp_path / "averaged")) > LEARNT


def test_another_run_starts_from_its_weights(run_imgcls, write_recipe, trained, runs):
    recipe = (
        (trained / "pngs.toml").read_text().replace("epochs = 15", "epochs = 1").replace("lr = 0.1", "lr = 1e-9")
    )
    path = write_recipe(f'weights = "{runs}/sharded"\n{recipe}')
    ended = run_imgcls("launch", path, "--workers", 0, "--plain", "--name", "from-it")
    assert ended.returncode == 0, ended
    reached, best = result(path.parent / "runs/from-it"), result(runs / "sharded")["best_top1"]
    assert best > 100 * LEARNT
    assert reached["top1"] == pytest.approx(best, abs=1e-9)
