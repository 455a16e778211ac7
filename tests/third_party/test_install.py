"""P6: a plugin is a package. Real wheels in a fresh environment, two workers, from an empty folder."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.faults.processes import Ended, Launch, metrics, result
from tests.third_party.environment import ROOT, build, fresh

_EXAMPLE = Path(__file__).parent / "imgcls_example"
_RECIPE = """
seed = 3
model = { name = "example:small_net", width = 24 }
data = { name = "example:photo_tiles", validation = 0.25 }
optimizer = { name = "sgd", lr = 0.1 }
train = { epochs = 5, batch_size = 32 }
callback = [{ name = "example:weight_norm" }]
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has imgcls's wheel, made from its sdist, and the example's."""
    folder = tmp_path_factory.mktemp("fresh")
    core = build(ROOT, folder / "core")  # sdist, then the wheel from the sdist
    example = build(_EXAMPLE, folder / "example", "--wheel")
    return fresh(folder / "venv", core, example)


def _run(programs: Path, *arguments: object, cwd: Path, limit: float = 240) -> Ended:
    with Launch(arguments, cwd, command=[str(programs / "imgcls")]) as launch:
        ended = launch.ended(limit)
        launch.nothing_left(within=10)
        return ended


def test_imgcls_itself_comes_from_the_wheel(programs, tmp_path):
    code = (
        "import imgcls, imgcls_zoo, json; from importlib.metadata import distributions; "
        "names = [d.name for d in distributions() if d.name.startswith('imgcls')]; "
        "print(json.dumps([imgcls.__file__, imgcls_zoo.__file__, sorted(names)]))"
    )
    done = subprocess.run(
        [programs / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    core, zoo, names = json.loads(done.stdout)
    environment = str(programs.parent)
    assert core.startswith(environment)
    assert zoo.startswith(environment)
    assert names == ["imgcls", "imgcls-example"]


def test_the_plugin_is_listed_with_what_it_brings(programs, tmp_path):
    ended = _run(programs, "plugins", cwd=tmp_path)
    assert ended.code == 0, ended
    assert "example (imgcls-example 0.3.0)" in ended.out, ended
    assert "models: small_net, small_net_wide" in ended.out, ended
    assert "datasets: photo_tiles" in ended.out, ended
    assert "callbacks: weight_norm" in ended.out, ended
    assert "not loaded" not in ended.out, ended


def test_its_models_are_named_after_it_and_take_no_name_of_imgcls(programs, tmp_path):
    ended = _run(programs, "models", "--json", cwd=tmp_path)
    assert ended.code == 0, ended
    models = {model["name"]: model for model in json.loads(ended.out)}
    assert models["example:small_net"]["package"] == "imgcls-example 0.3.0"
    assert models["lenet5"]["package"].startswith("imgcls ")
    assert "small_net" not in models
    page = _run(programs, "models", "show", "example:small_net_wide", cwd=tmp_path)
    assert "width = 32" in page.out, page


def test_a_slip_in_its_options_is_answered_with_file_line_and_the_nearest_name(programs, tmp_path):
    (tmp_path / "x.toml").write_text(_RECIPE.replace("width = 24", "widht = 24"))
    ended = _run(programs, "recipe", "check", "x.toml", cwd=tmp_path)
    assert ended.code == 2, ended
    assert "x.toml:3" in ended.err, ended
    assert "did you mean 'width'?" in ended.err, ended


def test_a_recipe_that_names_its_model_dataset_and_callback_trains_on_two_workers(programs, tmp_path):
    (tmp_path / "x.toml").write_text(_RECIPE)
    ended = _run(programs, "launch", "x.toml", "--workers", 2, cwd=tmp_path)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    run = tmp_path / "runs/x"
    # 13 x 20 tiles of each photograph, a quarter of them held out
    assert result(run)["n"] == 130
    assert [record["n"] for record in metrics(run, "epoch")] == [390] * 5
    assert result(run)["top1"] > 70, "two photographs are not hard to tell apart"
    plan = json.loads((run / "plan.json").read_text())
    assert plan["model"]["origin"] == "imgcls-example 0.3.0"
    assert plan["model"]["options"] == {"width": 24}
    norms = [json.loads(line) for line in (run / "weight_norm.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in norms] == [1, 2, 3, 4, 5]
    assert len({entry["norm"] for entry in norms}) == 5


def test_an_error_that_the_dataset_calls_the_users_is_shown_as_its_message(programs, tmp_path):
    (tmp_path / "x.toml").write_text(_RECIPE)
    ended = _run(programs, "launch", "x.toml", "--workers", 0, "--set", "data.tile=5000", cwd=tmp_path)
    assert ended.code == 2, ended
    assert ended.err.strip() == "data.tile = 5000 is more than the photographs' 427 pixels", ended


def test_a_shipped_recipe_trains_by_name_from_an_empty_folder(programs, tmp_path):
    ended = _run(programs, "launch", "digits_lenet", "--workers", 0, cwd=tmp_path)
    assert ended.code == 0, ended
    assert result(tmp_path / "runs/digits_lenet")["top1"] >= 98
