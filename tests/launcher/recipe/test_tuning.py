"""[tune] in a recipe: its options, and a space that the recipe can have all values of."""

import time
import tomllib

import pytest

from imgcls.data.prepare import prepare
from imgcls.plan import make
from imgcls.recipe import RecipeError, read, shipped, to_toml
from imgcls.recipe.schema import Tune
from imgcls.tuning.space import Choice, LogUniform, Parameter, Randint, Uniform, overrides_of

SPACE = """
[tune]
trials = 40
[tune.space]
"optimizer.momentum" = { uniform = [0.5, 0.99], step = 0.01, when = { "optimizer.name" = "sgd" } }
"optimizer.lr" = { log_uniform = [0.01, 3.0] }
"optimizer.name" = ["sgd", "adamw"]
"model.name" = ["lenet5", "resnet18"]
"train.batch_size" = { log_randint = [16, 256] }
"""
FIRST = 14  # line of the first entry in what spaced() returns


@pytest.fixture
def searched(write_recipe, plugins):
    return lambda text, *overrides: read(write_recipe(text), plugins, overrides, search=True)


@pytest.fixture
def faults(searched, tmp_path):
    """The lines that a space is answered with, without file and table."""

    def lines(text, *overrides):
        with pytest.raises(RecipeError) as caught:
            searched(text, *overrides)
        return str(caught.value).replace(f"{tmp_path}/", "").split("\n")[:-1]

    return lines


def spaced(minimal, entries):
    return f"{minimal}\n[tune]\n[tune.space]\n{entries}\n"


def test_a_recipe_without_the_table_has_no_search(read_text, minimal):
    recipe = read_text(minimal)
    assert recipe.tune is None
    assert recipe.space == ()
    assert "tune" not in to_toml(recipe)


def test_a_table_alone_has_every_default(read_text, minimal):
    recipe = read_text(f"{minimal}\n[tune]\n")
    assert recipe.tune == Tune()
    assert recipe.space == ()


def test_a_space_is_read_with_conditions_before_what_depends_on_them(read_text, minimal):
    recipe = read_text(minimal + SPACE)
    assert recipe.tune == Tune(trials=40)
    assert recipe.space == (
        Parameter("optimizer.lr", LogUniform(0.01, 3.0)),
        Parameter("optimizer.name", Choice(("sgd", "adamw"))),
        Parameter("optimizer.momentum", Uniform(0.5, 0.99, 0.01), (("optimizer.name", ("sgd",)),)),
        Parameter("model.name", Choice(("lenet5", "resnet18"))),
        Parameter("train.batch_size", Randint(16, 256, log=True)),
    )


@pytest.mark.parametrize("with_origins", [False, True])
def test_a_shown_space_read_again_is_the_same_space(read_text, write_recipe, plugins, minimal, with_origins):
    recipe = read_text(minimal + SPACE)
    again = read(write_recipe(to_toml(recipe, with_origins), "again.toml"), plugins)
    assert (again.tune, again.space) == (recipe.tune, recipe.space)


def test_a_shown_recipe_says_every_option_and_plain_choices_as_lists(read_text, minimal):
    tree = tomllib.loads(to_toml(read_text(minimal + SPACE)))["tune"]
    assert tree["search"] == "tpe"
    assert tree["space"]["model.name"] == ["lenet5", "resnet18"]
    assert tree["space"]["optimizer.momentum"]["when"] == {"optimizer.name": "sgd"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('metric = "top1"', "tune.metric: \"top1\" is not one of 'val/top1', 'val/top5', 'val/loss'"),
        ("trials = 0", "tune.trials: must be greater than 0, got 0"),
        ("trails = 10", "tune.trails: unknown option; did you mean 'trials'?"),
        ("rungs = 9", "tune.rungs: must be at most 8, got 9"),
        ("reduction = 1", "tune.reduction: must be at least 2, got 1"),
        ("holdout = 1.0", "tune.holdout: must be less than 1.0, got 1.0"),
        ("seed = -1", "tune.seed: must be at least 0, got -1"),
        ("max_concurrent = 0", "tune.max_concurrent: must be greater than 0, got 0"),
        ("space = 3", "tune.space: expected a table, got the number 3"),
    ],
)
def test_a_bad_setting_is_said_at_its_line(problems, minimal, text, said):
    assert problems(f"{minimal}\n[tune]\n{text}") == [f"x.toml:13: {said}"]


