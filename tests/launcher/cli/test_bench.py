"""``imgcls bench data``: what is measured, and the sentence at the end."""

from __future__ import annotations

import dataclasses
import importlib
import time

import numpy as np
import pytest
from PIL import Image

from imgcls.cli.preparation import planned
from imgcls.data import bench
from imgcls.data.bench import Bench, Setting, Stage
from imgcls.data.pipeline import Machine
from imgcls.errors import UserError
from imgcls.train import build
from imgcls.train.world import World

command = importlib.import_module("imgcls.cli.bench")  # imgcls.cli.bench itself is the command of that name
NOW = Machine(None, 2, 2, "auto")
STAGES = [Stage("read", 9000, 0.1), Stage("decode", 1000, 0.6), Stage("resize, augment, normalise", 800, 0.3)]
RECIPE = """\
model = {{ name = "lenet5" }}
optimizer = {{ name = "sgd", lr = 0.1 }}

[data]
name = "image_folder"
root = "{root}"
validation = 0.2

[input]
size = 32
channels = 1

[train]
epochs = 2
batch_size = 8
{more}
"""
CROP = '\n[[augment]]\nname = "random_resized_crop"\n\n[[augment]]\nname = "horizontal_flip"\n'


@pytest.fixture
def recipe(tmp_path, write_recipe):
    def make(more=CROP):
        for number in range(20):
            folder = tmp_path / "images" / "ab"[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 256, (60, 80, 3)).astype(np.uint8)
            Image.fromarray(noise).save(folder / f"{number}.jpg")
        return write_recipe(RECIPE.format(root=tmp_path / "images", more=more))

    return make


@pytest.fixture
def measure(recipe, tmp_path):
    """Return a Bench over a recipe, and its plan."""

    def make(more=CROP, lost=None):
        plan = planned(str(recipe(more)), (), tmp_path / "runs")
        plan = dataclasses.replace(plan, train=dataclasses.replace(plan.train, epochs=10**9))
        inputs = build.inputs(plan)
        return Bench(inputs.training, inputs.order, lost), plan

    return make


@pytest.mark.parametrize("more", ["", CROP])
def test_each_stage_is_measured_and_their_shares_make_up_the_whole(measure, more, recwarn):
    made, _ = measure(more)
    found = made.stages(NOW, 0.4)
    assert [stage.name for stage in found] == [
        "read", "decode", "resize, augment, normalise", "hand over to torch",
    ]  # fmt: skip
    assert all(stage.speed > 0 for stage in found)  # which is faster, a busy machine decides
    assert sum(stage.share for stage in found) == pytest.approx(1)
    assert min(stage.share for stage in found) >= 0
    assert not [str(warning.message) for warning in recwarn if "external source" in str(warning.message)]


def test_measurements_read_on_where_the_one_before_ended(measure):
    made, _ = measure()
    seen = []
    whole, made.order.at = made.order.at, lambda step, *rest: seen.append(step) or whole(step, *rest)
    made._timed(made._loaded(NOW), 0.05)
    reached, first = made._step, len(seen)
    made._timed(made._run(made.transform, NOW), 0.05)
    assert reached >= 2
    assert seen[0] == 0
    assert seen[first] == reached


def test_all_settings_are_tried_and_other_depths_of_the_best(measure):
    made, _ = measure()
    machines = [dataclasses.replace(NOW, threads=count) for count in (1, 2)]
    found = made.settings(machines, 0.4)
    tried = {(setting.machine.threads, setting.machine.prefetch) for setting in found}
    assert {(1, 2), (2, 2)} <= tried
    assert {prefetch for _, prefetch in tried} == {2, 4, 8}
    assert len(tried) == len(found) == 4


def test_an_image_that_cannot_be_decoded_is_named_in_every_stage_or_left_out(measure, tmp_path):
    made, _ = measure()
    victim = made.transform.index.path(0)
    with open(victim, "r+b") as file:
        file.truncate(600)
    for cut in (bench._Cut(made.transform, "decode"), made.transform):
        with pytest.raises(UserError, match="is damaged or cut off"):
            made._timed(made._run(cut, NOW), 0.3)
    made.lost = lambda path, why: None
    assert all(stage.speed > 0 for stage in made.stages(NOW, 0.4))


