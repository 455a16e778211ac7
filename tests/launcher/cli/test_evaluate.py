"""``imgcls evaluate``: the run's own figures again, other data, and what cannot be evaluated."""

from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image

from imgcls.cli.evaluate import _division
from imgcls.data.division import Division
from imgcls.data.of_run import of_plan, of_recipe
from imgcls.errors import UserError
from imgcls.plan import Plan
from imgcls.plugins import installed
from imgcls.recipe import read


def quiet(_done, _of):
    pass


def found(ended):
    assert ended.returncode == 0, ended
    return json.loads(ended.stdout)


def result(run):
    return json.loads((run / "result.json").read_text(encoding="utf-8"))


def refused(ended, *said):
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    for words in said:
        assert words in ended.stderr


@pytest.mark.parametrize("settings", [(), ("train.ema=0.9", "train.eval_flip=true", "train.channels_last=true")])
def test_a_run_and_its_last_checkpoint_have_the_figures_of_result_json(run_imgcls, tmp_path, settings):
    words = [word for setting in ("train.epochs=2", *settings) for word in ("--set", setting)]
    ended = run_imgcls("launch", "digits_lenet", "--workers", 0, *words)
    assert ended.returncode == 0, ended
    run = tmp_path / "runs" / "digits_lenet"
    expected = result(run)
    assert expected["top1"] == expected["best_top1"]
    for path in (run, run / expected["checkpoint"]):
        mine = found(run_imgcls("evaluate", path, "--json", "-"))
        for key in ("top1", "top5", "n"):
            assert mine[key] == expected[key]
        assert mine["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    matrix = mine["confusion"]
    assert sum(map(sum, matrix)) == 359
    assert 100 * sum(matrix[i][i] for i in range(10)) / 359 == pytest.approx(expected["top1"])
    assert [row["n"] for row in mine["classes"]] == [sum(row) for row in matrix]
    assert sum(each["n"] for each in mine["calibration"]) == 359
    assert mine["flip"] is bool(settings)


def test_the_table_says_it_all_and_the_file_holds_it(run_imgcls, trained, tmp_path):
    ended = run_imgcls("evaluate", trained / "runs/pngs", "--json", "all.json")
    assert ended.returncode == 0, ended
    whole = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    lines = ended.stdout.splitlines()
    assert lines[0] == "lenet5 on validation of image_folder, as in the run"
    rows = {line[:20].strip(): line[20:] for line in lines[1:9]}
    assert rows["images"] == f"{whole['n']}"
    assert rows["top-1"] == f"{result(trained / 'runs/pngs')['best_top1']:.2f} %"
    assert rows["calibration error"] == f"{whole['ece']:.2f} %  (ECE, 15 bins of equal width, arXiv:1706.04599)"
    worst = min(whole["classes"], key=lambda row: (row["top1"], -row["n"]))
    after = lines[lines.index(next(line for line in lines if line.startswith("class "))) + 1]
    assert after.split()[:3] == [worst["name"], str(worst["n"]), f"{worst['top1']:.2f}"]
    assert lines[-1].split() == ["9", *(str(count or ".") for count in whole["confusion"][9])]
    before = (tmp_path / "all.json").read_bytes()
    again = run_imgcls("evaluate", trained / "runs/pngs", "--json", "all.json", "--split", "train")
    refused(again, "all.json: is there already and was left as it is", "--force")
    assert (tmp_path / "all.json").read_bytes() == before
    forced = run_imgcls("evaluate", trained / "runs/pngs", "--json", "all.json", "--split", "train", "--force")
    assert forced.returncode == 0, forced
    assert json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))["n"] == 300 - whole["n"]


def test_a_folder_is_matched_by_class_names_and_what_was_trained_on_is_said(run_imgcls, trained, tmp_path):
    for name in ("7", "3"):
        shutil.copytree(trained / "images" / name, tmp_path / "some" / "val" / name)
        shutil.copytree(trained / "images" / name, tmp_path / "some" / "train" / name)
    ended = run_imgcls("evaluate", trained / "runs/pngs", "--data", "some", "--json", "-")
    mine = found(ended)
    assert "note: no image of 8 of the model's classes: 0, 1, 2, 4, 5, 6, 8, 9" in ended.stderr
    counts = {name: len(list((tmp_path / "some/val" / name).iterdir())) for name in ("3", "7")}
    assert {row["name"]: row["n"] for row in mine["classes"] if row["n"]} == counts
    assert mine["data"] == "some/val"
    own = run_imgcls("evaluate", trained / "runs/pngs", "--data", trained / "images", "--json", "-")
    assert found(own)["n"] == 300
    # by names, not by the places in the folder, where 3 and 7 come first and second
    assert [mine["confusion"][i] for i in (3, 7)] == [found(own)["confusion"][i] for i in (3, 7)]
    held_out = result(trained / "runs/pngs")["n"]
    assert f"note: the model was trained on {300 - held_out} of these 300 images" in own.stderr


def test_set_lays_values_over_the_runs_data(run_imgcls, trained, tmp_path):
    shutil.copytree(trained / "images", tmp_path / "moved")
    run = trained / "runs/pngs"
    ended = run_imgcls("evaluate", run, "--set", "data.root=moved", "--json", "-")
    mine = found(ended)
    assert (mine["n"], mine["top1"]) == (result(run)["n"], result(run)["best_top1"])  # the same are held out
    assert mine["data"] == "validation of image_folder, with --set"