def test_a_search_without_a_space_is_told_to_have_one(faults, minimal):
    (line,) = faults(f"{minimal}\n[tune]\n")
    assert line.startswith("x.toml:12: tune: [tune.space] is missing; say there what is searched, as in ")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        # what the recipe's own options say of the ends
        (
            '"optimizer.momentum" = { uniform = [0.5, 1.5] }',
            '"optimizer.momentum": the upper end 1.5: must be less than 1.0',
        ),
        ('"optimizer.lr" = { uniform = [-1, 1] }', '"optimizer.lr": the lower end -1.0: must be greater than 0.0'),
        (
            '"train.epochs" = { uniform = [1.5, 4] }',
            '"train.epochs": the lower end 1.5: expected an integer, got the number 1.5',
        ),
        ('"train.epochs" = [1, 0]', '"train.epochs": the choice 0: must be greater than 0'),
        ('"input.channels" = { randint = [1, 3] }', '"input.channels": the value 2: 2 is not one of 1, 3'),
        (
            '"train.batch_size" = ["a", "b"]',
            '"train.batch_size": the choice "a": expected an integer, got the string "a"',
        ),
        (
            '"model.name" = ["lenet5", "resnet35"]',
            "\"model.name\": the choice \"resnet35\": unknown model 'resnet35'; did you mean 'resnet50'?",
        ),
        # unknown keys
        ('"optimizer.momentun" = [0.1, 0.2]', "\"optimizer.momentun\": unknown option; did you mean 'momentum'?"),
        ('"optimzer.lr" = [0.1]', "\"optimzer.lr\": optimzer: unknown option; did you mean 'optimizer'?"),
        (
            '"augment.cutout.holes" = { randint = [1, 3] }',
            "\"augment.cutout.holes\": the recipe has no [[augment]] 'cutout'; there are: none",
        ),
        # what the recipe as a whole says
        (
            '"distill.method" = ["dml", "ssld"]',
            '"distill.method": the choice "ssld": distill.teacher: missing; ssld needs the folder of a run, or a '
            "file of weights",
        ),
        (
            '"input.eval_resize" = [16, 40]',
            '"input.eval_resize": the choice 16: 16 is less than input.size = 32',
        ),
        # components of which not all have an option, or do without a value
        (
            '"optimizer.lr" = [0.1, 1]\n"optimizer.nesterov" = [true, false]\n"optimizer" = ["sgd", "adamw", "lion"]',
            '"optimizer.nesterov": adamw, lion have no such option; write when = { optimizer = "sgd" }',
        ),
        (
            '"optimizer.name" = ["sgd", "adamw"]',
            '"optimizer.name": the choice "adamw": optimizer.lr: missing; it has no default',
        ),
    ],
)
def test_what_the_recipe_cannot_have_is_said_at_the_line_of_the_space(faults, minimal, entry, said):
    lines = faults(spaced(minimal, entry))
    order = [line for line in entry.split("\n") if line.startswith(said.partition(":")[0])]
    assert lines[0] == f"x.toml:{FIRST + entry.split(chr(10)).index(order[0])}: tune.space.{said}"