def test_the_time_given_is_kept_to_and_the_warming_up_not_counted(measure):
    made, _ = measure()
    taken = []

    def batches():
        while True:
            time.sleep(0.2 if not taken else 0.02)
            taken.append(8)
            yield 8

    speed = made._timed(batches(), 0.6)
    assert len(taken) <= 1 + 0.4 / 0.02 + 1
    assert 0 < speed <= 8 / 0.02


def test_a_model_that_is_slow_gets_fewer_images_a_step(measure, monkeypatch):
    speed = importlib.import_module("imgcls.train.speed")
    _, plan = measure()
    sizes, whole = [], speed.Step.__call__
    monkeypatch.setattr(speed.Step, "__call__", lambda *rest: sizes.append(len(rest[1])) or whole(*rest))
    assert speed.images_per_second(plan, World().device, 100_000, 0.2) > 0
    assert 4 <= max(sizes) < 100_000
    sizes.clear()
    assert speed.images_per_second(plan, World().device, 8, 1.0) > 0
    assert max(sizes) == 8


def test_a_stage_faster_than_the_one_before_it_adds_nothing():
    found = bench._adding_up({"a": 100, "b": 50, "c": 60, "d": 25})
    assert [stage.share for stage in found] == pytest.approx([0.25, 0.25, 0, 0.5])


def setting(threads, prefetch, speed):
    return Setting(Machine(None, threads, prefetch, "auto"), speed)


def test_the_least_setting_close_to_the_best_is_recommended():
    found = [setting(1, 2, 500), setting(2, 2, 960), setting(2, 4, 990), setting(4, 2, 1000)]
    assert bench.recommended(found) is found[1]
    assert bench.recommended([*found, setting(8, 2, 1100)]).machine.threads == 8


def test_the_sentence_when_the_data_limits_names_stage_headroom_and_what_to_set():
    tried = [setting(2, 2, 800), setting(4, 2, 1500)]
    assert command.verdict(STAGES, tried, NOW, 3000) == (
        "The data limits, at 1,500 images/s, 0.50 of the 3,000 that the model takes, held up most by: decode, 60% of "
        "its time; both run on the same CPUs, about 1,000 images/s together; set `--set loading.threads=4`."
    )


def test_the_sentence_when_the_model_limits_leaves_ample_settings_alone():
    tried = [setting(2, 2, 800), setting(4, 2, 1500)]
    assert command.verdict(STAGES, tried, NOW, 400) == (
        "The model limits, at 400 images/s: the data comes at 800, 2.0 times that, held up most by: decode, 60% of "
        "its time; both run on the same CPUs, about 267 images/s together; the settings are good as they are."
    )


def test_on_a_gpu_the_sentence_says_where_to_decode():
    now = Machine(0, 8, 2, "cpu")
    tried = [Setting(now, 800), Setting(dataclasses.replace(now, decode="gpu", prefetch=4), 9000)]
    text = command.verdict(STAGES, tried, now, 3000)
    assert "same CPUs" not in text
    assert text.endswith("set `--set loading.prefetch=4 --set loading.decode=gpu`.")


@pytest.mark.parametrize(
    ("share", "own", "expected"), [(1, 1, {1}), (2, 2, {1, 2}), (6, 6, {1, 2, 4, 6}), (4, 9, {1, 2, 4, 9})]
)
def test_powers_of_two_up_to_the_workers_share_are_tried_and_the_recipes_own(share, own, expected):
    assert {m.threads for m in command._to_try(Machine(None, own, 2, "auto"), share)} == expected
    on_gpu = command._to_try(Machine(0, own, 2, "auto"), share)
    assert {m.decoder for m in on_gpu} == {"cpu", "mixed"}
    assert len(on_gpu) == 2 * len(expected)


def test_the_command_names_machine_and_versions_and_ends_with_the_sentence(run_imgcls, recipe):
    ended = run_imgcls("bench", "data", recipe(), "--seconds", 1, "--set", "workers.count=2")
    assert ended.returncode == 0, ended
    assert ended.stderr == ""
    lines = ended.stdout.splitlines()
    assert lines[1].startswith("machine: ")
    assert "torch 2." in lines[2]
    assert "nvidia-dali" in lines[2]
    assert "images: 16, 80x60 pixels on average, " in lines[3]
    assert lines[4].startswith("one of 2 workers, ")
    assert "batches of 4;" in lines[4]
    assert lines[-1].startswith(("The data limits, at ", "The model limits, at "))
    assert lines[-1].endswith((" as they are.", "`."))
