"""[distill] in a recipe: what goes together, and how it is written out again."""

import pytest

from imgcls.recipe import read, to_toml


def with_distill(minimal, text):
    return f"{minimal}\n[distill]\n{text}\n"


def test_a_recipe_without_the_table_distills_nothing(read_text, minimal):
    recipe = read_text(minimal)
    assert recipe.distill.method is None
    assert recipe.distill_model is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('method = "soft"', "x.toml:12: distill.teacher: missing; soft needs the folder of a run, or a file"),
        ('teacher = "a"', 'x.toml:13: distill.teacher: means nothing without distill.method; set that to "soft"'),
        ("temperature = 3", "x.toml:13: distill.temperature: means nothing without distill.method"),
        ('model = "lenet5"', "x.toml:13: distill.model: means nothing without distill.method"),
        ('method = "dml"\nteacher = "a"', "x.toml:14: distill.teacher: dml has no teacher, two models learn"),
        (
            'method = "ssld"\nteacher = "a"\nweight = 0.4',
            "x.toml:15: distill.weight: ssld learns from the teacher alone, without labels",
        ),
        ('method = "sofd"', "x.toml:13: distill.method: \"sofd\" is not one of 'soft', 'ssld', 'dml'"),
        ('metod = "soft"', "x.toml:13: distill.metod: unknown option; did you mean 'method'?"),
        ('method = "soft"\ntemperature = 0', "x.toml:14: distill.temperature: must be greater than 0"),
        ('method = "soft"\nweight = 1.5', "x.toml:14: distill.weight: must be at most 1"),
        (
            'method = "dml"\nmodel = "lenet6"',
            "x.toml:14: distill.model.name: unknown model 'lenet6'; did you mean",
        ),
        ('method = "dml"\nmodel = 5', "x.toml:14: distill.model: expected a table, got the number 5"),
        (
            'method = "dml"\nmodel = { name = "lenet5", pading = 2 }',
            "x.toml:14: distill.model.pading: unknown option; did you mean 'padding'?",
        ),
    ],
)
def test_what_cannot_be_meant_is_said_at_its_line(problems, minimal, text, said):
    assert problems(with_distill(minimal, text))[0].startswith(said)


def test_a_table_that_is_none_is_named(problems, minimal):
    assert problems(f"distill = 3\n{minimal}") == ["x.toml:1: distill: expected a table, got the number 3"]


@pytest.mark.parametrize(("setting", "key"), [('freeze = ["c1.*"]', "freeze"), ('parallel = "fsdp"', "parallel")])
def test_two_models_do_not_go_with_everything(problems, minimal, setting, key):
    (line,) = problems(f'{minimal}{setting}\n[distill]\nmethod = "dml"\n')
    assert line.startswith(f"x.toml:11: train.{key}: ")


def test_a_model_in_it_has_its_own_options_and_is_written_out_again(read_text, write_recipe, plugins, minimal):
    recipe = read_text(with_distill(minimal, 'method = "dml"\nmodel = { name = "lenet5", padding = 2 }'))
    assert recipe.distill_model.options.padding == 2
    for with_origins in (False, True):
        again = read(write_recipe(to_toml(recipe, with_origins), "again.toml"), plugins)
        assert (again.distill, again.distill_model) == (recipe.distill, recipe.distill_model)


def test_another_model_on_the_command_line_drops_the_options_of_the_first(read_text, minimal):
    text = with_distill(minimal, 'method = "dml"\nmodel = { name = "lenet5", padding = 2 }')
    assert read_text(text, "distill.model=lenet5_28").distill_model.options.padding == 2
    assert read_text(text, "distill.model=resnet18").distill_model.found.name == "resnet18"
    assert read_text(text, "distill.model.activation=relu").distill_model.options.padding == 2
