import pytest

from imgcls.errors import UserError
from imgcls.recipe import find, read, shipped

LISTS = '[[augment]]\nname = "random_resized_crop"\n'


def test_a_minimal_recipe_gets_every_default(read_text, minimal):
    recipe = read_text(minimal)
    assert (recipe.name, recipe.seed, recipe.about, recipe.validation) == ("x", 0, "", 0.1)
    assert (recipe.schedule.found.name, recipe.loss.found.name) == ("cosine", "cross_entropy")
    assert (recipe.augment, recipe.track, recipe.callback, recipe.expect) == ((), (), (), None)
    assert recipe.workers.count == 1


def test_a_name_alone_is_short_for_a_table(read_text, minimal):
    short = read_text(f'augment = ["horizontal_flip"]\nloss = "cross_entropy"\n{minimal}')
    long = read_text(f'{minimal}[loss]\nname = "cross_entropy"\n[[augment]]\nname = "horizontal_flip"\n')
    assert short == long


def test_an_integer_is_taken_for_a_number(read_text, minimal):
    lr = read_text(minimal.replace("0.1", "1")).optimizer.options.lr
    assert (lr, type(lr)) == (1.0, float)


def test_a_list_becomes_a_tuple(read_text, minimal):
    assert read_text(minimal + LISTS + "scale = [0.5, 1]\n").augment[0].options.scale == (0.5, 1.0)


def test_the_options_of_a_variant_are_the_defaults_of_its_row(read_text, minimal):
    options = read_text(minimal.replace('"lenet5"', '{ name = "resnet50", dropout = 0.5 }')).model.options
    assert (options.block, options.layers, options.dropout) == ("bottleneck", (3, 4, 6, 3), 0.5)


# what is appended to the minimal recipe of 10 lines -> what is said of it
APPENDED = {
    "momentun = 0.9": "train.momentun: unknown option; there are: epochs, batch_size, last_batch, precision, "
    "deterministic, accumulate, clip_norm, clip_value, clip_adaptive, ema, ema_warmup, freeze, patience, not_finite, sync_batch_norm, channels_last, compile, parallel, activation_checkpointing, evaluate_every, eval_batch_size, eval_flip, log_every",
    "evaluate_evry = 2": "train.evaluate_evry: unknown option; did you mean 'evaluate_every'?",
    "deterministic = 1": "train.deterministic: expected true or false, got the number 1",
    "log_every = true": "train.log_every: expected an integer, got the boolean true",
    "log_every = 2.0": "train.log_every: expected an integer, got the number 2.0",
    'log_every = "2"': 'train.log_every: expected an integer, got the string "2"',
    "log_every = [2]": "train.log_every: expected an integer, got the list [2]",
    "log_every = 0": "train.log_every: must be greater than 0, got 0",
    "log_every = inf": "train.log_every: expected an integer, got the number inf",
    'precision = "fp8"': "train.precision: \"fp8\" is not one of 'auto', 'float32', 'bf16', 'fp16'",
    "precision = 32": "train.precision: 32 is not one of 'auto', 'float32', 'bf16', 'fp16'",
    "[workers]\ncount = -1": "workers.count: must be at least 0, got -1",
    "[workers]\ncount = 5000": "workers.count: must be at most 4096, got 5000",
    "[workers]\ncpus = nan": "workers.cpus: must be a finite number, got nan",
    "[loss]\nlabel_smoothing = 1": "loss.label_smoothing: must be less than 1.0, got 1",
    "[input]\nchannels = 2": "input.channels: 2 is not one of 1, 3",
    "[input]\nmean = 0.5": "input.mean: expected a list, got the number 0.5",
    "[input]\nmean = []": "input.mean: must have at least 1 values, has 0",
    '[input]\nmean = [0.5, "x"]': 'input.mean.1: expected a number, got the string "x"',
    '[input]\nmean = ["a"]': 'input.mean.0: expected a number, got the string "a"',
    f"{LISTS}scale = [0.1, 0.2, 0.3]": "augment.0.scale: must have at most 2 values, has 3",
    f"{LISTS}scale = [0.1, 2.0]": "augment.0.scale.1: must be at most 1.0, got 2.0",
    f"{LISTS}scael = [0.1, 1.0]": "augment.0.scael: unknown option; did you mean 'scale'?",
    '[expect]\ntop1 = 101\nsource = "x"': "expect.top1: must be at most 100.0, got 101",
    '[expect]\nsource = "x"': "expect.top1: missing; it has no default",
    "[trian]\nx = 1": "trian: unknown option; did you mean 'train'?",
    '[schedule]\nname = "cosin"': "schedule.name: unknown schedule 'cosin'; did you mean 'cosine'?",
    '[schedule]\nname = "zzz"': "schedule.name: unknown schedule 'zzz'; `imgcls schedules` lists them",
    '[loss]\nname = "cosine"': "loss.name: unknown loss 'cosine'; 'cosine' is a schedule, not a loss",
    "[loss]\nname = 3": "loss.name: expected a string, got the number 3; name a loss of `imgcls losses`",
    '[schedule]\nname = "step"': "schedule.milestones: missing; it has no default",
    "[[augment]]\npadding = 3": "augment.0.name: missing; name an augmentation of `imgcls augmentations`",
    "[augment]\npadding = 3": "augment: expected a list of tables, each headed [[augment]], "
    "got the table { padding = 3 }",
}