def test_all_problems_of_a_recipe_and_its_space_come_at_once(faults, minimal):
    entries = """\
"optimizer.lr" = { log_uniform = [0.01, 3.0] }
"optimizer.momentum" = { uniform = [0.5, 1.5] }
"optimizer.name" = ["sgd", "adamw"]
"train.ema" = { uniform = [1, 0] }
"data.root" = ["a", "b"]"""
    text = spaced(minimal, entries).replace("epochs = 2", "epochs = 0")
    assert faults(text) == [
        "x.toml:9: train.epochs: must be greater than 0, got 0",
        'x.toml:15: tune.space."optimizer.momentum": adamw has no such option; write when = '
        '{ "optimizer.name" = "sgd" }',
        'x.toml:15: tune.space."optimizer.momentum": the upper end 1.5 with optimizer.name = "sgd": must be less '
        "than 1.0",
        'x.toml:17: tune.space."train.ema".uniform: the lower end 1 is not below the upper end 0',
        'x.toml:18: tune.space."data.root": cannot be searched: trials on other data, or judged by other data, '
        "cannot be compared",
    ]


def test_a_condition_that_is_there_is_added_to(faults, minimal):
    entries = """\
"optimizer.lr" = [0.1, 0.2]
"train.ema_warmup" = [true, false]
"optimizer.momentum" = { uniform = [0.5, 0.9], when = { "train.ema_warmup" = true } }
"optimizer.name" = ["sgd", "adamw"]"""
    assert faults(spaced(minimal, entries)) == [
        'x.toml:16: tune.space."optimizer.momentum": adamw has no such option; write when = '
        '{ "train.ema_warmup" = true, "optimizer.name" = "sgd" }'
    ]


def test_an_option_of_one_component_alone_passes_with_its_condition(searched, minimal):
    recipe = searched(minimal + SPACE)
    assert len(recipe.space) == 5


def test_options_of_an_item_of_a_list_are_tried_by_name_and_by_position(searched, faults, minimal):
    text = f'{minimal}\n[[augment]]\nname = "rand_augment"\n\n[tune.space]\n'
    for which in ("rand_augment", "0"):
        searched(f'{text}"augment.{which}.magnitude" = {{ randint = [0, 30] }}\n')
        (line,) = faults(f'{text}"augment.{which}.magnitude" = {{ randint = [0, 31] }}\n')
        key = f'tune.space."augment.{which}.magnitude"'
        assert line == f"x.toml:16: {key}: the upper end 31: must be at most 30.0"


def test_another_item_of_a_list_has_its_own_options(searched, faults, minimal):
    text = f'{minimal}\n[[augment]]\nname = "rand_augment"\n\n[tune.space]\n'
    name = '"augment.0.name" = ["rand_augment", "trivial_augment"]\n'
    searched(
        f'{text}{name}"augment.0.layers" = {{ randint = [1, 3], when = {{ "augment.0.name" = "rand_augment" }} }}'
    )
    assert faults(f'{text}{name}"augment.0.layers" = {{ randint = [1, 3] }}') == [
        'x.toml:17: tune.space."augment.0.layers": trivial_augment has no such option; write when = '
        '{ "augment.0.name" = "rand_augment" }'
    ]


def test_the_same_item_by_name_and_by_position_is_the_same_key_twice(faults, minimal):
    text = f'{minimal}\n[[augment]]\nname = "rand_augment"\n\n[tune.space]\n'
    entries = '"augment.0.magnitude" = [1, 2]\n"augment.rand_augment.magnitude" = [3, 4]\n'
    assert faults(text + entries) == [
        'x.toml:17: tune.space."augment.rand_augment.magnitude": "augment.0.magnitude" sets it, too; leave one of '
        "the two out"
    ]


def test_an_item_whose_name_is_searched_is_told_to_be_called_by_its_number(faults, minimal):
    text = f'{minimal}\n[[augment]]\nname = "rand_augment"\n\n[tune.space]\n'
    entries = '"augment.0.name" = ["rand_augment", "cutout"]\n"augment.rand_augment.layers" = [1, 2]\n'
    assert faults(text + entries) == [
        'x.toml:17: tune.space."augment.rand_augment.layers": the name of that item is searched; write '
        '"augment.0.layers", as in "augment.0.name"'
    ]


