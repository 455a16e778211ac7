import pytest

from imgcls.errors import UserError
from imgcls.recipe import read, to_toml


@pytest.fixture
def base(write_recipe, minimal):
    return write_recipe(minimal, "base.toml")


def test_a_recipe_has_what_it_extends_and_its_own_values_over_it(read_text, base):
    recipe = read_text('extends = "base.toml"\n[train]\nepochs = 9\n')
    assert recipe.train.epochs == 9
    assert recipe.train.batch_size == 64
    assert recipe.model.found.name == "lenet5"


def test_the_path_of_a_base_is_relative_to_the_file_that_names_it(read_text, write_recipe, minimal):
    write_recipe(minimal, "bases/one/root.toml")
    write_recipe('extends = "one/root.toml"\nseed = 3\n[train]\nepochs = 5\n', "bases/middle.toml")
    recipe = read_text('extends = "bases/middle.toml"\n[train]\nbatch_size = 16\n')
    assert (recipe.seed, recipe.train.epochs, recipe.train.batch_size) == (3, 5, 16)


def test_a_problem_in_a_base_is_shown_in_the_base(problems, write_recipe, minimal):
    write_recipe(minimal.replace("0.1", '"much"'), "base.toml")
    found = problems('extends = "base.toml"\n\n\n[train]\nepochs = 0\n')
    assert found == [
        "x.toml:5: train.epochs: must be greater than 0, got 0",
        'base.toml:6: optimizer.lr: expected a number, got the string "much"',
    ]


def test_files_that_extend_each_other_are_named_at_the_line(problems, write_recipe):
    write_recipe('\nextends = "x.toml"\n', "other.toml")
    assert problems('extends = "other.toml"\n') == ["other.toml:2: extends: x.toml extends this file in turn"]


def test_a_file_that_extends_itself_is_named(problems):
    assert problems('seed = 1\nextends = "./x.toml"\n') == [
        "x.toml:2: extends: ./x.toml extends this file in turn"
    ]


def test_a_base_that_is_not_there_is_named_at_the_line(problems):
    assert problems('seed = 1\nextends = "nowhere.toml"\n') == ["x.toml:2: extends: there is no file nowhere.toml"]


@pytest.mark.parametrize("value", ["3", "[]", "true", "{}"])
def test_extends_takes_only_a_path(problems, value):
    assert problems(f"extends = {value}\n") == [
        'x.toml:1: extends: expected the path of a recipe, as in "base.toml"'
    ]


@pytest.mark.parametrize("value", ['"\\u0000"', f'"{"a" * 300}.toml"'])
def test_a_base_that_can_be_no_file_name_is_named_at_the_line(problems, value):
    (line,) = problems(f"extends = {value}\n")
    assert line.startswith("x.toml:1: extends: ")


def test_another_component_in_the_child_drops_the_options_of_the_base(read_text, write_recipe, minimal):
    write_recipe(minimal + '[schedule]\nname = "step"\nmilestones = [1]\nwarmup_epochs = 1\n', "base.toml")
    recipe = read_text('extends = "base.toml"\n[schedule]\nname = "cosine"\nfinal = 0.5\n')
    assert (recipe.schedule.options.final, recipe.schedule.options.warmup_epochs) == (0.5, 0.0)


def test_the_same_component_in_the_child_keeps_the_options_of_the_base(read_text, write_recipe, minimal):
    write_recipe(minimal + '[schedule]\nname = "cosine"\nwarmup_epochs = 1\n', "base.toml")
    recipe = read_text('extends = "base.toml"\n[schedule]\nname = "cosine"\nfinal = 0.5\n')
    assert (recipe.schedule.options.final, recipe.schedule.options.warmup_epochs) == (0.5, 1.0)


def test_another_component_drops_options_that_the_base_gave_to_the_default_component(
    read_text, write_recipe, minimal
):
    write_recipe(minimal + "[schedule]\nfinal = 0.5\n", "base.toml")
    recipe = read_text('extends = "base.toml"\nschedule = "constant"\n')
    assert recipe.schedule.found.name == "constant"