@pytest.mark.parametrize("text", APPENDED)
def test_a_problem_is_said_with_its_key_and_what_to_do(problems, minimal, text):
    (line,) = problems(f"{minimal}{text}\n")
    place, _, said = line.partition(": ")
    assert said == APPENDED[text]
    last = f"{minimal}{text}\n".count("\n")
    named, _, number = place.partition(":")
    assert named == "x.toml"
    assert 10 < int(number) <= last


# what is put at the head of the minimal recipe -> what is said of it
PREPENDED = {
    'seed = "1"': 'seed: expected an integer, got the string "1"',
    "seed = true": "seed: expected an integer, got the boolean true",
    "seed = -1": "seed: must be in 0..2^63-1, got -1",
    "seed = 9223372036854775808": "seed: must be in 0..2^63-1, got 9223372036854775808",
    "about = 1": "about: expected a string, got the number 1",
    "sed = 1": "sed: unknown option; did you mean 'seed'?",
    "loss = 3": "loss: expected a table, got the number 3",
    "loss = []": "loss: expected a table, got the list []",
    "workers = 2": "workers: expected a table, got the number 2",
    'augment = "horizontal_flip"': "augment: expected a list of tables, each headed [[augment]], "
    'got the string "horizontal_flip"',
    "augment = [1]": "augment.0: expected a table, got the number 1",
    'augment = ["horizontal_flop"]': "augment.0.name: unknown augmentation 'horizontal_flop'; "
    "did you mean 'horizontal_flip'?",
}


@pytest.mark.parametrize("text", PREPENDED)
def test_a_problem_above_all_tables_is_said_with_its_line(problems, minimal, text):
    assert problems(f"\n{text}\n{minimal}") == [f"x.toml:2: {PREPENDED[text]}"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0", "must be between 0 and 1, a share of train, got 0"),
        ("1.0", "must be between 0 and 1, a share of train, got 1.0"),
        ("nan", "must be between 0 and 1, a share of train, got nan"),
        ('"0.1"', 'expected a number, got the string "0.1"'),
        ("true", "expected a number, got the boolean true"),
    ],
)
def test_the_share_held_out_is_a_share(problems, minimal, value, said):
    text = minimal.replace('"digits"', f'{{ name = "digits", validation = {value} }}')
    assert problems(text) == [f"x.toml:2: data.validation: {said}"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("-0.1", "must be at least 0 and below 1, a share of train, got -0.1"),
        ("1.0", "must be at least 0 and below 1, a share of train, got 1.0"),
        ("inf", "must be at least 0 and below 1, a share of train, got inf"),
        ("[0.1]", "expected a number, got the list [0.1]"),
    ],
)
def test_a_holdout_is_a_share_or_nothing(problems, minimal, value, said):
    text = minimal.replace('"digits"', f'{{ name = "digits", holdout = {value} }}')
    assert problems(text) == [f"x.toml:2: data.holdout: {said}"]


@pytest.mark.parametrize("value", ["0", "0.0"])
def test_a_holdout_that_a_recipe_sets_can_be_taken_back(read_text, minimal, value):
    text = minimal.replace('"digits"', '{ name = "digits", holdout = 0.3 }')
    assert read_text(text).holdout == 0.3
    assert read_text(text, f"data.holdout={value}").holdout is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0.0", "must be above 0 and at most 1, a share of train, got 0.0"),
        ("1.01", "must be above 0 and at most 1, a share of train, got 1.01"),
        ("nan", "must be above 0 and at most 1, a share of train, got nan"),
        ('"all"', 'expected a number, got the string "all"'),
    ],
)
def test_the_fraction_trained_on_is_a_share_or_all(problems, minimal, value, said):
    text = minimal.replace('"digits"', f'{{ name = "digits", fraction = {value} }}')
    assert problems(text) == [f"x.toml:2: data.fraction: {said}"]


@pytest.mark.parametrize("value", ["1", "1.0", "0.001"])
def test_all_of_the_training_set_is_a_fraction_too(read_text, minimal, value):
    assert read_text(minimal, f"data.fraction={value}", "data.holdout=0.5").fraction == float(value)


@pytest.mark.parametrize("value", ["true", "1.0"])
def test_a_choice_of_integers_takes_nothing_else(problems, minimal, value):
    assert problems(f"{minimal}[input]\nchannels = {value}\n") == [
        f"x.toml:12: input.channels: {value} is not one of 1, 3"
    ]


