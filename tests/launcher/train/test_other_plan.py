"""A run's folder whose newest checkpoint is of another plan: the new plan holds from the next step on."""

import dataclasses
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tests.launcher.train.conftest import reference

from imgcls.plan import Distillation
from imgcls.train import build, meter
from imgcls.train.callback import Callback
from imgcls.train.loop import Run, train
from imgcls.train.world import World

_AT = 5  # the step of the checkpoint
_SGD = {
    "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4, "decay_norm_and_bias": False,
}  # fmt: skip
_ADAMW = {"lr": 0.01, "betas": (0.9, 0.999), "weight_decay": 0.05}


@pytest.fixture(autouse=True)
def look_at_every_step(monkeypatch):
    monkeypatch.setattr(meter, "_SYNC_SECONDS", 0.0)


def optimizer(name, cls, **options):
    return reference(
        name, f"imgcls_optim.optimizers.{name}:build", f"imgcls_optim.optimizers.{name}:{cls}", **options
    )


def sgd(**options):
    return optimizer("sgd", "SGD", **{**_SGD, **options})


def adamw(**options):
    return optimizer("adamw", "AdamW", **{**_ADAMW, **options})


def lamb(**options):
    return optimizer("lamb", "LAMB", **{"lr": 0.02, "weight_decay": 0.05, **options})


def schedule(name, cls, **options):
    return reference(
        name, f"imgcls_optim.schedules.{name}:build", f"imgcls_optim.schedules.{name}:{cls}", **options
    )


def smoothing(value):
    where = "imgcls_optim.losses.cross_entropy"
    return reference("cross_entropy", f"{where}:build", f"{where}:CrossEntropy", label_smoothing=value)


def crop(padding):
    options = "imgcls_augment.options:RandomCrop"
    return (reference("random_crop", "imgcls_augment.random_crop:build", options, padding=padding, fill=0),)


def weights(folder):
    return load_file(max(folder.checkpoints.glob("step-*")) / "model.safetensors")


def same(one, other):
    mine, theirs = weights(one), weights(other)
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.fixture
def stopped(make_folder):
    """Return a function from a plan and a name to a folder in which a run of it was stopped at a step."""

    def stop(plan, name, at=_AT):
        looks = iter(range(1, at + 1))
        folder = make_folder(name)
        assert train(plan, folder, World(stop_requested=lambda: next(looks) == at)).step == at
        return folder

    return stop


def copied(folder, make_folder, name):
    """What the exploit of Population Based Training does: another run's checkpoints in a folder of one's own."""
    mine = make_folder(name)
    shutil.copytree(folder.checkpoints, mine.checkpoints, dirs_exist_ok=True)
    return mine


class Switch(Callback):
    """Gives a run in mid-course what another plan says: what continuing from its checkpoint must come to."""

    def __init__(self, plan):
        self.plan = plan

    def step_ended(self, run):
        if run.state.step != _AT:
            return
        fresh = build.optimizer(self.plan, run.model)
        for mine, theirs in zip(run.optimizer.param_groups, fresh.param_groups, strict=True):
            mine["initial_lr"] = theirs["lr"]
            mine.update({key: theirs[key] for key in ("momentum", "betas", "weight_decay") if key in theirs})
        run.rate = build.schedule(self.plan, run.order)
        run.step.criterion = build.criterion(self.plan, run.world.device, run.inputs.training.index)