def test_a_component_that_is_not_there_is_no_reason_for_a_condition(faults, minimal):
    entries = """\
"optimizer.lr" = [0.1, 0.2]
"optimizer.momentum" = [0.8, 0.9]
"optimizer.name" = ["sgd", "adamw", "sgdd"]"""
    assert faults(spaced(minimal, entries)) == [
        'x.toml:15: tune.space."optimizer.momentum": adamw has no such option; write when = '
        '{ "optimizer.name" = "sgd" }',
        'x.toml:16: tune.space."optimizer.name": the choice "sgdd": unknown optimizer \'sgdd\'; did you mean '
        "'sgd'?",
    ]


def test_two_ranges_that_do_not_go_together_are_named_with_the_value_of_the_other(faults, minimal):
    entries = """\
"progressive.begin" = { randint = [0, 5] }
"progressive.end" = { randint = [3, 8] }"""
    assert faults(f"{spaced(minimal, entries)}[progressive]\nsize = 16\n") == [
        'x.toml:15: tune.space."progressive.end": with progressive.begin = 5: must be more than '
        "progressive.begin = 5, got 3"
    ]


def test_whole_tables_and_lists_can_be_chosen_among(searched, plugins, minimal):
    entries = """\
"optimizer" = [{ name = "sgd", lr = 0.1 }, { name = "adamw", lr = 0.001 }]
"augment" = [[], ["horizontal_flip"], [{ name = "cutout" }, "random_crop"]]"""
    recipe = searched(spaced(minimal, entries))
    flags = overrides_of({p.key: p.domain.values[-1] for p in recipe.space})
    laid = read(recipe.path, plugins, (), flags)
    assert [named.found.name for named in laid.augment] == ["cutout", "random_crop"]
    assert (laid.optimizer.found.name, laid.optimizer.options.lr) == ("adamw", 0.001)


def test_a_space_on_the_command_line_is_named_there(faults, minimal):
    override = 'tune.space."optimizer.lr"={ uniform = [-1.0, 1.0] }'
    (line,) = faults(minimal, override)
    assert line == f'--set {override}: tune.space."optimizer.lr": the lower end -1.0: must be greater than 0.0'


def test_an_entry_replaces_the_same_one_of_the_base(searched, write_recipe, minimal):
    write_recipe(minimal + SPACE, "base.toml")
    text = 'extends = "base.toml"\n[tune.space]\n"optimizer.lr" = { uniform = [0.1, 0.2] }\n'
    recipe = searched(text)
    assert {p.key: p.domain for p in recipe.space}["optimizer.lr"] == Uniform(0.1, 0.2)
    assert len(recipe.space) == 5
    assert recipe.tune.trials == 40


def test_only_what_is_searched_has_its_space_tried(read_text, faults, minimal):
    text = spaced(minimal, '"optimizer.momentum" = { uniform = [0.5, 0.9] }')
    assert read_text(text, "optimizer=adamw", "optimizer.lr=0.1").optimizer.found.name == "adamw"
    (line,) = faults(text, "optimizer=adamw", "optimizer.lr=0.1")
    assert line.startswith('x.toml:14: tune.space."optimizer.momentum": unknown option')


def test_a_grid_needs_an_end_of_values(problems, minimal):
    entries = """\
"optimizer.lr" = { log_uniform = [0.01, 3.0] }
"optimizer.momentum" = { uniform = [0.5, 0.9] }
"optimizer.weight_decay" = { uniform = [0.0, 0.5], step = 0.25 }
"train.epochs" = { log_randint = [1, 3] }"""
    text = spaced(minimal, entries).replace("[tune]\n", '[tune]\nsearch = "grid"\n')
    no_end = 'search = "grid" tries all values, and here is no end of them'
    assert problems(text) == [
        f'x.toml:15: tune.space."optimizer.lr": {no_end}; write a list of values',
        f'x.toml:16: tune.space."optimizer.momentum": {no_end}; give it a step',
    ]


