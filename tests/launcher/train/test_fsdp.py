"""Weights of which each rank has a part: the same training, the same files, a fraction of the memory."""

import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tests.launcher.train.conftest import planned, reference
from tests.launcher.train.processes import Job, train_on

from imgcls.run_folder import RunFolder
from imgcls.train.evaluate import in_step
from imgcls.train.loop import train
from imgcls.train.world import World

# the gradient of a key's bias is 0 but for rounding, which a smaller eps would make steps of
ADAMW = reference(
    "adamw", "imgcls_optim.optimizers.adamw:build", "imgcls_optim.optimizers.adamw:AdamW",
    lr=0.005, weight_decay=0.05, eps=1e-4,
)  # fmt: skip
SAM = reference("sam", "imgcls_optim.optimizers.sam:build", "imgcls_optim.optimizers.sam:SAM", lr=0.02)
# what is asked of both kinds; 26 samples in batches of 8 are shares of 4 and 3, 19 are evaluated in 3 batches
RECIPES = {
    "plain": ("residual", {}, {}),
    "transformer": ("transformer", {"clip_norm": 0.5}, {"optimizer": ADAMW}),
    "much": (
        "residual",
        {"accumulate": 2, "ema": 0.9, "clip_norm": 1.0, "clip_value": 0.2, "activation_checkpointing": True},
        {},
    ),
    "half": ("residual", {"precision": "fp16", "clip_adaptive": 0.05, "freeze": ("0.*", "1.*")}, {}),
    "sam": ("residual", {"not_finite": "skip", "eval_flip": True}, {"optimizer": SAM}),
}

CONTINUED = ("transformer", "much", "half")
# the first test starts the ranks for all of them
pytestmark = pytest.mark.timeout(900)


def plan_of(name, folder, parallel, **changes):
    model, settings, others = RECIPES[name]
    plan = planned(folder, train={"epochs": 2, "parallel": parallel, **settings}, **others, **changes)
    built = reference(model, f"tests.launcher.train.block_models:{model}", "imgcls.component:NoOptions")
    return dataclasses.replace(plan, model=built)