CHANGES = {
    "lr": (sgd(), {"optimizer": sgd(lr=0.01)}),
    "momentum": (sgd(), {"optimizer": sgd(momentum=0.3)}),
    "weight decay of SGD": (sgd(), {"optimizer": sgd(weight_decay=0.1)}),
    "betas": (adamw(), {"optimizer": adamw(betas=(0.5, 0.8))}),
    "weight decay of AdamW": (adamw(), {"optimizer": adamw(weight_decay=0.9)}),
    "betas where groups count": (lamb(), {"optimizer": lamb(betas=(0.5, 0.8))}),
    "warm-up": (sgd(), {"schedule": schedule("cosine", "Cosine", warmup_epochs=2.0, final=0.3)}),
    "schedule": (sgd(), {"schedule": schedule("constant", "Constant")}),
    "smoothing": (sgd(), {"loss": smoothing(0.4)}),
    "everything": (
        sgd(),
        {
            "optimizer": sgd(lr=0.02, momentum=0.5, weight_decay=0.01),
            "schedule": schedule("constant", "Constant"),
            "loss": smoothing(0.0),
        },
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_value_holds_as_if_it_had_been_changed_in_mid_run(make_plan, make_folder, stopped, name):
    first, changes = CHANGES[name]
    plan = make_plan(optimizer=first)
    other = dataclasses.replace(plan, **changes)
    folder = stopped(plan, "stopped")
    unchanged, changed, mine = (copied(folder, make_folder, each) for each in ("unchanged", "changed", "mine"))
    assert train(other, changed, World()).step == 12
    run = Run(plan, make_folder("switched"), World())
    run.callbacks = [Switch(other)]
    try:
        run.to_the_end()
    finally:
        run.close()
    assert same(changed, make_folder("switched"))
    train(plan, unchanged, World())
    assert not same(changed, unchanged)

    # and killed after that it goes on exactly, from a checkpoint of its own
    looks = iter(range(1, 4))
    assert train(other, mine, World(stop_requested=lambda: next(looks) == 3)).step == 8
    train(other, mine, World())
    assert same(mine, changed)


def moments(plan, folder):
    """What the optimizer keeps of each parameter after a checkpoint was restored, by name; and its groups."""
    run = Run(plan, folder, World())
    run.close()
    names = [name for group in run.keeper.groups.names for name in group]
    state = run.optimizer.state_dict()
    return {names[number]: entry for number, entry in state["state"].items()}, state["param_groups"]


def test_of_two_models_that_learn_together_both_get_the_other_options(make_plan, make_folder, stopped):
    plan = make_plan(optimizer=lamb())
    both = dataclasses.replace(plan, distill=Distillation("dml", 1.0, 1.0, plan.model, None, None))
    folder = stopped(both, "stopped")
    mine, groups = moments(both, folder)
    other = dataclasses.replace(both, optimizer=lamb(weight_decay=0.0, betas=(0.5, 0.8)))
    theirs, of_theirs = moments(other, folder)
    assert {group["weight_decay"] for group in groups} == {0.0, 0.05}
    for group in of_theirs:
        assert (group["weight_decay"], tuple(group["betas"]), group["step"]) == (0.0, (0.5, 0.8), _AT)
    assert {name.partition(".")[0] for name in mine} == {"model", "peer"}
    assert mine.keys() == theirs.keys()
    for name, entry in mine.items():
        assert all(torch.equal(tensor, theirs[name][key]) for key, tensor in entry.items()), name
    for name in (name for name in mine if name.startswith("model.")):
        assert not torch.equal(mine[name]["mean"], mine[name.replace("model.", "peer.")]["mean"]), name


def test_other_augmentations_hold(make_plan, make_folder, stopped):
    plan = make_plan()
    folder = stopped(plan, "stopped")
    other = dataclasses.replace(plan, augment=crop(6))
    ends = {}
    for name, each in (("as it was", plan), ("changed", other), ("again", other)):
        ends[name] = copied(folder, make_folder, name)
        train(each, ends[name], World())
    assert same(ends["changed"], ends["again"])
    assert not same(ends["changed"], ends["as it was"])


PLATEAU = schedule("plateau", "Plateau", patience=1, factor=0.5)
NEW_PARTS = {
    "a schedule with a state": {"schedule": PLATEAU},
    "a moving average": {"train": {"ema": 0.9}},
    "a loss scaler": {"train": {"precision": "fp16"}},
}


@pytest.mark.parametrize("name", NEW_PARTS)
def test_what_the_other_plan_had_nothing_of_begins_anew(make_plan, make_folder, stopped, name):
    plan = make_plan()
    folder = stopped(plan, "stopped")
    train(make_plan(**NEW_PARTS[name]), folder, World())
    newest = max(folder.checkpoints.glob("step-*"))
    assert newest.name == "step-00000012"
    if name == "a moving average":
        run = Run(make_plan(train={"ema": 0.9}), copied(stopped(plan, "b"), make_folder, "c"), World())
        state = run.model.state_dict()
        assert all(torch.equal(tensor, state[key]) for key, tensor in run.average.tensors.items())
        run.close()
    # back to the first plan: what it has nothing of is of no consequence
    (newest / "manifest.json").write_text("damaged")
    assert train(plan, folder, World()).finished


def test_a_schedule_without_a_state_leaves_none_of_the_one_before_in_its_checkpoints(
    make_plan, make_folder, stopped
):
    plan = make_plan(schedule=PLATEAU)
    folder = stopped(plan, "stopped", at=9)
    without = make_plan(schedule=schedule("constant", "Constant"))
    run = Run(without, folder, World())
    assert run.state.schedule
    run.keeper.save(run.state, without.to_json(), write=True)
    run.close()
    assert run.state.schedule == {}
