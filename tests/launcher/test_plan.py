from __future__ import annotations

import dataclasses
from importlib.metadata import distribution

import pytest

from imgcls.component import Component, NoOptions
from imgcls.errors import UserError
from imgcls.plan import Data, Format, IndexFile, Plan, Reference, differences, make, resolve_format
from imgcls.plugins import Found, Plugins
from imgcls.recipe import Named, read
from imgcls_optim.schedules.step import Step

TEXT = """\
model = "resnet18"
data = "digits"
optimizer = { name = "sgd", lr = 0.1 }
augment = ["random_resized_crop", "horizontal_flip"]

[schedule]
name = "step"
milestones = [1, 2.5]

[train]
epochs = 2
batch_size = 64

[workers]
count = 2
"""


@pytest.fixture
def recipe(write_recipe):
    plugins = Plugins(distribution("imgcls").entry_points.select(group="imgcls"))
    path = write_recipe(TEXT)
    return lambda *overrides: read(path, plugins, overrides)


def data_of(recipe, samples=100, digest="a", root="/r"):
    train = IndexFile(f"{root}/train.parquet", root, digest, samples)
    return Data(
        Reference.of(recipe.data), ("x", "y"), train, IndexFile(f"{root}/val.parquet", root, "v", 10), "fail"
    )


@pytest.fixture
def plan(recipe):
    def made(*overrides, name="run", **data):
        read_one = recipe(*overrides)
        return make(read_one, data_of(read_one, **data), name)

    return made


def test_a_plan_survives_json(plan):
    before = plan()
    after = Plan.from_json(before.to_json())
    assert after.to_json() == before.to_json()
    assert differences(before, after) == []
    assert after.format == before.format
    assert (after.train, after.workers, after.versions) == (before.train, before.workers, before.versions)


def test_options_come_back_from_json_with_their_types(plan):
    schedule = Plan.from_json(plan().to_json()).schedule
    returned = dataclasses.replace(schedule, build="builtins:repr").construct()
    assert returned == repr(Step(milestones=(1.0, 2.5)))


def test_a_plan_with_a_missing_or_a_strange_key_is_refused(plan):
    text = plan().to_json()
    for bad in (text.replace('"seed"', '"sed"'), text[:-20], "{}", "[]", ""):
        with pytest.raises(ValueError, match="."):
            Plan.from_json(bad)


def test_a_plan_names_components_by_reference_with_every_option_and_their_package(plan):
    optimizer = plan().optimizer
    assert optimizer.build == "imgcls_optim.optimizers.sgd:build"
    assert optimizer.options_type == "imgcls_optim.optimizers.sgd:SGD"
    assert optimizer.options["momentum"] == 0.9
    assert optimizer.origin == f"imgcls {distribution('imgcls').version}"


def test_circumstances_make_no_other_run(plan):
    other = plan(
        "workers.count=1",
        "loading.threads=3",
        "checkpoint.keep=9",
        'track=["csv"]',
        "train.parallel=fsdp",
        "train.activation_checkpointing=true",
        name="other",
        root="/elsewhere",
    )
    assert differences(plan(), other) == []
    assert other.identity == plan().identity


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("seed=3", "seed: was 0, is now 3"),
        ("optimizer.lr=0.2", "optimizer.options.lr: was 0.1, is now 0.2"),
        ("train.epochs=3", "train.epochs: was 2, is now 3"),
        ("train.precision=float32", "train.precision: was auto, is now float32"),
        ("input.size=64", "format.size: was 224, is now 64"),
        ("schedule.milestones=[1]", "schedule.options.milestones: was [1.0, 2.5], is now [1.0]"),
        ("model.layers=[1,1,1,1]", "model.options.layers: was [2, 2, 2, 2], is now [1, 1, 1, 1]"),
    ],
)
def test_what_is_trained_makes_another_run_and_is_named(plan, override, line):
    assert line in differences(plan(), plan(override))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["train.parallel=fsdp", "train.compile=true"], "does not go with train.compile = true"),
        (["train.parallel=fsdp", "train.channels_last=true"], "does not go with train.channels_last = true"),
        (["train.parallel=fsdp", 'optimizer={name="muon", lr=0.1}'], "does not go with the optimizer muon"),
        (["train.parallel=fsdp", 'optimizer={name="adan", lr=0.1}'], "does not go with the optimizer adan"),
        (["train.activation_checkpointing=true", "train.compile=true"], "does not go with train.compile = true"),
    ],
)
def test_what_saves_memory_and_does_not_go_together_is_refused(plan, overrides, said):
    with pytest.raises(UserError, match=said):
        plan(*overrides)


def test_other_data_and_other_augmentations_make_another_run(plan):
    assert differences(plan(), plan(digest="b")) == ["data.train: was a, is now b"]
    lines = differences(plan(), plan('augment=["horizontal_flip"]'))
    assert "augment.0.name: was random_resized_crop, is now horizontal_flip" in lines
    assert "augment.1.name: was horizontal_flip, is now not set" in lines


