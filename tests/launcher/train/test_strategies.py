"""What a recipe can ask of a step: each does what it says, and a run with it continues exactly."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file
from tests.launcher.train.bad_loss import Bad
from torch import nn

from imgcls.errors import UserError
from imgcls.plan import Reference
from imgcls.train import meter
from imgcls.train.average import MovingAverage
from imgcls.train.clip import clip_adaptively, clipping
from imgcls.train.criterion import Supervised
from imgcls.train.loop import Run, train
from imgcls.train.step import Step
from imgcls.train.world import World


@pytest.fixture(autouse=True)
def look_at_every_step(monkeypatch):
    monkeypatch.setattr(meter, "_SYNC_SECONDS", 0.0)


def weights(folder, name="model"):
    return load_file(max(folder.checkpoints.glob("step-*")) / f"{name}.safetensors")


def result(folder):
    return json.loads(folder.result.read_text())


def stopping_after(looks):
    asked = 0

    def stop():
        nonlocal asked
        asked += 1
        return asked == looks

    return stop


STRATEGIES = {
    "accumulate": {"accumulate": 3},
    "clip_norm": {"clip_norm": 0.5},
    "clip_value": {"clip_value": 0.01},
    "clip_adaptive": {"clip_adaptive": 0.02},
    "ema": {"ema": 0.9},
    "ema without warm-up": {"ema": 0.9, "ema_warmup": False},
    "fp16": {"precision": "fp16"},
    "channels_last": {"channels_last": True},
    "freeze": {"freeze": ("0.*", "1.*")},
    "skip": {"not_finite": "skip"},
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_run_that_was_stopped_continues_exactly(make_plan, make_folder, name):
    plan = make_plan(train={"epochs": 2, **STRATEGIES[name]})
    whole, stopped, plain = make_folder("whole"), make_folder("stopped"), make_folder("plain")
    train(plan, whole, World())
    assert not train(plan, stopped, World(stop_requested=stopping_after(5))).finished
    assert train(plan, stopped, World()).finished
    files = ["model", "optimizer", *(["ema"] if "ema" in name else [])]
    for file in files:
        mine, theirs = weights(whole, file), weights(stopped, file)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert result(whole)["top1"] == result(stopped)["top1"]
    train(make_plan(train={"epochs": 2}), plain, World())
    if name not in ("ema", "ema without warm-up", "skip", "channels_last"):
        assert any(not torch.equal(value, weights(plain)[key]) for key, value in weights(whole).items())


def step_of(model, **options):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return Step(model, Supervised(nn.CrossEntropyLoss()), optimizer, torch.enable_grad, **options)


@pytest.mark.parametrize("parts", [2, 3, 5, 50])
def test_accumulated_gradients_are_those_of_the_whole(parts):
    images, labels = torch.randn(13, 3, 4, 4), torch.arange(13) % 3
    results = []
    for accumulate in (1, parts):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
        loss, logits = step_of(model, accumulate=accumulate)(images, labels, 1)
        results.append((loss, logits, model[1].weight.detach()))
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_ranks_exchange_gradients_once_an_update():
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    passes = []

    class Shared(nn.Module):
        def forward(self, x):
            passes.append("alone" if self.alone else "shared")
            return model(x)

        alone = False

        def no_sync(self):
            outer = self

            class Alone:
                def __enter__(self):
                    outer.alone = True

                def __exit__(self, *_):
                    outer.alone = False

            return Alone()

    shared = Shared()
    shared.inner = model
    step_of(shared, accumulate=3)(torch.randn(7, 3, 4, 4), torch.arange(7) % 3, 1)
    assert passes == ["alone", "alone", "shared"]


def test_auxiliary_losses_count_with_their_weights():
    from imgcls import WithAuxiliary

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x):
            x = x.flatten(1)
            return WithAuxiliary(self.one(x), ((0.3, self.two(x)),))

    torch.manual_seed(0)
    model = Two()
    images, labels = torch.randn(5, 1, 2, 2), torch.arange(5) % 3
    outputs = model(images)
    cross_entropy = nn.functional.cross_entropy
    expected = cross_entropy(outputs.logits, labels) + 0.3 * cross_entropy(outputs.auxiliary[0][1], labels)
    loss, logits = step_of(model)(images, labels, 1)
    assert torch.allclose(loss, expected)
    assert torch.equal(logits, outputs.logits)


def settings(**options):
    from imgcls.recipe.schema import Train

    return Train(epochs=1, batch_size=1, **options)


def with_gradients():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 7))
    for parameter in model.parameters():
        parameter.grad = 10 * torch.randn_like(parameter)
    return model


def test_clipping_by_norm_and_by_value():
    model = with_gradients()
    direction = model[0].weight.grad / model[0].weight.grad.norm()
    clipping(settings(clip_norm=0.5), model, 7)()
    assert torch.stack([p.grad.norm() for p in model.parameters()]).norm() == pytest.approx(0.5, rel=1e-4)
    assert torch.allclose(model[0].weight.grad / model[0].weight.grad.norm(), direction, atol=1e-6)
    model = with_gradients()
    clipping(settings(clip_value=0.25), model, 7)()
    assert max(p.grad.abs().max().item() for p in model.parameters()) == 0.25


def test_adaptive_clipping_is_by_unit_and_leaves_the_head_alone():
    model = with_gradients()
    head = model[2].weight.grad.clone()
    clipping(settings(clip_adaptive=0.1), model, 7)()
    assert torch.equal(model[2].weight.grad, head)
    weight = model[0].weight
    for unit in range(4):
        assert weight.grad[unit].norm() == pytest.approx(0.1 * weight[unit].norm().item(), rel=1e-4)
    small = nn.Parameter(torch.ones(2, 3))
    small.grad = torch.full((2, 3), 1e-3)
    clip_adaptively([small], 0.1)
    assert torch.equal(small.grad, torch.full((2, 3), 1e-3))


def test_a_moving_average_follows_its_formula():
    model = nn.Linear(2, 2)
    average = MovingAverage(model, 0.9, warmup=True)
    expected = model.weight.detach().clone()
    for step in range(1, 120):
        with torch.no_grad():
            model.weight += 0.1
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    assert torch.allclose(average.tensors["weight"], expected, rtol=1e-5)
    before = model.weight.detach().clone()
    with average.in_place():
        assert torch.equal(model.weight, average.tensors["weight"])
    assert torch.equal(model.weight, before)


def test_the_average_is_what_is_evaluated(make_plan, make_folder):
    plan = make_plan(train={"epochs": 2, "ema": 0.5})
    folder = make_folder("a")
    train(plan, folder, World())
    run = Run(plan, folder, World())
    with run.average.in_place():
        run.state.best_top1 = 101
        run.average.tensors = {}  # what the model holds now is evaluated
        run._evaluate(2)
    run.close()
    assert run.state.metrics["top1"] == result(folder)["top1"]
    saved = weights(folder, "ema")
    assert saved.keys() == weights(folder).keys()
    assert any(not torch.equal(saved[key], tensor) for key, tensor in weights(folder).items())


def test_frozen_parameters_and_statistics_stay(make_plan, make_folder):
    plan = make_plan(train={"epochs": 2, "freeze": ("0.*", "1.*")})
    run = Run(plan, make_folder("a"), World())
    before = {key: tensor.clone() for key, tensor in run.model.state_dict().items()}
    run.to_the_end()
    run.close()
    after = run.model.state_dict()
    for key, tensor in before.items():
        assert torch.equal(tensor, after[key]) == key.startswith(("0.", "1.")), key


def test_a_pattern_that_freezes_nothing_or_everything_is_refused(make_plan, make_folder):
    with pytest.raises(UserError, match=r"no parameter of the model is named '9.weigt'; did you mean '9.weight'"):
        Run(make_plan(train={"freeze": ("9.weigt",)}), make_folder("a"), World())
    with pytest.raises(UserError, match="leaves no parameter to train"):
        Run(make_plan(train={"freeze": ("*",)}), make_folder("a"), World())


def test_patience_ends_a_run_early_and_it_stays_ended(make_plan, make_folder):
    plan = make_plan(train={"epochs": 30, "patience": 2})
    folder = make_folder("a")
    assert train(plan, folder, World()).finished
    found = result(folder)
    assert found["stopped_early"]
    assert found["epochs"] < 30
    records = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    top1 = [record["top1"] for record in records if record["kind"] == "evaluation"]
    assert max(top1[:-2]) == max(top1)
    assert len(top1) == found["epochs"]
    folder.result.unlink()
    train(plan, folder, World())
    assert result(folder)["steps"] == found["steps"]


def bad_plan(make_plan, policy, *bad, **more):
    Bad.calls, Bad.bad_calls = 0, bad
    plan = make_plan(train={"epochs": 3, "not_finite": policy}, **more)
    loss = Reference("bad", "tests.launcher.train.bad_loss:build", "imgcls.component:NoOptions", {}, "x")
    return dataclasses.replace(plan, loss=loss)


def test_a_loss_that_is_no_number_stops_a_run_with_its_samples(make_plan, make_folder):
    folder = make_folder("a")
    with pytest.raises(UserError) as stopped:
        train(bad_plan(make_plan, "stop", 6), folder, World())
    text = str(stopped.value)
    assert "the loss of step 6 is not a finite number" in text
    assert "last checkpoint before it: checkpoints/step-00000004" in text
    record = json.loads(folder.not_finite.read_text())
    assert (record["step"], record["epoch"]) == (6, 2)
    assert len(record["samples"]) in (6, 7)
    assert all(torch.isfinite(t).all() for t in weights(folder).values() if t.is_floating_point())


def test_skipping_leaves_everything_as_it_was(make_plan, make_folder):
    folder, events = make_folder("a"), []
    assert train(bad_plan(make_plan, "skip", 6), folder, World(emit=events.append)).finished
    warnings = [event["text"] for event in events if event["kind"] == "warning"]
    assert len(warnings) == 1
    assert "the loss of step 6 is not a finite number" in warnings[0]
    assert "the update is left out" in warnings[0]
    epochs = [json.loads(line) for line in folder.metrics.read_text().splitlines() if '"kind": "epoch"' in line]
    assert [record["n"] < 26 for record in epochs] == [False, True, False]
    assert all(torch.isfinite(t).all() for t in weights(folder).values() if t.is_floating_point())


def test_rolling_back_goes_on_from_the_checkpoint_without_that_batch(make_plan, make_folder):
    folder, events = make_folder("a"), []
    # step 6 is bad; going back to step 4, step 5 is done again, step 6 is not
    assert train(bad_plan(make_plan, "rollback", 6), folder, World(emit=events.append)).finished
    (warning,) = [event["text"] for event in events if event["kind"] == "warning"]
    assert "going back to step 4, and passing over that batch" in warning
    assert Bad.calls == 6 + 1 + 6
    skipped = make_folder("skipped")
    train(bad_plan(make_plan, "skip", 6), skipped, World())
    assert all(torch.equal(tensor, weights(skipped)[key]) for key, tensor in weights(folder).items())


def test_rolling_back_without_a_checkpoint_ends_with_advice(make_plan, make_folder):
    with pytest.raises(UserError, match=r"no checkpoint to go back to; set checkpoint.every_steps"):
        train(bad_plan(make_plan, "rollback", 2), make_folder("a"), World())


@pytest.mark.slow
def test_a_compiled_model_continues_exactly(make_plan, make_folder):
    plan = make_plan(train={"epochs": 2, "compile": True})
    train(plan, make_folder("whole"), World())
    train(plan, make_folder("stopped"), World(stop_requested=stopping_after(5)))
    train(plan, make_folder("stopped"), World())
    mine, theirs = weights(make_folder("whole")), weights(make_folder("stopped"))
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert "9.weight" in mine  # names are those of the model, not of what compiles it


def test_synchronised_batch_norm_needs_gpus(make_plan, make_folder):
    with pytest.raises(UserError, match="needs GPUs"):
        Run(make_plan(train={"sync_batch_norm": True}), make_folder("a"), World())
