from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import imgcls

LISTS = ("models", "datasets", "augmentations", "optimizers", "schedules", "losses", "trackers", "callbacks")
MINIMAL = """\
model = "lenet5"
data = "digits"
optimizer = { name = "sgd", lr = 0.1 }

[train]
epochs = 2
batch_size = 64
"""


def assert_refused(ended, *said):
    """One message, exit code 2, no traceback."""
    assert ended.returncode == 2, ended
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.stdout == ""
    for words in said:
        assert words in ended.stderr


def test_help_names_every_command(run_imgcls):
    ended = run_imgcls("--help")
    assert ended.returncode == 0
    for command in ("launch", "recipe", "data", "plugins", *LISTS):
        assert f"\n  {command} " in ended.stdout
    assert run_imgcls("-h").stdout == ended.stdout


def test_the_installed_command_is_the_module():
    script = Path(sys.executable).with_name("imgcls")
    ended = subprocess.run([script, "--version"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"imgcls, version {imgcls.__version__}\n")


def test_a_command_in_help_has_no_line_cut_off(run_imgcls):
    assert "..." not in run_imgcls("--help").stdout.replace("[ARGS]...", "")


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_has_a_line_and_a_json_object_for_each_component(run_imgcls, kind):
    plain, as_json = run_imgcls(kind), run_imgcls(kind, "--json")
    assert (plain.returncode, as_json.returncode) == (0, 0)
    rows = json.loads(as_json.stdout)
    lines = plain.stdout.splitlines()[1 if kind == "models" else 0 :]  # a table has a head
    assert [row["name"] for row in rows] == [line.split()[0] for line in lines]
    assert bool(rows) == (kind != "callbacks")
    for row in rows:
        assert row.keys() == {"name", "summary", "package", "options", "facts"}
        assert row["summary"]


def test_a_pattern_chooses_from_a_list(run_imgcls):
    lines = run_imgcls("models", "lenet*").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["model", "lenet5", "lenet5_28"]
    assert_refused(run_imgcls("models", "nothing*"), "none of the ", "matches 'nothing*'")


def test_show_lists_options_with_type_range_default_and_facts(run_imgcls):
    text = run_imgcls("models", "show", "resnet50").stdout
    assert "\nfrom imgcls " in text
    assert "imgcls_zoo.resnet:build" in text
    assert "    block = \"bottleneck\"  ('basic' | 'bottleneck') " in text
    assert "    dropout = 0.0  (float >= 0 < 1) before the classifier\n" in text
    assert "    input_size = 224\n" in text
    text = run_imgcls("optimizers", "show", "sgd").stdout
    assert "    lr  (float > 0, required) learning rate" in text


def test_show_in_json_has_the_same(run_imgcls):
    row = json.loads(run_imgcls("models", "show", "resnet50", "--json").stdout)
    options = {option["name"]: option for option in row["options"]}
    assert options["layers"]["default"] == [3, 4, 6, 3]
    assert row["facts"]["input_size"] == 224


def test_every_component_can_be_shown(run_imgcls):
    from imgcls.cli.components import page
    from imgcls.plugins import installed

    for kind in LISTS:
        for found in installed().components(kind).values():
            assert page(found).startswith(f"{found.name}: ")


def test_an_unknown_component_is_answered_with_the_nearest(run_imgcls):
    assert_refused(run_imgcls("models", "show", "resnet5"), "unknown model 'resnet5'; did you mean 'resnet50'?")
    assert_refused(run_imgcls("losses", "show", "sgd"), "'sgd' is an optimizer, not a loss")


def test_too_many_words_after_a_list_are_refused(run_imgcls):
    assert_refused(run_imgcls("models", "a", "b"), "expected nothing, a pattern, or show NAME; got a b")


def test_plugins_lists_what_each_brings(run_imgcls):
    text = run_imgcls("plugins").stdout
    assert f"zoo (imgcls {imgcls.__version__})\n    models: " in text
    rows = {row["plugin"]: row for row in json.loads(run_imgcls("plugins", "--json").stdout)}
    assert rows["optim"]["brings"].keys() == {"optimizers", "schedules", "losses"}
    assert {"zoo", "datasets", "augment", "optim", "trackers"} <= rows.keys()


def test_recipe_show_prints_toml_with_origins(run_imgcls, write_recipe):
    path = write_recipe(MINIMAL)
    ended = run_imgcls("recipe", "show", path, "--set", "train.epochs=7")
    assert ended.returncode == 0
    assert tomllib.loads(ended.stdout)["train"]["epochs"] == 7
    assert "# --set train.epochs=7\n" in ended.stdout
    assert f"# {path}:3\n" in ended.stdout


def test_what_recipe_show_prints_passes_recipe_check(run_imgcls, write_recipe):
    path = write_recipe(run_imgcls("recipe", "show", "fashion_mnist_lenet").stdout)
    assert run_imgcls("recipe", "check", path).returncode == 0


def test_recipe_check_says_what_would_be_trained(run_imgcls, write_recipe):
    path = write_recipe(MINIMAL)
    ended = run_imgcls("recipe", "check", path)
    assert (ended.returncode, ended.stdout) == (
        0, f"{path}: ok: lenet5 on digits, 32x32x1, 2 epochs of batches of 64\n",
    )  # fmt: skip


def test_recipe_check_reports_all_problems_and_nothing_else(run_imgcls, write_recipe):
    path = write_recipe(MINIMAL.replace("0.1", '"0.1"').replace("epochs", "epoch"))
    ended = run_imgcls("recipe", "check", path)
    assert_refused(ended)
    assert ended.stderr.splitlines() == [
        f'{path}:3: optimizer.lr: expected a number, got the string "0.1"',
        f"{path}:5: train.epochs: missing; it has no default",
        f"{path}:6: train.epoch: unknown option; did you mean 'epochs'?",
        "3 problems; nothing was started.",
    ]


@pytest.mark.parametrize("command", [("recipe", "check"), ("recipe", "show"), ("launch",)])
@pytest.mark.parametrize("line", ["mean = [0.1, 0.2]", "eval_resize = 8", "std = [0.0]"])
def test_values_that_do_not_go_together_are_named_with_the_file(run_imgcls, write_recipe, command, line):
    path = write_recipe(f"{MINIMAL}[input]\n{line}\n")
    assert_refused(run_imgcls(*command, path), "input.", f"{path}:9")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["recipe", "check", "digits_lent"], "did you mean 'digits_lenet'?"),
        (["recipe", "check", "nowhere.toml"], "nowhere.toml: there is no such file"),
        (["recipe", "show", "a" * 300], "there is no such file"),
        (["recipe", "check", "digits_lenet", "--set", "x"], "--set x: expected key=value"),
        (["recipe", "check", "digits_lenet", "--set", "seed=2024-01-01"], "--set seed=2024-01-01: seed: expected"),
        (["recipe", "check"], "Missing argument 'RECIPE'"),
        (["recipe", "chekc", "x"], "check"),
        (["launhc"], "launch"),
        (["model"], "models"),
        (["launch"], "Missing argument 'RECIPE'"),
        (["launch", "nowhere"], "nowhere: there is no such file"),
        (["launch", "digits_lenet", "--worker", "1"], "--workers"),
        (["launch", "digits_lenet", "--workers", "-1"], "--workers"),
        (["launch", "digits_lenet", "--workers", "two"], "--workers"),
        (["launch", "digits_lenet", "--cpus-per-worker", "0"], "--cpus-per-worker"),
        (["launch", "digits_lenet", "--name", "a/b"], "--name 'a/b' cannot be the name of a folder"),
        (["launch", "digits_lenet", "--name", ".."], "--name '..' cannot be the name of a folder"),
        (["launch", "digits_lenet", "--set", "train.epochs=0"], "--set train.epochs=0: train.epochs: must be"),
        (["models", "--jsno"], "--json"),
    ],
)
def test_bad_input_is_named_with_what_to_do(run_imgcls, tmp_path, words, said):
    assert_refused(run_imgcls(*words), said)
    assert list(tmp_path.iterdir()) == []


def test_more_workers_than_fit_are_refused_before_anything_is_written(run_imgcls, tmp_path):
    assert_refused(run_imgcls("launch", "digits_lenet", "--workers", "4096"), "4096 workers of ")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_has_seen_enough_gets_no_traceback(run_imgcls):
    command = f"{sys.executable} -m imgcls recipe show digits_lenet | head -n 1"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("about = ")
    assert ended.stderr == ""
