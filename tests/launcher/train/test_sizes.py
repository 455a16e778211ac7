"""Training at another size than evaluation, and at sizes that grow: exact, and refused where a model cannot."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from imgcls.data.growing import Growth
from imgcls.errors import UserError
from imgcls.plan import Plan
from imgcls.recipe.schema import Progressive
from imgcls.train import meter
from imgcls.train.callback import Callback
from imgcls.train.loop import Run, train
from imgcls.train.sizes import check_sizes
from imgcls.train.world import World

GROWING = Progressive(size=8, begin=0, end=2, multiple=4)  # 8, 12, 16 pixels in three epochs of four steps


def at(plan, train_size=None, progressive=None):
    form = replace(plan.format, train_size=train_size)
    return replace(plan, format=form, progressive=progressive or Progressive())


def last(folder):
    return load_file(max(folder.checkpoints.glob("step-*")) / "model.safetensors")


def assert_same(one, other):
    mine, theirs = last(one), last(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())
    assert one.metrics.read_text() == other.metrics.read_text()


def shapes(plan, folder):
    """Return the sides of the images of each forward pass: in training, and in evaluations."""
    run = Run(plan, folder, World())
    seen = {True: [], False: []}
    run.model.register_forward_pre_hook(
        lambda module, inputs: seen[module.training].append(tuple(inputs[0].shape[2:]))
    )
    run.to_the_end()
    run.close()
    return seen


def test_training_has_its_own_size_and_evaluation_keeps_the_other(make_plan, make_folder):
    seen = shapes(at(make_plan(), train_size=12), make_folder("a"))
    assert seen == {True: [(12, 12)] * 12, False: [(16, 16)] * 9}


def test_images_grow_epoch_by_epoch_up_to_the_size_of_training(make_plan, make_folder):
    seen = shapes(at(make_plan(), progressive=GROWING), make_folder("a"))
    assert seen == {True: [(8, 8)] * 4 + [(12, 12)] * 4 + [(16, 16)] * 4, False: [(16, 16)] * 9}
    wanted = replace(GROWING, end=None)  # by default the last epoch has grown
    assert Growth.of(at(make_plan(), 24, wanted)) == Growth(8, 24, 0, 2, 4)


def test_nothing_set_is_the_same_run_as_all_sizes_set_alike(make_plan):
    plan = make_plan()
    assert Growth.of(plan) is None
    assert plan.format.training is plan.format
    text = plan.to_json()
    assert Plan.from_json(text.replace('"train_size": null', '"train_size": 12')).format.training.size == 12


@pytest.mark.parametrize("step", [2, 4, 5, 8, 11])
def test_killed_and_continued_it_ends_as_if_nothing_had_happened(make_plan, make_folder, step):
    """A checkpoint every third step; killed within a size, at its end, and after its first step."""
    plan = at(make_plan(checkpoint={"every_steps": 3}), progressive=GROWING)
    train(plan, make_folder("whole"), World())
    run = Run(plan, make_folder("killed"), World())

    class Killed(Exception):
        pass

    class Death(Callback):
        def step_ended(self, run):
            if run.state.step == step:
                raise Killed

    run.callbacks = [Death()]
    with pytest.raises(Killed):
        run.to_the_end()
    run.close()
    assert train(plan, make_folder("killed"), World()).finished
    assert_same(make_folder("whole"), make_folder("killed"))


def test_stopped_at_every_step_in_turn_it_ends_as_never_stopped(make_plan, make_folder, monkeypatch):
    monkeypatch.setattr(meter, "_SYNC_SECONDS", 0.0)
    plan = at(make_plan(train={"log_every": 100}), progressive=GROWING)
    train(plan, make_folder("whole"), World())
    for _ in range(20):
        asked = iter([True])
        if train(plan, make_folder("stopped"), World(stop_requested=lambda a=asked: next(a, False))).finished:
            break
    assert_same(make_folder("whole"), make_folder("stopped"))


def test_the_user_is_told_how_images_grow(make_plan, make_folder):
    events = []
    train(at(make_plan(train={"epochs": 3}), progressive=GROWING), make_folder("a"), World(emit=events.append))
    notes = [event["text"] for event in events if event["kind"] == "note"]
    assert "images grow: 8 in epoch 1, 12 in epoch 2, 16 in epoch 3 pixels; evaluated at 16" in notes


# ---- models that take one size ------------------------------------------------------------------------------


def flattening(options, num_classes, in_channels):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256 * in_channels, num_classes))


def broken(options, num_classes, in_channels):
    return torch.nn.Linear(1, num_classes)


def of(plan, builder, monkeypatch):
    monkeypatch.setattr("imgcls_test_model.build", builder)
    return plan


def test_a_model_of_one_size_is_refused_before_the_first_step(make_plan, make_folder, monkeypatch):
    plan = of(make_plan(), flattening, monkeypatch)
    check_sizes(plan)  # one size, and that of the model
    events = []
    with pytest.raises(UserError) as caught:
        train(at(plan, progressive=GROWING), make_folder("a"), World(emit=events.append))
    assert str(caught.value).startswith("tiny does not take images of 8, 12 pixels, but takes 16: ")
    assert "progressive.size" in str(caught.value)
    assert not make_folder("a").has_work
    assert [event["kind"] for event in events] == []
    with pytest.raises(UserError, match=r"does not take images of 12 pixels, but takes 16"):
        check_sizes(at(plan, train_size=12))


def test_a_model_that_takes_no_size_at_all_is_left_to_its_own_error(make_plan, monkeypatch):
    check_sizes(at(of(make_plan(), broken, monkeypatch), train_size=12))


def test_trying_the_sizes_moves_no_weight_and_no_random_number(make_plan):
    plan = at(make_plan(), progressive=GROWING)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    check_sizes(plan)
    assert torch.equal(torch.get_rng_state(), before)
