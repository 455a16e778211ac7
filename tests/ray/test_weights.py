"""A run that starts from weights, through the real command."""

import json
import shutil

import pytest

RECIPE = """
model = "lenet5"
data = {{ name = "digits", validation = 0.2 }}
optimizer = {{ name = "sgd", lr = {lr} }}
{more}
[train]
epochs = {epochs}
batch_size = 60
"""


def top1(folder):
    return json.loads((folder / "result.json").read_text())["top1"]


@pytest.fixture
def trained(run_imgcls, write_recipe, tmp_path):
    recipe = write_recipe(RECIPE.format(lr=0.1, epochs=3, more=""), "first.toml")
    ended = run_imgcls("launch", recipe, "--workers", 0)
    assert ended.returncode == 0, ended.stderr
    return tmp_path / "runs" / "first"


def test_every_worker_starts_from_the_weights_of_a_run(run_imgcls, write_recipe, tmp_path, trained):
    # so small a rate changes nothing: what is evaluated is what was loaded
    recipe = write_recipe(RECIPE.format(lr=1e-12, epochs=1, more=f'weights = "{trained}"'), "second.toml")
    for workers in (0, 3):
        ended = run_imgcls(
            "launch", recipe, "--workers", workers, "--name", f"on{workers}", "--cpus-per-worker", 0.5
        )
        assert ended.returncode == 0, ended.stderr
        assert f"weights: 10 tensors of {trained}, SHA-256 " in ended.stdout
        assert top1(tmp_path / "runs" / f"on{workers}") == pytest.approx(top1(trained), abs=0.6)
    assert top1(trained) > 80


def test_a_head_is_replaced_and_the_first_convolution_adapted(run_imgcls, write_recipe, trained):
    recipe = write_recipe(
        RECIPE.format(lr=0.01, epochs=1, more=f'weights = "{trained}"\ninput = {{ channels = 3 }}'), "colour.toml"
    )
    ended = run_imgcls("launch", recipe, "--workers", 0)
    assert ended.returncode == 0, ended.stderr
    assert "weights: c1.weight: 1 channels in the file, 3 here; the sum is shared out" in ended.stdout


def test_wrong_weights_end_with_one_message_and_a_run_goes_on_without_its_file(
    run_imgcls, write_recipe, tmp_path, trained
):
    wrong = write_recipe(
        RECIPE.format(lr=0.01, epochs=1, more=f'weights = "{trained}"').replace('"lenet5"', '"resnet18"'), "w.toml"
    )
    ended = run_imgcls("launch", wrong, "--workers", 0)
    assert ended.returncode == 2
    assert "the weights are not this model's, nothing was loaded" in ended.stderr
    assert "Traceback" not in ended.stderr
    # nothing has come of it: the recipe can be mended and launched under the same name
    mended = write_recipe(RECIPE.format(lr=0.01, epochs=1, more=""), "w.toml")
    assert run_imgcls("launch", mended, "--workers", 0).returncode == 0
    gone = write_recipe(RECIPE.format(lr=0.01, epochs=1, more='weights = "nowhere.pth"'), "gone.toml")
    ended = run_imgcls("launch", gone, "--workers", 0)
    assert ended.returncode == 2
    assert "weights nowhere.pth: there is no such file" in ended.stderr

    copy = tmp_path / "start.safetensors"
    shutil.copy(next((trained / "checkpoints").glob("step-*")) / "model.safetensors", copy)
    recipe = write_recipe(RECIPE.format(lr=0.01, epochs=2, more=f'weights = "{copy}"'), "again.toml")
    assert run_imgcls("launch", recipe, "--workers", 0).returncode == 0
    (tmp_path / "runs" / "again" / "result.json").unlink()
    copy.unlink()
    ended = run_imgcls("launch", recipe, "--workers", 0)
    assert ended.returncode == 0, ended.stderr
