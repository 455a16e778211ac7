"""``imgcls predict``: image by image what the evaluation says, in order, whatever else is among the files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter

import pytest
import torch
from PIL import Image

from imgcls.data.of_run import of_plan
from imgcls.train import predict as predicting
from imgcls.train.answers import Answering
from imgcls.train.assess import assess
from imgcls.train.predict import predict


def quiet(_done, _of):
    pass


def cut_off(picture, target):
    """Write a picture as a JPEG whose header is whole and whose data ends half way."""
    with Image.open(picture) as image:
        image.save(target, quality=95)
    target.write_bytes(target.read_bytes()[: target.stat().st_size * 3 // 4])
    return target


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_every_image_gets_the_answer_that_the_evaluation_counted(run_imgcls, trained):
    ended = run_imgcls("predict", trained / "runs/pngs", trained / "images", "--format", "jsonl", "--top", 10)
    assert (ended.returncode, ended.stderr) == (0, "")
    said = {row["image"]: row for row in json_lines(ended.stdout)}
    assert list(said) == sorted(map(str, (trained / "images").rglob("*.png")))
    answering = Answering.load(trained / "runs/pngs")
    chosen = of_plan(answering.served.plan, "validation", None, trained / "none", quiet)
    answers = assess(answering, chosen.index, None, quiet).answers
    classes = answering.served.plan.data.classes
    assert len(chosen.index) > 80
    for sample in range(len(chosen.index)):
        top = said[chosen.index.path(sample)]["top"]
        assert top[0]["class"] == classes[answers.predicted[sample]]
        assert top[0]["probability"] == pytest.approx(answers.confidence[sample], abs=2e-6)
        values = [each["probability"] for each in top]
        assert values == sorted(values, reverse=True)
        assert sum(values) == pytest.approx(1, abs=1e-5)
        assert {each["class"] for each in top} == set(classes)
    ended = run_imgcls("evaluate", trained / "runs/pngs", "--data", trained / "images", "--json", "-")
    matrix = json.loads(ended.stdout)["confusion"]
    pairs = Counter((path.split("/")[-2], row["top"][0]["class"]) for path, row in said.items())
    for i, true in enumerate(classes):
        for j, told in enumerate(classes):
            assert matrix[i][j] == pairs[true, told]


def test_bad_files_are_named_and_the_others_come_all_the_same(run_imgcls, trained, tmp_path):
    good = [str(trained / "images" / name) for name in ("3/003.png", "0/000.png", "1/001.png")]
    cut_off(trained / "images/2/002.png", tmp_path / "damaged.jpg")
    (tmp_path / "text.png").write_text("no image")
    order = [good[0], "damaged.jpg", "gone.png", good[1], "text.png", good[0], "damaged.jpg", good[2]]
    ended = run_imgcls("predict", trained / "runs/pngs", *order, "--format", "jsonl", "--top", 1)
    assert ended.returncode == 1, ended
    rows = json_lines(ended.stdout)
    assert [row["image"] for row in rows] == order
    faults = {
        "damaged.jpg": "is damaged or cut off",
        "gone.png": "there is no such file",
        "text.png": "is not an image",
    }
    assert [row["error"] for row in rows] == [faults.get(name) for name in order]
    assert [len(row["top"]) for row in rows] == [name in good for name in order]
    assert rows[0]["top"] == rows[5]["top"]
    assert ended.stderr.splitlines() == [
        "damaged.jpg: is damaged or cut off",
        "gone.png: there is no such file",
        "text.png: is not an image",
        "damaged.jpg: is damaged or cut off",
        "4 of 8 images could not be answered",
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 128])
def test_damaged_images_disturb_no_other_at_any_batch_size(trained, tmp_path, batch_size):
    good = sorted(map(str, (trained / "images").rglob("00?.png")))
    bad = str(cut_off(trained / "images/2/002.png", tmp_path / "damaged.jpg"))
    names = [bad, bad, *good[:3], bad, bad, bad, bad, *good[3:], bad]
    answering = Answering.load(trained / "runs/pngs", batch_size)
    alone = {found.image: found.top for found in predict(answering, good, 3, quiet)}
    found = list(predict(answering, names, 3, quiet))
    assert [each.image for each in found] == names
    for each in found:
        assert each.error == ("is damaged or cut off" if each.image == bad else None)
        mine, expected = each.top, alone.get(each.image, ())
        assert [name for name, _ in mine] == [name for name, _ in expected]
        assert [value for _, value in mine] == pytest.approx([value for _, value in expected], rel=1e-5)


def test_only_bad_files_are_an_answer_too(run_imgcls, trained, tmp_path):
    ended = run_imgcls("predict", trained / "runs/pngs", "gone.png", "--format", "table")
    assert (ended.returncode, ended.stdout) == (1, "gone.png  error: there is no such file\n")


def test_names_on_standard_input_a_file_to_write_and_one_that_is_there(trained, tmp_path, run_imgcls):
    names = [str(trained / "images/1/001.png"), str(trained / "images/4")]
    words = [
        sys.executable,
        "-m",
        "imgcls",
        "predict",
        str(trained / "runs/pngs"),
        "-",
        "--out",
        "x.csv",
        "--top",
        "2",
    ]

    def run(*more):
        text = "\n".join(names)
        return subprocess.run(
            [*words, *more], cwd=tmp_path, input=text, text=True, capture_output=True, check=False
        )

    ended = run()
    assert (ended.returncode, ended.stdout) == (0, ""), ended
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [names[0], *sorted(map(str, (trained / "images/4").iterdir()))]
    assert list(rows[0]) == ["image", "class1", "probability1", "class2", "probability2", "error"]
    before = (tmp_path / "x.csv").read_bytes()
    names = names[:1]
    ended = run()
    assert ended.returncode == 2
    assert "--out x.csv: is there already and was left as it is" in ended.stderr
    assert (tmp_path / "x.csv").read_bytes() == before
    assert run("--force").returncode == 0
    assert (tmp_path / "x.csv").read_bytes() == b"".join(before.splitlines(keepends=True)[:2])
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_a_pipe_gets_csv(run_imgcls, trained):
    ended = run_imgcls("predict", trained / "runs/pngs", trained / "images/1/001.png", "--top", 99)
    assert ended.returncode == 0, ended
    rows = list(csv.reader(ended.stdout.splitlines()))
    assert len(rows) == 2
    assert len(rows[0]) == len(rows[1]) == 22  # ten classes, each with its probability


def test_a_reader_that_has_seen_enough_ends_it_quietly(trained):
    words = [sys.executable, "-m", "imgcls", "predict", trained / "runs/pngs", *[trained / "images"] * 20]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("image,class1")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0


def test_what_cannot_be_done_is_said_before_anything_is(run_imgcls, trained, tmp_path):
    (tmp_path / "empty").mkdir()
    run = trained / "runs/pngs"
    for words, said in [
        (["gone", "a.png"], "gone: is neither a run's folder with a checkpoint nor a checkpoint's folder"),
        ([run, "empty"], "empty: there are no images in it"),
        ([run, "a.png", "--out", "x.xls"], "--out x.xls: .csv .jsonl .ndjson .txt say what to write"),
        ([run, "a.png", "--out", "no/x.csv"], "there is no folder"),
        ([run], "Missing argument 'IMAGES...'"),
    ]:
        ended = run_imgcls("predict", *words)
        assert (ended.returncode, ended.stdout) == (2, ""), ended
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr


def test_the_best_are_those_of_the_highest_logits_and_no_number_is_no_answer():
    logits = torch.tensor([[0.0, 2.0, 2.0, 1.0], [1.0, float("nan"), 0.0, 0.0], [9.0, 1.0, 2.0, 3.0]])
    best = predicting._best(logits, "abcd", 3)
    assert [name for name, _ in best[0]] == ["b", "c", "d"]
    assert [value for _, value in best[0]] == pytest.approx(logits[0].softmax(0)[[1, 2, 3]].tolist())
    assert best[1] == "the model's answer is no number"
    assert [name for name, _ in best[2]] == ["a", "d", "c"]