def test_what_cannot_be_evaluated_is_named(run_imgcls, trained, tmp_path):
    run = trained / "runs/pngs"
    refused(run_imgcls("evaluate", "gone"), "gone: is neither a run's folder with a checkpoint nor")
    refused(run_imgcls("evaluate", run, "--data", "gone"), "--data gone: there is no such folder")
    refused(run_imgcls("evaluate", run, "--data", ".", "--set", "data.root=x"), "give one of them")
    refused(run_imgcls("evaluate", run, "--set", "train.epochs=3"), "--set train.epochs=3: only the data can")
    refused(run_imgcls("evaluate", run, "--set", "data.rot=3"), "data.rot: unknown option; did you mean 'root'?")
    shutil.copytree(trained / "images/3", tmp_path / "other" / "3")
    shutil.copytree(trained / "images/4", tmp_path / "other" / "four")
    refused(
        run_imgcls("evaluate", run, "--data", "other"),
        "other: 1 of 2 classes are not the model's: four;",
        "remove or rename",
    )
    (tmp_path / "split" / "train").mkdir(parents=True)
    shutil.copytree(trained / "images/3", tmp_path / "split/train/3")
    refused(run_imgcls("evaluate", run, "--data", "split"), "has train, but no val; give --split train")


@pytest.mark.slow
def test_an_image_damaged_since_is_named_or_left_out_by_set(run_imgcls, trained, tmp_path):
    shutil.copytree(trained / "images", tmp_path / "images")
    # a JPEG: DALI 2.4 may crash on a PNG that is cut off
    victim = tmp_path / "images/3/003.jpg"
    with Image.open(victim.with_suffix(".png")) as image:
        image.save(victim, quality=95)
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size * 3 // 4])
    victim.with_suffix(".png").unlink()
    run = trained / "runs/pngs"
    refused(run_imgcls("evaluate", run, "--data", "images"), "images/3/003.jpg: is damaged or cut off")
    ended = run_imgcls(
        "evaluate", run, "--set", "data.root=images", "--set", "data.on_bad_image='skip'", "--json", "-",
        "--split", "train",
    )  # fmt: skip
    other = run_imgcls(
        "evaluate", run, "--set", "data.root=images", "--set", "data.on_bad_image='skip'", "--json", "-"
    )
    parts = [found(ended), found(other)]
    assert sum(part["n"] for part in parts) == 299
    listed = [entry for part in parts for entry in part["left_out"]]
    assert [entry["reason"] for entry in listed] == ["is damaged or cut off"]
    assert listed[0]["path"].endswith("images/3/003.jpg")
    assert "left out: " in ended.stderr + other.stderr


@pytest.fixture
def copied(trained, tmp_path):
    """The run without its indexes, and its plan."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs/.index")
    run = tmp_path / "runs/pngs"
    text = (run / "plan.json").read_text(encoding="utf-8").replace(f"{trained}/runs/.index", f"{tmp_path}/gone")
    return Plan.from_json(text)


@pytest.mark.slow
def test_without_its_index_the_dataset_is_prepared_again(copied, trained, tmp_path):
    division = _division(tmp_path / "runs/pngs/recipe.toml")
    assert division == Division(1, 0.3, None, 1.0)
    for split in ("train", "validation"):
        planned = getattr(copied.data, split)
        chosen = of_plan(copied, split, division, tmp_path / "cache", quiet)
        assert chosen.index.digest == planned.digest
        assert chosen.notes == ()
    with pytest.raises(UserError, match=r"gone/.*\.parquet is gone, and without the run's recipe\.toml"):
        of_plan(copied, "validation", None, tmp_path / "cache", quiet)
    chosen = of_plan(copied, "validation", Division(1, 0.5), tmp_path / "cache", quiet)
    assert chosen.notes[0].startswith("the images are not those that the run had: ")


@pytest.mark.slow
def test_a_storage_that_was_moved_keeps_its_indexes(copied, trained, tmp_path):
    chosen = of_plan(copied, "validation", None, trained / "runs/.index", quiet)
    assert chosen.index.digest == copied.data.validation.digest


def test_images_that_are_gone_are_said_with_where_they_were(trained, tmp_path):
    shutil.copytree(trained / "runs", tmp_path / "runs")
    text = (trained / "runs/pngs/plan.json").read_text(encoding="utf-8")
    plan = Plan.from_json(text.replace(f'"{trained}/images"', f'"{tmp_path}/away"'))
    with pytest.raises(UserError, match=f"were in {tmp_path}/away, which is not there any more"):
        of_plan(plan, "validation", Division(1, 0.3), tmp_path / "runs/.index", quiet)


def test_only_the_split_that_is_asked_for_is_read(trained, tmp_path):
    for part in ("train", "val"):
        shutil.copytree(trained / "images", tmp_path / "both" / part)
    (tmp_path / "both/train/3/003.png").write_text("no image")
    plan = Plan.from_json((trained / "runs/pngs/plan.json").read_text(encoding="utf-8"))
    overrides = (f"data.root={tmp_path}/both",)
    recipe = read(trained / "runs/pngs/recipe.toml", installed(), overrides)
    chosen = of_recipe(recipe, plan, "validation", tmp_path / "cache", quiet)
    assert len(chosen.index) == 300
    with pytest.raises(UserError, match="is not an image"):
        of_recipe(recipe, plan, "train", tmp_path / "cache", quiet)