@pytest.mark.parametrize("value", ["2024-01-31", "2024-01-31T10:00:00Z", "10:00:00"])
@pytest.mark.parametrize(
    ("place", "line", "key"),
    [
        ("seed = {}\n", 1, "seed"),
        ("about = {}\n", 1, "about"),
        ("loss = {}\n", 1, "loss"),
        ("augment = {}\n", 1, "augment"),
        ("augment = [{}]\n", 1, "augment.0"),
        ("workers = {}\n", 1, "workers"),
        ("loss.name = {}\n", 1, "loss.name"),
        ("workers.count = {}\n", 1, "workers.count"),
        ("expect.top1 = 1\nexpect.source = {}\n", 2, "expect.source"),
    ],
)
def test_dates_and_times_are_of_the_wrong_type_everywhere(problems, minimal, place, line, key, value):
    (found,) = problems(place.format(value) + minimal)
    assert found.startswith(f"x.toml:{line}: {key}: expected ")


@pytest.mark.parametrize("number", ["1" * 5000, "0x" + "f" * 5000], ids=["decimal", "hexadecimal"])
def test_a_number_beyond_all_bounds_is_named_at_its_file(problems, minimal, number):
    (line,) = problems(f"seed = {number}\n{minimal}")
    assert line.startswith("x.toml:1: ")


def test_brackets_without_end_are_named_at_their_file(problems, minimal):
    (line,) = problems(f"about = {'[' * 50_000}\n{minimal}")
    assert line.startswith("x.toml")


def test_items_of_the_wrong_type_are_not_said_to_be_missing(problems, minimal):
    assert problems(f'{minimal}[input]\nmean = ["a", 0.5, "b"]\n') == [
        'x.toml:12: input.mean.0: expected a number, got the string "a"',
        'x.toml:12: input.mean.2: expected a number, got the string "b"',
    ]


def test_too_few_values_are_said_to_be_too_few(problems, minimal):
    (line,) = problems(f"{minimal}{LISTS}scale = [0.1]\n")
    assert line.startswith("x.toml:13: augment.0.scale")


def test_an_empty_recipe_is_told_all_that_is_missing(problems):
    assert [line.partition(";")[0] for line in problems("")] == [
        "x.toml:1: [data] is missing",
        "x.toml:1: [model] is missing",
        "x.toml:1: [optimizer] is missing",
        "x.toml:1: train.batch_size: missing",
        "x.toml:1: train.epochs: missing",
    ]


def test_all_problems_come_at_once_in_the_order_of_their_lines(problems):
    text = """\
sed = 1
model = "lenet6"
data = "digits"

[optimizer]
name = "sgd"
lr = "0.1"
momentun = 0.9

[[augment]]
name = "random_crop"
padding = 0

[[augment]]
name = "flip"

[train]
batch_size = 64
precision = "half"
"""
    found = problems(text, "workers.count=-1")
    assert [line.partition(": ")[2].partition(":")[0] for line in found] == [
        "sed",
        "model.name",
        "optimizer.lr",
        "optimizer.momentun",
        "augment.0.padding",
        "augment.1.name",
        "train.epochs",
        "train.precision",
        "workers.count",
    ]
    places = [line.split(": ")[0] for line in found]
    assert places == [*(f"x.toml:{n}" for n in (1, 2, 7, 8, 12, 15, 17, 19)), "--set workers.count=-1"]


def test_windows_line_ends_change_no_message(problems, minimal):
    text = minimal.replace("0.1", '"x"')
    assert problems(text.replace("\n", "\r\n")) == problems(text)


def test_a_line_separator_within_a_string_shifts_no_line(problems, minimal):
    text = 'about = "one\u2028two"\n' + minimal.replace("0.1", '"x"')
    assert problems(text) == ['x.toml:7: optimizer.lr: expected a number, got the string "x"']


@pytest.mark.parametrize("path", shipped().values(), ids=shipped())
def test_every_shipped_recipe_passes(plugins, path):
    assert read(path, plugins).about


def test_a_shipped_recipe_is_found_by_name_and_by_its_path_in_a_clone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("digits_lenet", "digits_lenet.toml", "recipes/digits_lenet.toml"):
        assert find(text) == shipped()["digits_lenet"]


def test_a_file_of_ones_own_comes_before_a_shipped_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits_lenet.toml").write_text("")
    assert find("digits_lenet.toml").read_text() == ""


@pytest.mark.parametrize("name", ["digits_lent", "elsewhere/digits_lenet.toml", "zzz", "", ".", "a" * 300, "\0"])
def test_a_recipe_that_is_not_there_is_named_with_a_way_on(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        find(name)
    assert str(caught.value).startswith(f"{name}: ")
    assert "digits_lenet" in str(caught.value)
