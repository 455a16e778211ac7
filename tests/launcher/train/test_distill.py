"""Learning from another model's answers: each loss as its formula, and runs that continue exactly."""

import copy
import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from imgcls import WithAuxiliary
from imgcls.distillation import notes
from imgcls.errors import UserError
from imgcls.plan import Distillation, Reference
from imgcls.recipe.schema import Train
from imgcls.train import build, meter, peers
from imgcls.train.criterion import Supervised
from imgcls.train.distill import FromTeacher, Mutual, SoftLabels, divergence, symmetric
from imgcls.train.evaluate import evaluate
from imgcls.train.loop import Run, train
from imgcls.train.outputs import OfBoth
from imgcls.train.served import load_served
from imgcls.train.step import Step, autocast
from imgcls.train.teacher import Teacher, load_teacher
from imgcls.train.world import World
from imgcls.weights import locate

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def look_at_every_step(monkeypatch):
    monkeypatch.setattr(meter, "_SYNC_SECONDS", 0.0)


# the formulas, written out


def softmax(logits, temperature=1.0):
    powers = np.exp(logits / temperature - (logits / temperature).max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def kl(p, q):
    return (p * np.log(p / q)).sum(1).mean()


def cross_entropy(logits, shares):
    return -(shares * np.log(softmax(logits))).sum(1).mean()


def drawn(n=7, classes=5):
    """Logits of three heads and shares of the classes, as a mixed batch has them: float64 arrays (n, classes)."""
    rng = np.random.default_rng(3)
    heads = [3 * rng.standard_normal((n, classes)) for _ in range(3)]
    return (*heads, rng.dirichlet(np.ones(classes), n))


def tensor(array):
    return torch.tensor(array, dtype=torch.float32, requires_grad=True)


IMAGES = torch.zeros(7, 1, 2, 2)
LABELS = Supervised(nn.CrossEntropyLoss())


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_the_divergences_are_their_formulas(temperature):
    one, other, *_ = drawn()
    p, q = softmax(one, temperature), softmax(other, temperature)
    there, back = temperature**2 * kl(p, q), temperature**2 * kl(q, p)
    assert divergence(tensor(one), tensor(other), temperature).item() == pytest.approx(there, rel=1e-5)
    assert symmetric(tensor(one), tensor(other), temperature).item() == pytest.approx((there + back) / 2, rel=1e-5)
    assert divergence(tensor(one), tensor(one), temperature).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("function", [divergence, symmetric])
def test_the_divergences_have_the_gradients_of_their_values(function):
    pair = [torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda *logits: function(*logits, 2.5), pair)


def test_soft_labels_are_a_share_of_the_loss_and_further_heads_learn_from_labels_alone():
    student, taught, head, shares = drawn()
    criterion = SoftLabels(LABELS, lambda _: tensor(taught).detach(), 0.7, 3.0)
    logits = tensor(student)
    loss, scored = criterion(IMAGES, WithAuxiliary(logits, ((0.4, tensor(head)),)), tensor(shares).detach())
    expected = (
        0.3 * cross_entropy(student, shares)
        + 0.7 * 9 * kl(softmax(taught, 3.0), softmax(student, 3.0))
        + 0.4 * cross_entropy(head, shares)
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert scored is logits


def test_ssld_learns_from_the_teacher_alone():
    student, taught, head, shares = drawn()
    criterion = FromTeacher(lambda _: tensor(taught).detach(), 1.0)
    outputs = WithAuxiliary(tensor(student), ((0.4, tensor(head)),))
    loss, scored = criterion(IMAGES, outputs, tensor(shares))
    t, s, h = softmax(taught), softmax(student), softmax(head)
    assert loss.item() == pytest.approx((kl(s, t) + kl(t, s)) / 2 + 0.4 * (kl(h, t) + kl(t, h)) / 2, rel=1e-5)
    assert scored is outputs.logits
    again, _ = criterion(IMAGES, outputs, torch.zeros(7, dtype=torch.int64))
    assert torch.equal(again, loss)


def test_two_models_learn_from_labels_and_each_from_the_other_as_it_is():
    one, other, head, shares = drawn()
    first, second = tensor(one), tensor(other)
    outputs = OfBoth(first, WithAuxiliary(second, ((0.4, tensor(head)),)))
    loss, scored = Mutual(LABELS, 0.6, 2.0)(IMAGES, outputs, tensor(shares).detach())
    p, q = softmax(one, 2.0), softmax(other, 2.0)
    expected = (
        cross_entropy(one, shares)
        + cross_entropy(other, shares)
        + 0.4 * cross_entropy(head, shares)
        + 0.6 * 4 * (kl(q, p) + kl(p, q))
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert scored is first
    loss.backward()
    # d T^2 KL(q || p) / d one = T (p - q) / N: what it would be with the other a constant
    of_first = (softmax(one) - shares + 0.6 * 2 * (p - q)) / len(one)
    of_second = (softmax(other) - shares + 0.6 * 2 * (q - p)) / len(one)
    np.testing.assert_allclose(first.grad, of_first, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(second.grad, of_second, rtol=1e-4, atol=1e-6)


# the teacher


class Flat(nn.Module):
    """Gives pixels of the middle as logits, and in training something else."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, x):
        self.seen = x
        return (x if self.training else x * self.factor).mean((2, 3))


def pixels(form, size):
    """Images in 0..1, float32, and the same normalised."""
    images = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (form.mean, form.std))
    return images, (images - mean) / std


@pytest.fixture
def rgb(make_plan):
    return dataclasses.replace(
        make_plan().format, size=16, channels=3, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )


def test_a_teacher_sees_the_images_as_it_was_trained_on_them(rgb):
    own = dataclasses.replace(rgb, mean=(0.5, 0.4, 0.3), std=(0.5, 0.25, 1.0))
    model = Flat()
    teacher = Teacher(model, own, rgb, autocast("float32", CPU))
    images, normalised = pixels(rgb, 16)
    answers = teacher(normalised)
    mean, std = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (own.mean, own.std))
    torch.testing.assert_close(model.seen, (images - mean) / std, rtol=1e-5, atol=1e-6)
    assert (answers.dtype, answers.requires_grad, model.training) == (torch.float32, False, False)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_teacher_that_was_trained_on_the_same_images_is_given_them_untouched(rgb):
    model = Flat()
    _, normalised = pixels(rgb, 16)
    Teacher(model, rgb, rgb, autocast("float32", CPU))(normalised)
    assert model.seen is normalised


@pytest.mark.parametrize("size", [12, 24])
def test_images_of_another_size_are_resized_to_the_teachers(rgb, size):
    model = Flat()
    _, normalised = pixels(rgb, size)
    Teacher(model, rgb, rgb, autocast("float32", CPU))(normalised)
    assert model.seen.shape == (4, 3, 16, 16)
    flat = torch.full((4, 3, size, size), 0.25)
    Teacher(model, rgb, rgb, autocast("float32", CPU))(flat)
    torch.testing.assert_close(model.seen, torch.full((4, 3, 16, 16), 0.25))


def test_a_teachers_forward_pass_is_in_the_runs_precision(rgb):
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))
    kinds = []
    linear[1].register_forward_hook(lambda _module, _inputs, output: kinds.append(output.dtype))
    answers = Teacher(linear, rgb, rgb, autocast("bf16", CPU))(pixels(rgb, 16)[1])
    assert kinds == [torch.bfloat16]
    assert answers.dtype == torch.float32


# runs


@pytest.fixture
def teacher_of(make_plan, make_folder):
    """Return a function that trains a teacher and returns its folder."""

    def made(epochs=4):
        folder = make_folder("teacher")
        if not folder.result.exists():
            train(make_plan(train={"epochs": epochs}), folder, World())
        return folder

    return made


def distilled(plan, method, teacher=None, weight=0.7, temperature=2.0, **own):
    """The plan, with distillation from a run's folder, or of two models."""
    found = None if teacher is None else locate(str(teacher.path))
    form = None if teacher is None else dataclasses.replace(plan.format, **own)
    return dataclasses.replace(plan, distill=Distillation(method, temperature, weight, plan.model, form, found))


def to_the_end(epochs):
    return {"epochs": epochs, "evaluate_every": epochs, "batch_size": 16}


def last(folder, name="model"):
    return load_file(max(folder.checkpoints.glob("step-*")) / f"{name}.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


def stopping_after(looks):
    asked = 0

    def stop():
        nonlocal asked
        asked += 1
        return asked == looks

    return stop


MIXUP = Reference("mixup", "imgcls_augment.mixup:build", "imgcls_augment.options:Mixup", {"alpha": 0.4}, "x")
HARD = {"precision": "fp16", "ema": 0.9, "accumulate": 2, "clip_norm": 0.5}


@pytest.mark.parametrize(
    ("method", "settings"),
    [("soft", {}), ("ssld", {}), ("dml", {}), ("soft", HARD), ("dml", HARD), ("dml", {"not_finite": "skip"})],
)
def test_a_run_that_was_stopped_continues_exactly(make_plan, make_folder, teacher_of, method, settings):
    plan = make_plan(train={"epochs": 2, **settings})
    plan = distilled(plan, method, None if method == "dml" else teacher_of())
    whole, stopped, plain = make_folder("whole"), make_folder("stopped"), make_folder("plain")
    train(plan, whole, World())
    assert not train(plan, stopped, World(stop_requested=stopping_after(5))).finished
    assert train(plan, stopped, World()).finished
    names = ["model", "optimizer", *(["peer"] if method == "dml" else []), *(["ema"] if "ema" in settings else [])]
    assert {f"{name}.safetensors" for name in names} == {
        p.name for p in max(whole.checkpoints.glob("step-*")).glob("*.safetensors")
    }
    assert all(same(last(whole, name), last(stopped, name)) for name in names)
    train(dataclasses.replace(plan, distill=None), plain, World())
    assert not same(last(plain), last(whole))


def test_mixed_images_and_further_losses_are_learnt_from_too(make_plan, make_folder, teacher_of):
    binary = Reference(
        "binary_cross_entropy",
        "imgcls_optim.losses.binary_cross_entropy:build",
        "imgcls_optim.losses.binary_cross_entropy:BinaryCrossEntropy",
        {},
        "x",
    )
    plan = make_plan(train={"epochs": 1}, loss=binary)
    plan = dataclasses.replace(plan, augment=(*plan.augment, MIXUP))
    for method in ("soft", "ssld", "dml"):
        folder = make_folder(method)
        assert train(distilled(plan, method, None if method == "dml" else teacher_of()), folder, World()).finished
        lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
        assert all(np.isfinite(line["loss"]) for line in lines)


def test_a_teacher_stays_as_it_was(make_plan, make_folder, teacher_of):
    source = teacher_of()
    plan = distilled(make_plan(train={"epochs": 2}), "soft", source)
    before = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in source.path.rglob("*.safetensors")}
    run = Run(plan, make_folder("a"), World())
    teacher = run.criterion.teacher
    was = {key: tensor.clone() for key, tensor in teacher.model.state_dict().items()}
    assert same(was, last(source))
    run.to_the_end()
    run.close()
    assert same(was, teacher.model.state_dict())
    assert all(parameter.grad is None for parameter in teacher.model.parameters())
    assert before == {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in source.path.rglob("*.safetensors")}
    of_run = {id(p) for p in run.model.parameters()}
    assert not of_run & {id(p) for p in teacher.model.parameters()}
    assert len(last(make_folder("a"))) == len(was)


def test_a_student_of_ssld_comes_closer_to_its_teacher(make_plan, make_folder, teacher_of):
    source = teacher_of(epochs=12)
    plan = distilled(
        make_plan(train=to_the_end(30), checkpoint={"every_epochs": 30}, n=48), "ssld", source, temperature=1.0
    )
    folder = make_folder("a")
    train(plan, folder, World())
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["kind"] == "epoch"]
    assert losses[-1] < 0.5 * losses[0], losses


def test_a_teacher_of_other_classes_another_model_or_another_file_is_named(make_plan, make_folder, teacher_of):
    source = teacher_of()
    plan = distilled(make_plan(), "soft", source)
    four = dataclasses.replace(plan.data, classes=("a", "b", "c", "d"))
    with pytest.raises(
        UserError, match=r"distill\.teacher .*of 4 classes: .*nothing was loaded(.|\n)*9\.weight is 3x64"
    ):
        load_teacher(dataclasses.replace(plan, data=four), CPU)
    file = Path(plan.distill.weights.path)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(UserError, match="it is another file"):
        Run(plan, make_folder("a"), World())
    file.unlink()
    with pytest.raises(UserError, match=r"weights .*teacher"):
        Run(plan, make_folder("a"), World())


def test_what_is_said_of_a_teacher_before_training(make_plan, teacher_of):
    plan = make_plan()
    assert notes(plan) == []
    source = teacher_of()
    (line,) = notes(distilled(plan, "soft", source))
    assert line.startswith(f"the teacher is tiny of {source.path}, SHA-256 ")
    assert "resized to its own 24x24 pixels" in notes(distilled(plan, "soft", source, size=24))[1]
    other = dataclasses.replace(distilled(plan, "soft", source).distill, seen="another digest")
    assert "seen images of the validation set" in notes(dataclasses.replace(plan, distill=other))[1]
    same_split = dataclasses.replace(other, seen=plan.data.train.digest)
    assert len(notes(dataclasses.replace(plan, distill=same_split))) == 1
    assert notes(distilled(plan, "dml")) == ["tiny and a second model, tiny, learn together; the first is served"]


# two models


def test_two_models_begin_apart_and_both_learn(make_plan, make_folder):
    plan = distilled(
        make_plan(train=to_the_end(30), checkpoint={"every_epochs": 30}, n=48), "dml", weight=1.0, temperature=1.0
    )
    run = Run(plan, make_folder("a"), World())
    both = (run.trained.first, run.trained.second)
    assert run.model is both[0]
    assert same(run.model.state_dict(), build.model(plan, CPU).state_dict())
    assert not torch.equal(both[0][9].weight, both[1][9].weight)

    def losses():
        batches = [(images.clone(), labels.clone()) for images, labels in evaluation(run)]
        return [evaluate(each, batches, 8, 3, run.precision, World()).loss_sum for each in both]

    before = losses()
    run.to_the_end()
    run.close()
    assert all(after < 0.7 * was for after, was in zip(losses(), before, strict=True))
    assert not same(both[0].state_dict(), both[1].state_dict())


def evaluation(run):
    from imgcls.data.loader import evaluation_batches

    return evaluation_batches(run.inputs.evaluation, 8, 0, 1, run.machine, None)


def test_the_first_of_two_models_is_what_is_averaged_and_served(make_plan, make_folder):
    plan = distilled(make_plan(train={"epochs": 1, "ema": 0.5}), "dml")
    folder = make_folder("a")
    run = Run(plan, folder, World())
    first, second = run.trained.first, run.trained.second
    run.to_the_end()
    run.close()
    assert same(last(folder), first.state_dict())
    assert same(last(folder, "peer"), second.state_dict())
    served = load_served(folder.path, CPU)
    assert served.file.name == "ema.safetensors"
    assert same(last(folder, "ema"), served.model.state_dict())
    assert last(folder, "ema").keys() == first.state_dict().keys()


def test_the_second_of_two_models_can_be_another(make_plan, make_folder):
    lenet = Reference(
        "lenet5",
        "imgcls_zoo.lenet:build",
        "imgcls_zoo.catalog.lenet:LeNet5",
        {"activation": "tanh", "pooling": "average", "padding": 2},
        "x",
    )
    plan = make_plan(train={"epochs": 1})
    plan = dataclasses.replace(plan, format=dataclasses.replace(plan.format, size=28, eval_resize=28))
    plan = dataclasses.replace(plan, distill=Distillation("dml", 1.0, 1.0, lenet, None, None))
    folder = make_folder("a")
    assert train(plan, folder, World()).finished
    assert "c1.weight" in last(folder, "peer")
    assert "9.weight" in last(folder)


@pytest.mark.parametrize("parts", [2, 3])
def test_accumulated_gradients_of_two_models_are_those_of_the_whole(parts):
    images, labels = torch.randn(13, 3, 4, 4), torch.arange(13) % 3
    results = []
    for accumulate in (1, parts):
        torch.manual_seed(0)
        pair = peers.Peers(*(nn.Sequential(nn.Flatten(), nn.Linear(48, 3)) for _ in range(2)))
        optimizer = torch.optim.SGD(pair.parameters(), lr=0.1)
        step = Step(pair, Mutual(LABELS, 1.0, 2.0), optimizer, torch.enable_grad, accumulate=accumulate)
        loss, logits = step(images, labels, 1)
        results.append((loss, logits, *(parameter.detach() for parameter in pair.parameters())))
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def reference(name, **options):
    place = f"imgcls_optim.optimizers.{name}"
    kinds = {"sgd": "SGD", "adamw": "AdamW", "muon": "Muon", "sam": "SAM"}
    return Reference(name, f"{place}:build", f"{place}:{kinds[name]}", {"lr": 0.05, **options}, "x")


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon", "sam"])
def test_both_optimizers_do_what_each_would_alone_and_are_restored(make_plan, name):
    plan = distilled(make_plan(), "dml")
    plan = dataclasses.replace(plan, optimizer=reference(name))
    pair, alone = (peers.trained(plan, build.model(plan, CPU), CPU) for _ in range(2))
    both = peers.optimizer(plan, pair)
    each = [build.optimizer(plan, model) for model in (alone.first, alone.second)]
    images = torch.randn(5, 1, 16, 16)

    def updates(models, optimizers, first, end):
        for number in range(first, end):
            for model, optimizer in zip(models, optimizers, strict=True):
                model.eval()  # no dropout, which would be drawn in another order
                for _ in range(2 if name == "sam" else 1):
                    optimizer.zero_grad()
                    outputs = model(images + number)
                    parts = outputs if isinstance(outputs, OfBoth) else (outputs,)
                    sum(part.square().mean() for part in parts).backward()
                    if name == "sam" and _ == 0:
                        optimizer.ascend()
                optimizer.step()

    updates([pair], [both], 0, 2)
    updates([alone.first, alone.second], each, 0, 2)
    assert same(pair.state_dict(), alone.state_dict())
    again = peers.trained(plan, build.model(plan, CPU), CPU)
    again.load_state_dict(pair.state_dict())
    fresh = peers.optimizer(plan, again)
    fresh.load_state_dict(copy.deepcopy(both.state_dict()))
    updates([pair], [both], 2, 4)
    updates([again], [fresh], 2, 4)
    updates([alone.first, alone.second], each, 2, 4)
    assert same(pair.state_dict(), alone.state_dict())
    assert same(pair.state_dict(), again.state_dict())
    assert hasattr(both, "ascend") == (name == "sam")


def test_the_gradients_of_each_of_two_models_are_clipped_by_its_own_norm():
    pair = peers.Peers(nn.Linear(3, 2), nn.Linear(3, 2))
    for factor, model in ((10, pair.first), (0.1, pair.second)):
        for parameter in model.parameters():
            parameter.grad = factor * torch.ones_like(parameter)
    small = [parameter.grad.clone() for parameter in pair.second.parameters()]
    peers.clipping_each(Train(epochs=1, batch_size=1, clip_norm=0.5), pair, 7)()
    norm = torch.stack([parameter.grad.norm() for parameter in pair.first.parameters()]).norm()
    assert norm.item() == pytest.approx(0.5, rel=1e-4)
    assert all(torch.equal(p.grad, was) for p, was in zip(pair.second.parameters(), small, strict=True))
