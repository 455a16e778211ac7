"""A trial's runs: what is laid over the search's recipe, and the plan that comes of it."""

import os
import shutil
from pathlib import Path

import pytest

from imgcls.errors import UserError
from imgcls.plan import Plan
from imgcls.run_folder import RunFolder
from imgcls.tuning.runs import begin, copy_checkpoint, flags_of, plan_of, recipe_of, text_of
from imgcls.tuning.study import Asked, Rung, Study

RECIPE = """
model = "lenet5"
data = { name = "digits", validation = 0.2 }
optimizer = { name = "sgd", lr = 0.1 }
schedule = { name = "cosine", warmup_epochs = 3 }
[train]
epochs = 9
batch_size = 64
"""
WHOLE, THIRD = Rung(3, 1.0, "9 epochs"), Rung(1, 1 / 3, "3 epochs")


@pytest.fixture
def study(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return Study(tmp_path)


def asked(scheduler="asha", holdout=None, fidelity="epochs"):
    return Asked(
        "digits", "val/top1", 4, "tpe", scheduler, fidelity, holdout, 0, 3, 1, (THIRD, WHOLE), 1, 0.5, {}, {}
    )


def test_a_whole_run_has_its_values_and_its_workers_and_nothing_else(study):
    recipe = recipe_of(study, flags_of(study, asked(), {"optimizer.lr": 0.02}, WHOLE))
    assert recipe.optimizer.options.lr == 0.02
    assert (recipe.workers.count, recipe.workers.least, recipe.workers.cpus) == (1, 0, 0.5)
    assert (recipe.train.epochs, recipe.train.evaluate_every) == (9, 1)
    assert recipe.schedule.options.warmup_epochs == 3
    assert recipe.holdout is None


def test_a_rung_is_in_proportion_to_what_the_values_make_of_the_recipe(study):
    flags = flags_of(study, asked(), {"train.epochs": 18, "schedule.warmup_epochs": 1.5}, THIRD)
    recipe = recipe_of(study, flags)
    assert (recipe.train.epochs, recipe.train.evaluate_every) == (6, 6)
    assert recipe.schedule.options.warmup_epochs == pytest.approx(0.5)


def test_another_component_has_its_own_options_not_those_of_the_one_before(study):
    recipe = recipe_of(study, flags_of(study, asked(), {"optimizer.name": "adamw", "optimizer.lr": 0.001}, WHOLE))
    assert recipe.optimizer.found.component.name == "adamw"
    assert recipe.optimizer.options.lr == 0.001


def test_a_search_with_a_holdout_judges_by_it(study, tmp_path):
    recipe = recipe_of(study, flags_of(study, asked(holdout=0.25), {}, WHOLE))
    assert recipe.holdout == 0.25
    plans = [
        plan_of(each, "x", tmp_path / ".index")
        for each in (recipe, recipe_of(study, flags_of(study, asked(), {}, WHOLE)))
    ]
    assert plans[0].identity != plans[1].identity


def test_samples_of_a_rung_are_so_much_of_what_the_recipe_has(study):
    study.recipe.write_text(RECIPE.replace("validation = 0.2", "validation = 0.2, fraction = 0.6"))
    recipe = recipe_of(study, flags_of(study, asked(fidelity="samples"), {}, THIRD))
    assert recipe.fraction == pytest.approx(0.2)
    assert recipe.train.epochs == 9


def test_values_that_do_not_go_together_are_said_with_what_set_them(study):
    with pytest.raises(UserError, match=r"tune: optimizer\.lr = -1"):
        flags_of(study, asked(), {"optimizer.lr": -1}, WHOLE)


def test_each_report_of_a_population_has_a_checkpoint_to_hand_on(study):
    study.recipe.write_text(RECIPE + "evaluate_every = 3\n")
    recipe = recipe_of(study, flags_of(study, asked("pbt"), {}, WHOLE))
    assert recipe.checkpoint.every_epochs == 3
    assert recipe.checkpoint.keep == 4
    assert recipe_of(study, flags_of(study, asked("median"), {}, WHOLE)).checkpoint.keep == 2


def test_the_text_of_a_run_is_the_same_recipe(study, tmp_path):
    flags = flags_of(study, asked(), {"optimizer.lr": 0.02, "model.activation": "relu"}, WHOLE)
    other = Study(tmp_path / "other")
    other.path.mkdir()
    other.recipe.write_text(text_of(study, flags))
    plans = [plan_of(recipe_of(*each), "x", tmp_path / ".index") for each in ((study, flags), (other, []))]
    assert plans[0].to_json() == plans[1].to_json()


def test_the_folder_of_a_run_has_its_plan_its_recipe_and_its_lock(study, tmp_path):
    recipe = recipe_of(study, flags_of(study, asked(), {}, THIRD))
    plan = plan_of(recipe, "trial 1", tmp_path / ".index")
    folder = RunFolder(tmp_path / "run-1")
    begin(folder, recipe, plan)
    assert Plan.from_json(folder.plan.read_text()).to_json() == plan.to_json()
    assert "epochs = 3" in folder.recipe.read_text()
    assert folder.provenance.exists()


def _checkpoint(folder: Path, step: int, weights: bytes) -> Path:
    path = folder / f"step-{step:08d}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(weights)
    (path / "state.json").write_text("{}")
    return path


def test_a_checkpoint_that_is_taken_over_costs_no_second_place_and_survives_the_donors(tmp_path):
    source = _checkpoint(tmp_path / "donor", 46, b"abc")
    folder = RunFolder(tmp_path / "run-2")
    copy_checkpoint(source, folder)
    target = folder.checkpoints / source.name
    assert (folder.checkpoints / "latest").read_text() == source.name
    assert os.stat(target / "model.safetensors").st_ino == os.stat(source / "model.safetensors").st_ino
    shutil.rmtree(source)
    assert (target / "model.safetensors").read_bytes() == b"abc"
    assert not list(folder.checkpoints.glob(".*"))


def test_a_copy_that_was_cut_off_is_made_again(tmp_path):
    source = _checkpoint(tmp_path / "donor", 46, b"abc")
    folder = RunFolder(tmp_path / "run-2")
    cut = folder.checkpoints / f".{source.name}.copy"
    cut.mkdir(parents=True)
    (cut / "model.safetensors").write_bytes(b"a")
    copy_checkpoint(source, folder)
    copy_checkpoint(source, folder)  # and is not made twice
    assert (folder.checkpoints / source.name / "model.safetensors").read_bytes() == b"abc"