def test_a_list_in_the_child_replaces_the_list_of_the_base(read_text, write_recipe, minimal):
    write_recipe(
        minimal + '[[augment]]\nname = "random_crop"\n[[augment]]\nname = "horizontal_flip"\n', "base.toml"
    )
    recipe = read_text('extends = "base.toml"\naugment = ["horizontal_flip"]\n')
    assert [named.found.name for named in recipe.augment] == ["horizontal_flip"]
    assert read_text('extends = "base.toml"\naugment = []\n').augment == ()


def test_set_goes_over_the_files_and_the_last_set_over_the_others(read_text, base):
    text = 'extends = "base.toml"\n[train]\nepochs = 9\n'
    assert read_text(text, "train.epochs=4").train.epochs == 4
    assert read_text(text, "train.epochs=4", "train.epochs=7").train.epochs == 7


def test_set_reads_toml(read_text, minimal):
    recipe = read_text(
        minimal, "input.mean=[0.25]", "train.deterministic=false", "train = { epochs = 3 }", 'about = "two words"'
    )
    assert recipe.input.mean == (0.25,)
    assert recipe.train.deterministic is False
    assert (recipe.train.epochs, recipe.train.batch_size) == (3, 64)
    assert recipe.about == "two words"


@pytest.mark.parametrize(
    ("value", "about"),
    [
        ("word", "word"),
        ("/data/images", "/data/images"),
        (" a b ", "a b"),
        ("", ""),
        ("x=y", "x=y"),
        ("a'b", "a'b"),
    ],
)
def test_set_takes_bare_words_for_strings(read_text, minimal, value, about):
    assert read_text(minimal, f"about={value}").about == about


def test_set_with_a_bare_name_changes_the_component_and_drops_its_options(read_text, minimal):
    recipe = read_text(
        minimal + '[schedule]\nname = "cosine"\nfinal = 0.5\n', "schedule=constant", "model=resnet18"
    )
    assert recipe.schedule.found.name == "constant"
    assert recipe.model.found.name == "resnet18"


def test_set_makes_a_table_that_the_recipe_lacks(read_text, minimal):
    assert read_text(minimal, "loss.label_smoothing=0.1").loss.options.label_smoothing == 0.1


AUGMENTED = '[[augment]]\nname = "random_crop"\npadding = 3\n[[augment]]\nname = "horizontal_flip"\n'


@pytest.mark.parametrize("which", ["0", "random_crop"])
def test_set_reaches_into_a_list_by_position_and_by_name(read_text, minimal, which):
    recipe = read_text(minimal + AUGMENTED, f"augment.{which}.padding=5")
    assert [named.found.name for named in recipe.augment] == ["random_crop", "horizontal_flip"]
    assert recipe.augment[0].options.padding == 5


def test_set_replaces_a_whole_list(read_text, minimal):
    assert read_text(minimal + AUGMENTED, "augment=[]").augment == ()
    recipe = read_text(minimal, 'augment=["horizontal_flip"]')
    assert [named.found.name for named in recipe.augment] == ["horizontal_flip"]


def test_set_refuses_what_is_not_in_the_list_and_names_what_is(problems, minimal):
    text = minimal + AUGMENTED
    assert problems(text, "augment.2.padding=1") == [
        "--set augment.2.padding=1: the recipe has no [[augment]] '2'; there are: random_crop, horizontal_flip"
    ]
    assert problems(text, "augment.random_corp.padding=1") == [
        "--set augment.random_corp.padding=1: the recipe has no [[augment]] 'random_corp'; "
        "did you mean 'random_crop'?"
    ]
    assert problems(minimal, "track.csv.prefix=a")[0].endswith(
        "the recipe has no [[track]] 'csv'; there are: none"
    )


def test_set_by_a_name_that_is_there_twice_is_refused(problems, minimal):
    (line,) = problems(f'augment = ["random_crop", "random_crop"]\n{minimal}', "augment.random_crop.padding=1")
    assert line.startswith("--set augment.random_crop.padding=1: the recipe has no [[augment]] 'random_crop'")