def test_a_batch_that_is_no_share_for_each_worker_is_refused(plan):
    with pytest.raises(UserError, match="train.batch_size: 3 samples cannot be shared by 4 workers; raise it"):
        plan("train.batch_size=3", "workers.count=4")
    assert plan("train.batch_size=1", "workers.count=0").workers.count == 0


def test_fewer_samples_than_workers_are_refused(plan):
    with pytest.raises(UserError, match="the training set has 1 samples, fewer than the 2 workers"):
        plan(samples=1)


def test_dropping_the_only_batch_is_refused(plan):
    with pytest.raises(UserError, match="leaves no batch; lower it, or set last_batch"):
        plan("train.last_batch=drop", samples=63)
    assert plan("train.last_batch=drop", samples=64)


def with_facts(recipe, **facts):
    named = recipe.model
    component = Component("made", "made:build", NoOptions, facts=facts)
    found = Found("made", component, "acme", "acme-pack", "1.0")
    return dataclasses.replace(recipe, model=Named(found, named.options))


def test_the_format_is_the_models_own_where_the_recipe_is_silent(recipe):
    assert resolve_format(recipe()) == Format(
        224, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 256, "bilinear"
    )


def test_what_the_recipe_says_goes_over_the_models_own(recipe):
    form = resolve_format(recipe("input.size=96", "input.mean=[0.5,0.5,0.5]", "input.interpolation=bicubic"))
    assert (form.size, form.mean, form.interpolation) == (96, (0.5, 0.5, 0.5), "bicubic")
    assert form.std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize(("size", "resize"), [(224, 256), (112, 128), (448, 512), (32, 37), (1, 1)])
def test_the_resize_of_an_evaluation_keeps_its_ratio_to_the_size(recipe, size, resize):
    assert resolve_format(recipe(f"input.size={size}")).eval_resize == resize


def test_training_may_have_another_size_with_a_resize_of_the_same_ratio(recipe):
    form = resolve_format(recipe("input.train_size=160"))
    assert (form.size, form.eval_resize) == (224, 256)
    assert (form.training.size, form.training.eval_resize, form.training.train_size) == (160, 183, None)
    assert form.training.mean == form.mean
    same = resolve_format(recipe("input.train_size=224"))  # written out or not, it is the same run
    assert same == resolve_format(recipe())
    assert same.training is same


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["progressive.size=224"], "progressive.size: 224 is not less than the 224 pixels of training"),
        (["progressive.size=160", "input.train_size=128"], "160 is not less than the 128 pixels"),
        (
            ["progressive.size=96", "progressive.end=3", "progressive.begin=3"],
            "must be more than progressive.begin = 3",
        ),
        (["progressive.size=96", "progressive.multiple=0"], "progressive.multiple: must be greater than 0"),
    ],
)
def test_sizes_that_cannot_grow_so_are_refused_where_they_are_written(recipe, overrides, said):
    with pytest.raises(UserError) as caught:
        resolve_format(recipe(*overrides))
    assert said in str(caught.value)


@pytest.mark.parametrize("size", [32, 112, 224, 448])
def test_a_model_that_publishes_only_its_size_is_evaluated_at_that_size(recipe, size):
    form = resolve_format(with_facts(recipe(f"input.size={size}"), input_size=224))
    assert (form.size, form.eval_resize) == (size, size)


def test_a_model_that_publishes_nothing_gets_common_values(recipe):
    assert resolve_format(with_facts(recipe())) == Format(224, 3, (0.5,) * 3, (0.5,) * 3, 224, "bilinear")


def test_another_number_of_channels_does_not_take_the_models_own_means(recipe):
    form = resolve_format(recipe("input.channels=1"))
    assert (form.channels, form.mean, form.std) == (1, (0.5,), (0.5,))


def test_one_mean_serves_all_channels(recipe):
    form = resolve_format(recipe("input.mean=[0.25]", "input.std=[2.0]"))
    assert (form.mean, form.std) == ((0.25,) * 3, (2.0,) * 3)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("input.mean=[0.1,0.2]", "input.mean: has 2 values, for 3 channels"),
        ("input.std=[1,1,1,1]", "input.std: has 4 values, for 3 channels"),
        ("input.eval_resize=100", "input.eval_resize: 100 is less than input.size = 224"),
        ("input.std=[0]", r"input.std: must be above 0, got \[0.0, 0.0, 0.0\]"),
        ("input.std=[1,-1,1]", "input.std: must be above 0"),
    ],
)
def test_values_that_do_not_go_together_are_refused(recipe, override, said):
    with pytest.raises(UserError, match=said):
        resolve_format(recipe(override))
