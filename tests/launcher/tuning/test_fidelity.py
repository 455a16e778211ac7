"""What a rung's shorter run has less of, and that its rate ends where the whole run's ends."""

from itertools import pairwise

import pytest

from imgcls.plugins import installed
from imgcls.recipe import read
from imgcls.tuning.fidelity import rungs, values_at
from imgcls.tuning.runs import plan_of
from imgcls.tuning.space import overrides_of

RECIPE = """
model = "lenet5"
data = "digits"
optimizer = {{ name = "sgd", lr = 0.1 }}
{schedule}
{more}
[train]
epochs = {epochs}
batch_size = 64
{train}
[tune]
{tune}
[tune.space]
"optimizer.momentum" = [0.8, 0.9]
"""
EACH = 20  # updates an epoch

SCHEDULES = {
    "constant": 'name = "constant"',
    "constant after a warm-up in updates": 'name = "constant", warmup_steps = 90',
    "cosine": 'name = "cosine", final = 0.01',
    "cosine after a warm-up": 'name = "cosine", warmup_epochs = 4.5',
    "cosine after a warm-up in updates": 'name = "cosine", warmup_steps = 90',
    "linear": 'name = "linear", warmup_epochs = 2, final = 0.1',
    "polynomial": 'name = "polynomial", warmup_epochs = 1',
    "one cycle": 'name = "one_cycle"',
    "one cycle up in so many epochs": 'name = "one_cycle", warmup_epochs = 6',
    "step": 'name = "step", milestones = [9, 13.5], warmup_epochs = 2',
    "step in updates": 'name = "step", milestones = [120, 270], unit = "steps"',
    "exponential": 'name = "exponential", gamma = 0.7, every = 2.4',
    "exponential in stairs": 'name = "exponential", gamma = 0.5, every = 6.7, staircase = true',
    "exponential in updates": 'name = "exponential", gamma = 0.7, every = 48, unit = "steps", warmup_steps = 36',
}


@pytest.fixture
def recipe_of(write_recipe):
    def recipe(schedule="", epochs=18, train="", tune="", more="", laid=()):
        text = f"schedule = {{ {schedule} }}" if schedule else ""
        written = RECIPE.format(schedule=text, epochs=epochs, train=train, tune=tune, more=more)
        return read(write_recipe(written), installed(), (), list(laid), search=True)

    return recipe


@pytest.fixture
def factors_of(tmp_path):
    """The schedule's factor at each update of a recipe's run."""

    def factors(recipe, each):
        plan = plan_of(recipe, "x", tmp_path / ".index")
        total = recipe.train.epochs * each
        rate = plan.schedule.construct(total_steps=total, steps_per_epoch=each)
        return [rate(step) for step in range(total)]

    return factors


def steepest(factors, step):
    """How much the factor changes at most from one update to the next, around one of them."""
    near = factors[max(0, step - 1) : step + 3]
    return max((abs(b - a) for a, b in pairwise(near)), default=0)