@pytest.mark.parametrize("override", ["train.epochs", "=3", " = 3", ""])
def test_set_without_a_key_or_a_value_is_answered_with_the_form(problems, minimal, override):
    (line,) = problems(minimal, override)
    assert line == f"--set {override}: expected key=value, as in --set optimizer.lr=0.4"


@pytest.mark.parametrize("override", ["a b=3", "train..epochs=3", "[train=3", ".=3"])
def test_set_with_what_is_no_key_is_refused(problems, minimal, override):
    (line,) = problems(minimal, override)
    assert line.endswith("is not a key, as in optimizer.lr")


@pytest.mark.parametrize("override", ["#train.epochs=3", "#k=val"])
def test_set_with_a_comment_for_a_key_is_refused(problems, minimal, override):
    (line,) = problems(minimal, override)
    assert line.startswith(f"--set {override}: ")


@pytest.mark.parametrize("override", ["augment={}", 'augment."²".padding=1', "augment.0={}"])
def test_odd_ways_into_a_list_are_answered_without_a_traceback(read_text, minimal, override):
    text = minimal + AUGMENTED
    try:
        recipe = read_text(text, override)
    except UserError as error:
        assert f"--set {override}" in str(error)
    else:
        assert len(recipe.augment) == 2


def test_set_into_a_list_item_that_is_no_table_is_answered_with_the_item(problems, minimal):
    found = problems(f"augment = [3]\n{minimal}", "augment.0.padding=1")
    assert any("augment" in line for line in found)


def test_set_of_several_list_items_at_once_leaves_none_out(problems, minimal):
    override = "augment={random_crop={padding=0},horizontal_flip={probability=2.0}}"
    found = "\n".join(problems(minimal + AUGMENTED, override))
    assert ": augment.0.padding: " in found
    assert ": augment.1.probability: " in found


def test_a_problem_with_an_override_is_shown_at_the_option(problems, minimal):
    assert problems(minimal, "optimizer.lr=fast") == [
        '--set optimizer.lr=fast: optimizer.lr: expected a number, got the string "fast"'
    ]


def test_all_bad_overrides_are_shown_at_once(problems, minimal):
    assert len(problems(minimal, "train.epochs", "a b=3", "augment.0.p=1")) == 3


def test_a_recipe_says_whether_the_command_line_changed_what_is_trained(read_text, minimal):
    assert not read_text(minimal).overridden
    assert not read_text(minimal, "workers.count=3", "loading.threads=1").overridden
    assert read_text(minimal, "train.epochs=3").overridden


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = \n", 1), ("seed = 1\n\nlr 0.1\n", 3), ("seed = 1\nseed = 2\n", 2), ("seed = 1\n[train\n", 2)],
)
def test_what_is_no_toml_is_named_with_its_line(problems, text, line):
    (found,) = problems(text)
    assert found.startswith(f"x.toml:{line}: not valid TOML: ")


def test_an_open_string_at_the_end_is_named_with_a_line(problems):
    (found,) = problems('seed = 1\nabout = """no end\n')
    assert found.startswith("x.toml:2: not valid TOML: ")


def test_what_is_no_text_is_named(tmp_path, plugins):
    path = tmp_path / "x.toml"
    path.write_bytes(b'about = "\xff"\n')
    with pytest.raises(UserError, match=r"x\.toml: is not UTF-8 text \(byte 9\)"):
        read(path, plugins)


def test_a_folder_and_a_missing_file_are_named(tmp_path, plugins):
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(UserError, match=f"^{path}: "):
            read(path, plugins)


def test_the_origin_of_a_value_is_its_last_layer(read_text, base, tmp_path):
    recipe = read_text('extends = "base.toml"\n[train]\nepochs = 9\n', "optimizer.momentum=0.5")
    lines = dict(line.split(" = ", 1) for line in to_toml(recipe, with_origins=True).splitlines() if " = " in line)
    assert lines["epochs"].endswith(f"# {tmp_path}/x.toml:3")
    assert lines["batch_size"].endswith(f"# {tmp_path}/base.toml:10")
    assert lines["momentum"].endswith("# --set optimizer.momentum=0.5")
    assert lines["nesterov"].endswith("# default of sgd (imgcls 0.1.0)")
    assert lines["keep"].endswith("# default")