def test_values_that_change_while_trials_train_have_no_conditions_and_keep_the_model(problems, minimal):
    entries = """\
"model.name" = ["lenet5", "resnet18"]
"optimizer.lr" = { log_uniform = [0.01, 3.0] }
"train.ema_warmup" = [true, false]
"train.ema" = { uniform = [0.9, 0.99], when = { "train.ema_warmup" = true } }
"schedule.name" = ["cosine", "constant"]"""
    text = spaced(minimal, entries).replace("[tune]\n", '[tune]\nscheduler = "pbt"\n')
    assert problems(text) == [
        'x.toml:15: tune.space."model.name": scheduler = "pbt" hands weights from trial to trial, which fit no other '
        "model; set another scheduler",
        'x.toml:18: tune.space."train.ema": scheduler = "pbt" changes values while trials train, so that each is '
        "there all the time; leave `when` out, or set another scheduler",
    ]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("input.train_size", "[24, 32]"),
        ("model.activation", '["tanh", "relu"]'),
        ("train.epochs", "[2, 4]"),
        ("train.batch_size", "[32, 64]"),
        ("train.last_batch", '["even", "drop"]'),
        ("train.ema", "[0.9, 0.99]"),
        ("optimizer.name", '["sgd", "adamw"]'),
        ("progressive.begin", "[0, 1]"),
        ("sampling.repeats", "[1, 2]"),
    ],
)
def test_what_a_checkpoint_depends_on_does_not_change_while_trials_hand_theirs_on(
    problems, searched, minimal, key, values
):
    entries = f'"{key}" = {values}\n"optimizer.lr" = [0.1, 0.2]'
    text = spaced(minimal, entries).replace("[tune]\n", '[tune]\nscheduler = "pbt"\n')
    assert problems(text) == [
        f'x.toml:15: tune.space."{key}": scheduler = "pbt" hands checkpoints from trial to trial, whose steps and '
        "tensors must stay what they are; leave this out, or set another scheduler"
    ]
    assert searched(text.replace('"pbt"', '"median"')).space


def test_a_search_changes_nothing_of_a_run(read_text, tmp_path, minimal):
    plans = []
    for text in (minimal, minimal + SPACE):
        recipe = read_text(text)
        plans.append(make(recipe, prepare(recipe, tmp_path / "cache", lambda _done, _of: None), "x"))
    assert plans[0].identity == plans[1].identity
    assert plans[0].to_json() == plans[1].to_json()


def test_a_search_setting_leaves_what_a_recipe_reaches(read_text, minimal):
    text = f'{minimal}\n[expect]\ntop1 = 90\nsource = "me"\n{SPACE}'
    assert not read_text(text, "tune.trials=3", 'tune.space."optimizer.lr"=[0.1]').overridden
    assert read_text(text, "tune.trials=3", "optimizer.lr=0.1").overridden


def test_a_space_of_ten_is_checked_quickly(searched, minimal):
    entries = """\
"optimizer.name" = ["sgd", "adamw", "lion"]
"optimizer.lr" = { log_uniform = [0.01, 3.0] }
"optimizer.momentum" = { uniform = [0.5, 0.99], when = { "optimizer.name" = "sgd" } }
"optimizer.weight_decay" = { log_uniform = [1e-6, 1e-2] }
"model.name" = ["lenet5", "resnet18", "resnet34", "resnet50"]
"train.batch_size" = { log_randint = [16, 256] }
"train.ema" = { uniform = [0.9, 0.999] }
"train.epochs" = { randint = [1, 9] }
"loss.label_smoothing" = { uniform = [0.0, 0.2] }
"schedule.warmup_epochs" = { randint = [0, 1] }"""
    text = spaced(minimal, entries)
    searched(text)  # what is read once: plugins, options
    took = []
    for _ in range(5):
        begin = time.process_time()
        searched(text)
        took.append(time.process_time() - begin)
    assert min(took) < 0.3


@pytest.mark.parametrize("path", shipped().values(), ids=lambda path: path.stem)
def test_every_shipped_recipe_can_have_all_values_of_its_space(plugins, path):
    recipe = read(path, plugins, search=True)
    assert (recipe.tune is None) == (recipe.space == ())