@pytest.mark.parametrize("share", [1 / 2, 1 / 3, 1 / 9])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_shorter_run_has_the_whole_runs_rates_at_the_same_share_of_its_way(
    recipe_of, factors_of, schedule, share
):
    whole = recipe_of(schedule)
    short = recipe_of(schedule, laid=overrides_of(values_at(whole, "epochs", share)))
    assert short.train.epochs == round(18 * share)
    long, less = factors_of(whole, EACH), factors_of(short, EACH)
    assert less[-1] == pytest.approx(long[-1], abs=steepest(less, len(less) - 2) + 1e-9)
    for part in (0.1, 0.45, 0.6, 0.8, 0.95):
        at = round(part * len(less))
        there = long[round(part * len(long))]
        # a step down or the end of a warm-up is not between two updates at the same place of both
        assert there == pytest.approx(less[at], abs=2 * steepest(less, at) + 0.003), part


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_with_fewer_samples_what_is_counted_in_updates_is_in_proportion_too(recipe_of, factors_of, schedule):
    whole = recipe_of(schedule)
    values = values_at(whole, "samples", 1 / 4)
    assert values["data.fraction"] == 1 / 4
    less = factors_of(recipe_of(schedule, laid=overrides_of(values)), EACH // 4)
    long = factors_of(whole, EACH)
    assert len(less) * 4 == len(long)
    assert less[-1] == pytest.approx(long[-1], abs=steepest(less, len(less) - 2) + 1e-9)


def test_a_whole_run_is_the_recipe_itself(recipe_of):
    for fidelity in ("epochs", "samples", "size"):
        assert values_at(recipe_of("name = 'plateau'"), fidelity, 1.0) == {}


def test_milestones_of_few_updates_still_rise(recipe_of, factors_of):
    schedule = 'name = "step", milestones = [2, 3, 4], unit = "steps"'
    whole = recipe_of(schedule)
    short = recipe_of(schedule, laid=overrides_of(values_at(whole, "epochs", 1 / 9)))
    assert factors_of(short, EACH)[-1] == pytest.approx(factors_of(whole, EACH)[-1])


def test_a_rung_is_evaluated_at_its_end_alone_unless_more_depends_on_evaluations(recipe_of):
    assert values_at(recipe_of(), "epochs", 1 / 3)["train.evaluate_every"] == 6
    assert values_at(recipe_of(), "samples", 1 / 3)["train.evaluate_every"] == 18
    patient = values_at(recipe_of(train="patience = 9"), "epochs", 1 / 3)
    assert (patient["train.evaluate_every"], patient["train.patience"]) == (1, 3)
    # every sixth epoch of 18 is every second of 6: as many evaluations
    patient = values_at(recipe_of(train="patience = 9\nevaluate_every = 6"), "epochs", 1 / 3)
    assert (patient["train.evaluate_every"], patient["train.patience"]) == (2, 9)


def test_plateaus_of_a_rung_are_as_much_shorter_as_it_is(recipe_of):
    values = values_at(recipe_of('name = "plateau", patience = 6, warmup_epochs = 3'), "epochs", 1 / 3)
    assert values["train.evaluate_every"] == 1
    assert values["schedule.patience"] == 2
    assert values["schedule.warmup_epochs"] == pytest.approx(1.0)
    assert "schedule.patience" not in values_at(recipe_of('name = "cosine"'), "epochs", 1 / 3)


@pytest.mark.parametrize(
    ("tune", "epochs", "expected"),
    [
        ("rungs = 3\nreduction = 3", 18, [(1, "2 epochs"), (3, "6 epochs"), (9, "18 epochs")]),
        ("rungs = 3\nreduction = 3", 3, [(1, "1 epoch"), (3, "3 epochs")]),
        ("rungs = 8\nreduction = 2", 1, [(1, "1 epoch")]),
        ("rungs = 1", 18, [(1, "18 epochs")]),
        ('scheduler = "median"', 18, [(18, "18 epochs")]),
        (
            'rungs = 2\nreduction = 4\nfidelity = "samples"',
            18,
            [(1, "25 % of the samples"), (4, "100 % of the samples")],
        ),
        ('rungs = 2\nreduction = 4\nfidelity = "size"', 18, [(1, "16x16 pixels"), (4, "32x32 pixels")]),
    ],
)
def test_rungs_rise_to_the_whole_run_and_those_that_are_alike_are_one(recipe_of, tune, epochs, expected):
    recipe = recipe_of(epochs=epochs, tune=tune)
    found = rungs(recipe, recipe.tune)
    assert [(rung.time, rung.about) for rung in found] == expected
    assert found[-1].share == 1
    for rung in found:
        values = values_at(recipe, recipe.tune.fidelity, rung.share)
        if recipe.tune.fidelity == "epochs" and values:
            assert rung.about == f"{values['train.epochs']} epoch{'s' if values['train.epochs'] > 1 else ''}"


@pytest.mark.parametrize("fidelity", ["epochs", "samples", "size"])
@pytest.mark.parametrize("share", [1 / 18, 1 / 9, 1 / 3])
@pytest.mark.parametrize("growth", ["begin = 3, end = 9", "begin = 17", "end = 18"])
def test_images_that_grow_do_so_in_each_rung(recipe_of, tmp_path, fidelity, share, growth):
    from imgcls.data.growing import Growth

    more = f"input = {{ size = 128 }}\nprogressive = {{ size = 96, {growth} }}"
    whole = recipe_of(more=more)
    short = recipe_of(more=more, laid=overrides_of(values_at(whole, fidelity, share)))
    growing = Growth.of(plan_of(short, "x", tmp_path / ".index"))
    assert growing is not None
    assert growing.size(0) < growing.last or growing.begin == 0
    assert growing.last == (128 if fidelity != "size" else values_at(whole, "size", share)["input.train_size"])