def new_folder(folder, *names):
    made = RunFolder(folder.joinpath(*names))
    made.create()
    return made.path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All recipes on 2 ranks, as a whole with DDP and FSDP, some stopped after step 5 and continued with FSDP."""
    folder, jobs = tmp_path_factory.mktemp("fsdp"), []
    for name in RECIPES:
        ddp, fsdp = (plan_of(name, folder, parallel) for parallel in ("ddp", "fsdp"))
        jobs += [Job(ddp, new_folder(folder, name, "ddp")), Job(fsdp, new_folder(folder, name, "fsdp"))]
        if name in CONTINUED:
            stopped = new_folder(folder, name, "stopped")
            jobs += [Job(fsdp, stopped, stop_after=5), Job(fsdp, stopped)]
    much = plan_of("much", folder, "ddp")
    kept = dataclasses.replace(much, train=dataclasses.replace(much.train, activation_checkpointing=False))
    jobs.append(Job(kept, new_folder(folder, "much", "kept")))
    half = new_folder(folder, "half way")
    jobs.append(Job(plan_of("plain", folder, "fsdp"), half, stop_after=5))
    train_on(2, jobs, folder)
    return folder


def tensors(run, file="model"):
    return load_file(max(run.glob("checkpoints/step-*")) / f"{file}.safetensors")


def files(name):
    return ["model", "optimizer", *(["ema"] if "ema" in RECIPES[name][1] else [])]


def result(run):
    return json.loads((run / "result.json").read_text())


def assert_close(run, other, file="model"):
    mine, theirs = tensors(run, file), tensors(other, file)
    assert list(mine) == list(theirs)
    for key, value in mine.items():
        assert value.shape == theirs[key].shape
        assert torch.allclose(value, theirs[key], rtol=1e-4, atol=1e-5), key


@pytest.mark.parametrize("name", RECIPES)
def test_weights_moments_and_averages_are_those_of_ddp(runs, name):
    for file in files(name):
        assert_close(runs / name / "fsdp", runs / name / "ddp", file)
    assert result(runs / name / "fsdp")["n"] == 19
    assert result(runs / name / "fsdp")["top1"] == pytest.approx(result(runs / name / "ddp")["top1"], abs=100 / 19)


@pytest.mark.parametrize("name", CONTINUED)
def test_a_run_that_was_stopped_continues_exactly(runs, name):
    for file in files(name):
        mine, theirs = tensors(runs / name / "fsdp", file), tensors(runs / name / "stopped", file)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert result(runs / name / "fsdp")["top1"] == result(runs / name / "stopped")["top1"]
    assert result(runs / name / "fsdp")["loss"] == result(runs / name / "stopped")["loss"]


@pytest.mark.parametrize("name", RECIPES)
def test_the_weights_have_moved(runs, name):
    assert max(value.abs().max() for value in tensors(runs / name / "fsdp", "optimizer").values()) > 1e-3


def test_blocks_that_are_computed_again_change_nothing_on_two_ranks(runs):
    for file in files("much"):
        mine, theirs = (tensors(runs / "much" / how, file) for how in ("ddp", "kept"))
        assert all(torch.equal(value, theirs[key]) for key, value in mine.items())


def test_a_rank_has_half_of_the_weights_and_of_the_moments(runs):
    for name, kept in (("transformer", 2), ("plain", 1)):
        found = [json.loads((runs / name / "fsdp" / f"found-{rank}.json").read_text()) for rank in (0, 1)]
        whole = json.loads((runs / name / "ddp" / "found-0.json").read_text())["own weights"]
        assert whole == found[0]["weights"] == sum(each["own weights"] for each in found)
        for each in found:
            assert each["own weights"] < 0.53 * whole
            assert each["own state"] < 0.53 * kept * whole + 50  # AdamW counts the steps of each weight


def continued(runs, name):
    copied = runs / name
    shutil.copytree(runs / "half way", copied)
    return copied


def test_a_checkpoint_continues_on_three_ranks_with_ddp_and_alone(runs):
    three, again, ddp, alone = (continued(runs, name) for name in ("three", "three again", "with ddp", "alone"))
    fsdp = plan_of("plain", runs, "fsdp")
    train_on(3, [Job(fsdp, three), Job(fsdp, again)], runs)
    train_on(2, [Job(plan_of("plain", runs, "ddp"), ddp)], runs)
    train(fsdp, RunFolder(alone), World())
    # dropout and batch norm see other shares of a batch on another number of ranks
    assert_close(ddp, runs / "plain" / "fsdp")
    assert_close(ddp, runs / "plain" / "fsdp", "optimizer")
    for run in (three, alone):
        assert tensors(run).keys() == tensors(ddp).keys()
        assert result(run)["steps"] == 8
        assert result(run)["n"] == 19
    assert all(torch.equal(value, tensors(again)[key]) for key, value in tensors(three).items())
    # the state of a parameter is found by its name
    names = [parameters_of(run) for run in (three, ddp, alone, runs / "half way")]
    assert all(each == names[0] for each in names)
    assert all(name.startswith("model.") for name in names[0])


def parameters_of(run):
    state = json.loads((max(run.glob("checkpoints/step-*")) / "state.json").read_text())
    return [name for group in state["groups"]["names"] for name in group]


def test_alone_it_is_the_plain_model(runs, tmp_path):
    found = []
    for parallel in ("ddp", "fsdp"):
        folder = new_folder(tmp_path, parallel)
        train(plan_of("plain", tmp_path, parallel), RunFolder(folder), World())
        found.append(tensors(folder))
    assert all(torch.equal(value, found[1][key]) for key, value in found[0].items())


def test_a_rank_without_batches_takes_part_as_often_as_the_others():
    class Two(World):
        def most(self, number):
            told.append(number)
            return int(len(told) <= 2)

    told = []
    nothing = torch.zeros(0, 1, 16, 16)
    batches = list(in_step([(torch.ones(3, 1, 16, 16), torch.arange(3))], nothing, Two()))
    assert [len(images) for images, _ in batches] == [3, 0]
    assert [labels.tolist() for _, labels in batches] == [[0, 1, 2], []]
    assert told == [1, 0, 0]
