"""The recipes that are shipped reach what they promise, or say what they lack."""

import os
import random
from pathlib import Path

import pytest
from tests.faults.processes import imgcls, metrics, result

_FOLDER = Path(__file__).parents[2] / "recipes"
_NAMES = sorted(path.stem for path in _FOLDER.glob("*.toml"))
_WALLPAPERS = Path("/usr/share/wallpapers")
_FASHION = Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")


# the first epoch of small images, the second of larger ones, at a rate that is not for batches of 4,096
_GROWING = {
    "input__size": 96,
    "input__train_size": 96,
    "progressive__size": 64,
    "progressive__begin": 0,
    "progressive__end": 1,
    "train__epochs": 2,
    "optimizer__lr": 0.01,
}


def _wallpapers() -> list[Path]:
    """One small picture for each of Debian's wallpapers."""
    found = {path.parents[2].name: path for path in sorted(_WALLPAPERS.glob("*/contents/images/*.jpg"))}
    if len(found) < 3:
        pytest.skip(f"needs Debian's plasma-workspace-wallpapers; {_WALLPAPERS} has {len(found)} of 3")
    return list(found.values())


def _picture(source: Path, target: Path, rng: random.Random) -> None:
    """Write a real photograph, cut and scaled down, in some size of its own."""
    from PIL import Image

    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        image.draft("RGB", (800, 600))
        width, height = image.size
        left, top = rng.randrange(width // 3), rng.randrange(height // 3)
        part = image.convert("RGB").crop((left, top, left + width // 2, top + height // 2))
        part.resize((rng.randrange(180, 360), rng.randrange(160, 300))).save(target, "JPEG", quality=90)


def _ilsvrc(root: Path, train: int, validation: int) -> None:
    """A folder as ILSVRC's is laid out, of three classes."""
    rng = random.Random(1)
    sources = _wallpapers()
    for synset in ("n01440764", "n01443537", "n01484850"):
        for number in range(train):
            _picture(rng.choice(sources), root / "train" / synset / f"{synset}_{number}.JPEG", rng)
        for number in range(validation):
            name = f"ILSVRC2012_val_{number:08d}.JPEG"
            _picture(rng.choice(sources), root / "val" / synset / name, rng)


def _sets(**values: object) -> list[str]:
    return [part for key, value in values.items() for part in ("--set", f"{key.replace('__', '.')}={value}")]


# the others are read in one process: test_every_recipe.py
@pytest.mark.parametrize("name", ["digits_lenet", "imagenet_resnet50_a1"])
def test_a_shipped_recipe_is_found_by_name_from_anywhere_and_passes_the_check(name, tmp_path):
    ended = imgcls("recipe", "check", name, cwd=tmp_path)
    assert ended.code == 0, ended
    assert ": ok: " in ended.out, ended
    assert not (tmp_path / "runs").exists()


def test_the_shipped_recipes_are_those_that_the_issue_names():
    digits = {"digits_lenet", "fashion_mnist_lenet", "folder_resnet18"}
    cifar = {f"cifar{n}_{model}" for n in (10, 100) for model in ("resnet18", "wide_resnet28_10")}
    models = ("alexnet", "vgg16", "googlenet", "resnet50", "densenet121", "efficientnet_b0", "vit_b_16")
    newer = ("deit_small", "convnext_tiny", "mobilenet_v3_large")
    procedures = ("a1", "a2", "a3", "16epochs", "32epochs")
    imagenet = [*models, *newer, *(f"resnet50_{procedure}" for procedure in procedures)]
    assert digits | cifar | {f"imagenet_{model}" for model in imagenet} <= set(_NAMES)


def test_a_recipe_that_is_not_there_is_answered_with_the_nearest(tmp_path):
    ended = imgcls("launch", "digit_lenet", cwd=tmp_path)
    assert ended.code == 2, ended
    assert "did you mean 'digits_lenet'?" in ended.err, ended


def test_digits_without_ray_reach_98_percent_from_another_folder(tmp_path):
    ended = imgcls("launch", "digits_lenet", "--workers", 0, cwd=tmp_path)
    assert ended.code == 0, ended
    reached = result(tmp_path / "runs/digits_lenet")
    assert reached["top1"] >= 98
    assert reached["n"] == 359
    assert ": reached" in ended.out, ended
    assert not (tmp_path / "runs/digits_lenet/logs/ray.log").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not _FASHION.is_file(), reason="needs Debian's dataset-fashion-mnist")
def test_fashion_mnist_reaches_90_percent(tmp_path):
    ended = imgcls("launch", "fashion_mnist_lenet", cwd=tmp_path, limit=800)
    assert ended.code == 0, ended
    reached = result(tmp_path / "runs/fashion_mnist_lenet")
    assert reached["top1"] >= 90
    assert reached["n"] == 10_000
    assert metrics(tmp_path / "runs/fashion_mnist_lenet", "epoch")[-1]["n"] == 60_000
    assert ": reached" in ended.out, ended


def test_imagenet_without_its_data_says_what_lies_where(tmp_path):
    ended = imgcls("launch", "imagenet_resnet50", "--workers", 2, cwd=tmp_path)
    assert ended.code == 2, ended
    assert "there is no folder imagenet/train" in ended.err, ended
    assert "imagenet/train/n01440764/n01440764_10026.JPEG" in ended.err, ended
    assert "imagenet/val/n01440764/ILSVRC2012_val_00000293.JPEG" in ended.err, ended
    assert "data.root" in ended.err, ended
    assert "Traceback" not in ended.err, ended


def test_imagenet_as_shipped_on_this_machine_says_both_that_workers_do_not_fit_and_that_data_is_missing(tmp_path):
    count = 100 * len(os.sched_getaffinity(0))
    ended = imgcls("launch", "imagenet_resnet50", "--workers", count, cwd=tmp_path)
    assert ended.code == 2, ended
    assert f"{count} workers of 1 CPU need {count} CPUs" in ended.err, ended
    assert "imagenet/train/n01440764" in ended.err, ended


def test_an_imagenet_of_another_number_of_classes_is_refused(tmp_path):
    _ilsvrc(tmp_path / "imagenet", train=1, validation=1)
    ended = imgcls("launch", "imagenet_resnet50", "--workers", 0, cwd=tmp_path)
    assert ended.code == 2, ended
    assert "has 3 class folders, expected 1000" in ended.err, ended
    assert "data.classes" in ended.err, ended


def test_imagenet_trains_on_a_small_folder_of_its_shape_on_two_workers(tmp_path):
    _ilsvrc(tmp_path / "small", train=10, validation=3)
    values = _sets(
        data__root="'small'",
        data__classes=3,
        train__epochs=2,
        train__batch_size=8,
        input__size=64,
        schedule__warmup_epochs=1,
        optimizer__lr=0.01,
    )
    ended = imgcls("launch", "imagenet_resnet50", "--workers", 2, *values, cwd=tmp_path)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    run = tmp_path / "runs/imagenet_resnet50"
    reached = result(run)
    assert reached["n"] == 9
    assert reached["top5"] == 100, "of three classes, all are among the five best"
    # 30 pictures in batches of 8, the rest left out
    assert reached["steps"] == 2 * 3
    assert [record["n"] for record in metrics(run, "epoch")] == [24, 24]
    assert "resnet50 on imagenet" in ended.out, ended


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("imagenet_resnet50_a1", {}),
        ("imagenet_deit_small", {}),
        ("imagenet_resnet50_16epochs", _GROWING),
    ],
)
def test_a_recipe_of_imagenet_trains_for_an_epoch_on_a_small_folder_of_its_shape(name, values, tmp_path):
    _ilsvrc(tmp_path / "small", train=3, validation=2)
    # 9 pictures in batches of 4, the rest left out
    few = {"data__root": "'small'", "data__classes": 3, "train__epochs": 1, "train__batch_size": 4}
    more = _sets(**{**few, "schedule__warmup_epochs": 0, **values})
    ended = imgcls("launch", name, "--workers", 0, *more, cwd=tmp_path, limit=550)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    run = tmp_path / "runs" / name
    assert result(run)["n"] == 6
    epochs = values.get("train__epochs", 1)
    assert result(run)["steps"] == 2 * epochs
    assert [record["n"] for record in metrics(run, "epoch")] == [8] * epochs
    assert ("images grow: 64 in epoch 1, 96 in epoch 2 pixels" in ended.out) == ("progressive__size" in values)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_imagenet_trains_on_sixteen_workers_on_a_small_machine(tmp_path):
    _ilsvrc(tmp_path / "small", train=12, validation=3)
    values = _sets(
        data__root="'small'",
        data__classes=3,
        train__epochs=1,
        train__batch_size=32,
        input__size=32,
        schedule__warmup_epochs=0,
        optimizer__lr=0.01,
    )
    arguments = ("--workers", 16, "--cpus-per-worker", 0.1)
    ended = imgcls("launch", "imagenet_resnet50", *arguments, *values, cwd=tmp_path, limit=550)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    run = tmp_path / "runs/imagenet_resnet50"
    assert "16 workers" in ended.out, ended
    assert result(run)["n"] == 9
    assert [record["n"] for record in metrics(run, "epoch")] == [32]
    assert len(list((run / "logs").glob("worker-*.log"))) == 16


