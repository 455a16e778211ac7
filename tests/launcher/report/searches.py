"""Folders of searches, written as a search writes them, with results that follow a formula."""

from __future__ import annotations

import json
import random
from math import log10

from imgcls.tuning.study import Asked, Report, Rung, Study

SPACE = {
    "optimizer.lr": {"log_uniform": [0.01, 3.0]},
    "model.name": {"choice": ["resnet18", "resnet34"]},
    "augment.rand_augment.magnitude": {"randint": [0, 15], "when": {"model.name": "resnet34"}},
    "optimizer.momentum": {"uniform": [0.5, 0.99], "step": 0.01},
}
RUNGS = (Rung(1, 1 / 9, "5 epochs"), Rung(3, 1 / 3, "15 epochs"), Rung(9, 1.0, "45 epochs"))
WHOLE = (Rung(20, 1.0, "20 epochs"),)


def asked(**changed):
    given = {
        "recipe": "digits_tune", "metric": "val/top1", "trials": 40, "search": "tpe", "scheduler": "asha",
        "fidelity": "epochs", "holdout": None, "seed": 0, "reduction": 3, "perturb_every": 1, "rungs": RUNGS,
        "workers": 1, "cpus": 1.0, "domains": SPACE,
    }  # fmt: skip
    given |= changed
    return Asked(space={key: f"words for {key}" for key in given["domains"]}, **given)


def report(index=0, time=1, top1=50.0, run=None, epoch=5, at=0.0, loss=None, top5=90.0):
    loss = 4 - top1 / 30 if loss is None else loss
    run = index + 1 if run is None else run
    return Report(
        index=index, run=run, time=time, epoch=epoch, step=100, top1=top1, top5=top5, loss=loss, at=1e9 + at
    )  # fmt: skip


def values_of(number):
    draw = random.Random(number)
    values = {
        "optimizer.lr": round(10 ** draw.uniform(-2, 0.47), 5),
        "model.name": draw.choice(["resnet18", "resnet34"]),
        "optimizer.momentum": round(draw.uniform(0.5, 0.99), 2),
    }
    if values["model.name"] == "resnet34":
        values["augment.rand_augment.magnitude"] = draw.randint(0, 15)
    return values


def top1_of(values, time):
    """The best rate is 0.3; a longer run is better than any shorter one."""
    return 60 + 10 * time**0.5 - 5 * (log10(values["optimizer.lr"]) + 0.5) ** 2 + values["optimizer.momentum"]


def add(study, values, reports=(), end=None, why="", runs=None, decisions=()):
    trial = study.add(values)
    for number in range(1, 1 + (len(reports) if runs is None else runs)):
        folder = trial.run(number).path
        folder.mkdir(parents=True)
        (folder / "values.json").write_text(json.dumps({"values": values, "from": None}))
    for each in reports:
        trial.report(each)
    for decision in decisions:
        trial.decide(decision)
    if end is not None:
        trial.ended(end, why)
    return trial


def halving(path, trials=30, **changed):
    """A search by rungs of which a third goes on each time; the last two trials failed and wait."""
    study = Study(path)
    path.mkdir(parents=True)
    study.ask(asked(**changed))
    (path / "recipe.toml").write_text("seed = 1\n")
    values = {number: values_of(number) for number in range(1, trials - 1)}
    inorder = sorted(values, key=lambda number: -top1_of(values[number], 1))
    for number in values:
        place = inorder.index(number)
        count = 3 if place < trials // 9 else 2 if place < trials // 3 else 1
        reports = [
            report(
                i, rung.time, top1_of(values[number], rung.time), epoch=5 * rung.time, at=60.0 * number + 30 * i
            )
            for i, rung in enumerate(RUNGS[:count])
        ]
        add(study, values[number], reports, "finished" if count == 3 else "stopped")
    add(study, values_of(trials - 1), (), "failed", "the loss is no number at step 3 <of> 5", runs=1)
    add(study, values_of(trials))
    return study
