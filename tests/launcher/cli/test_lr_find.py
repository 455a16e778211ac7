"""``imgcls lr-find``: on digits, what it prints, what it writes, and what it leaves alone."""

from __future__ import annotations

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from imgcls.cli.lr_find import _suggestion
from imgcls.train.lr_find import curve


def test_digits_get_a_rate_that_trains_them_with_a_plot_and_a_table(run_imgcls, tmp_path):
    ended = run_imgcls("lr-find", "digits_lenet", "--from", "1e-5", "--steps", 80)
    assert ended.returncode == 0, ended
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("digits_lenet: lenet5 on digits, sgd, batches of 64, ")
    assert lines[-1] == "lr.png, lr.csv"
    suggested = float(next(line for line in lines if line.startswith("suggestion: ")).split()[3].rstrip(","))
    assert 0.02 < suggested < 0.5  # the recipe's 0.1 reaches 98 %
    assert "the recipe has 0.1" in lines
    with (tmp_path / "lr.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "rate", "loss", "smoothed"]
    rates, losses = ([float(row[key]) for row in rows] for key in ("rate", "loss"))
    assert lines[0].endswith(f", {len(rows)} updates")
    np.testing.assert_allclose(rates, np.geomspace(1e-5, 10, 80)[: len(rows)])
    assert len(rows) < 80  # a rate of 10 is too much for it
    assert losses[0] == pytest.approx(np.log(10), abs=0.1)
    with Image.open(tmp_path / "lr.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (960, 600))
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".index"]  # no run


def test_what_is_there_is_overwritten_only_by_force(run_imgcls, tmp_path):
    (tmp_path / "x.csv").write_text("mine")
    words = ("lr-find", "digits_lenet", "--steps", 10, "--from", "1e-4", "--to", "1e-2", "--out", "x.png")
    ended = run_imgcls(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "x.csv: is there already and was left as it is" in ended.stderr
    assert (tmp_path / "x.csv").read_text() == "mine"
    assert not (tmp_path / "x.png").exists()
    assert run_imgcls(*words, "--force").returncode == 0
    assert (tmp_path / "x.csv").read_text().startswith("step,rate,loss,smoothed\n1,0.0001,")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "1", "--to", "0.1"), "--from 1 --to 0.1: the rate rises"),
        (("--to", "inf"), "the rate rises"),
        (("--out", "lr.jpg"), "give it a name that ends in .png"),
        (("--out", "no/lr.png"), "there is no folder"),
        (("--set", "optimizer.lrr=1"), "did you mean 'lr'"),
        (("--from", "0"), "0"),
        (("--set", 'weights.source="nothing.safetensors"'), "nothing.safetensors: there is no such file"),
        (("--from", "1e15", "--to", "1e20"), "--from 1e+15: the loss is no number"),
    ],
)
def test_what_cannot_be_is_said_in_one_message(run_imgcls, tmp_path, words, said):
    ended = run_imgcls("lr-find", "digits_lenet", *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "runs"] == []


def test_where_nothing_falls_nothing_is_suggested(run_imgcls):
    ended = run_imgcls("lr-find", "digits_lenet", "--steps", 30, "--from", "1e-9", "--to", "1e-7")
    assert ended.returncode == 0, ended
    assert "no suggestion: from 1e-09 to 1e-07" in ended.stdout


def test_a_loss_that_still_falls_asks_for_a_higher_rate():
    plan = SimpleNamespace(optimizer=SimpleNamespace(options={"betas": (0.9, 0.99)}))
    rates = np.geomspace(1e-4, 1e-2, 50)
    lines = _suggestion(plan, curve(rates, 2 - 0.5 * np.linspace(0, 1, 50) ** 2, 1, False))
    assert lines[-1].startswith("the loss was still falling at 0.01")