def test_resnet18_trains_on_a_users_own_folder_of_odd_names_without_a_validation_folder(tmp_path):
    rng = random.Random(2)
    root = tmp_path / "Meine Bilder"
    sources = _wallpapers()
    classes = ["Äpfel und Öl", "grüne Wiesen", "straße"]
    for label, source in zip(classes, sources, strict=False):
        for number in range(10):
            _picture(source, root / label / f"Bild Nr. {number} – schön.jpg", rng)
    values = _sets(
        data__root=root,  # bare, as in the recipe's own words
        data__validation=0.2,
        train__epochs=2,
        train__batch_size=8,
        input__size=64,
        schedule__warmup_epochs=0,
    )
    ended = imgcls("launch", "folder_resnet18", "--workers", 0, *values, cwd=tmp_path)
    assert ended.code == 0, ended
    run = tmp_path / "runs/folder_resnet18"
    reached = result(run)
    # a fifth of each class is held out
    assert reached["n"] == 6
    assert [record["n"] for record in metrics(run, "epoch")] == [24, 24]
    assert all(f'"{label}"' in (run / "plan.json").read_text() for label in classes)


def test_a_folder_that_is_not_there_is_named_with_the_option_that_sets_it(tmp_path):
    ended = imgcls("launch", "folder_resnet18", "--workers", 0, "--set", "data.root='nowhere'", cwd=tmp_path)
    assert ended.code == 2, ended
    assert "nowhere" in ended.err, ended
    assert "data.root" in ended.err, ended
