"""Each layout of ImageNet's validation images gives the same labels."""

import random

import numpy as np
import pytest
from scipy.io import savemat

from imgcls import UserError
from imgcls_datasets import imagenet
from imgcls_datasets.options import ImageNet

SYNSETS = ["n01440764", "n01443537", "n02119789", "n03995372"]
IDS = {"n02119789": 1, "n03995372": 2, "n01440764": 3, "n01443537": 4}  # the kit's order is not the sorted one
VAL = {f"ILSVRC2012_val_{number:08}.JPEG": SYNSETS[label] for number, label in enumerate([2, 0, 0, 3, 1, 2], 1)}
KIT = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"


def put(folder, encoded, flat=True):
    for number, synset in enumerate(SYNSETS):
        (folder / "train" / synset).mkdir(parents=True)
        (folder / "train" / synset / f"{synset}_{number}.JPEG").write_bytes(encoded(number))
    for number, (name, synset) in enumerate(VAL.items()):
        place = folder / "val" if flat else folder / "val" / synset
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(encoded(100 + number))


@pytest.fixture
def flat(tmp_path, encoded):
    put(tmp_path, encoded)
    return tmp_path


def labels_of(root, **options):
    source = imagenet.build(ImageNet(root=str(root), classes=4, **options), "validation")
    return {
        path.rpartition("/")[2]: source.classes[label]
        for path, label in zip(source.paths, source.labels, strict=True)
    }


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def kit(root, ids=IDS):
    write(root / KIT, "".join(f"{ids[synset]}\n" for synset in VAL.values()))
    rows = [
        (number, synset, "a word, another", "what it is", 0, 0, 0, 1300)
        for synset, number in sorted(ids.items(), key=lambda i: i[1])
    ]
    rows.append((1001, "n00001740", "entity", "an inner node", 2, 0, 5, 0))  # the real file has 860 of these
    names = [
        "ILSVRC2012_ID",
        "WNID",
        "words",
        "gloss",
        "num_children",
        "children",
        "wordnet_height",
        "num_train_images",
    ]
    table = np.array(rows, [(name, object) for name in names]).reshape(-1, 1)
    savemat((root / KIT).with_name("meta.mat"), {"synsets": table})


def val_txt(root, where="val.txt", before=""):
    lines = [f"{before}{name} {SYNSETS.index(synset)}\n" for name, synset in VAL.items()]
    random.Random(0).shuffle(lines)
    write(root / where, "".join(lines))


def kaggle(root, where="LOC_val_solution.csv"):
    lines = [
        f"{name.removesuffix('.JPEG')},{synset} 85 1 499 272 {synset} 0 0 9 9 \n" for name, synset in VAL.items()
    ]
    random.Random(1).shuffle(lines)
    write(root / where, "ImageId,PredictionString\n" + "".join(lines))


def test_class_folders_need_no_file(tmp_path, encoded):
    put(tmp_path, encoded, flat=False)
    assert labels_of(tmp_path) == VAL


@pytest.mark.parametrize("layout", [
    kit, kaggle, val_txt, lambda root: val_txt(root, "val/val.txt"), lambda root: val_txt(root, "val_list.txt", "val/"),
    lambda root: val_txt(root, before="ILSVRC2012/val/"),
])  # fmt: skip
def test_flat_images_get_the_labels_of_the_file_that_is_there(flat, layout, encoded, images_of):
    layout(flat)
    assert labels_of(flat) == VAL
    source = imagenet.build(ImageNet(root=str(flat), classes=4), "validation")
    assert source.classes == tuple(SYNSETS)
    assert images_of(source) == [encoded(100 + number) for number in range(len(VAL))]
    train = imagenet.build(ImageNet(root=str(flat), classes=4), "train")
    assert (train.classes, train.labels.tolist()) == (tuple(SYNSETS), [0, 1, 2, 3])


def test_kaggles_archive_is_read_as_it_is(tmp_path, encoded):
    put(tmp_path / "ILSVRC/Data/CLS-LOC", encoded)
    kaggle(tmp_path)
    assert labels_of(tmp_path) == VAL


def test_a_named_file_comes_before_those_that_are_found(flat):
    val_txt(flat)
    other = dict.fromkeys(VAL, SYNSETS[0])
    write(flat / "mine.txt", "".join(f"{name} 0\n" for name in VAL))
    assert labels_of(flat, val_labels="mine.txt") == other
    with pytest.raises(UserError, match=r"there is no file .*none.txt"):
        labels_of(flat, val_labels="none.txt")


def test_without_a_file_of_labels_the_layouts_are_shown(flat):
    with pytest.raises(UserError, match="no class folders, and there is no file of their labels") as caught:
        labels_of(flat)
    for part in (
        "val.txt",
        "LOC_val_solution.csv",
        "ILSVRC2012_validation_ground_truth.txt",
        "meta.mat",
        str(flat),
    ):
        assert part in str(caught.value)


def test_the_ground_truth_alone_is_not_guessed_at(flat):
    kit(flat)
    (flat / KIT).with_name("meta.mat").unlink()
    with pytest.raises(UserError, match=r"ILSVRC2012_IDs, which .*meta.mat explains"):
        labels_of(flat)
    write((flat / KIT).with_name("meta.mat"), "hello")
    with pytest.raises(UserError, match=r"meta.mat: is not the development kit's meta.mat"):
        labels_of(flat)
    savemat((flat / KIT).with_name("meta.mat"), {"other": np.zeros(3)})
    with pytest.raises(UserError, match=r"meta.mat: is not the development kit's meta.mat"):
        labels_of(flat)


def test_a_kit_with_other_synsets_or_counts_is_refused(flat):
    kit(flat)
    write(flat / KIT, "1\n2\n9\n1\n1\nx\n")
    with pytest.raises(UserError) as caught:
        labels_of(flat)
    assert f"{flat / KIT}:3: '9' is not the ILSVRC2012_ID" in str(caught.value)
    assert f"{flat / KIT}:6: 'x'" in str(caught.value)
    for text, message in (("1\n" * 5, "has 5 lines; which one is for the image ILSVRC2012_val_00000006.JPEG"),
                          ("1\n" * 7, "has labels for 7 images, but there are 6")):  # fmt: skip
        write(flat / KIT, text)
        with pytest.raises(UserError, match=message):
            labels_of(flat)
    kit(flat)
    assert labels_of(flat) == VAL
    (flat / "train/n03995372").rename(flat / "train/n03995373")
    with pytest.raises(UserError, match="meta.mat: has no synset n03995373, a class of training"):
        labels_of(flat)


def test_counts_that_do_not_fit_are_said(flat, encoded):
    val_txt(flat)
    extra = flat / "val/ILSVRC2012_val_00000007.JPEG"
    extra.write_bytes(encoded(7))
    with pytest.raises(
        UserError, match=f"has labels for 6 images, but {flat / 'val'} holds 7; without a label are {extra.name}"
    ):
        labels_of(flat)
    extra.unlink()
    (flat / "val/ILSVRC2012_val_00000002.JPEG").unlink()
    with pytest.raises(UserError, match=r"val.txt:\d: there is no image .*00000002.JPEG"):
        labels_of(flat)


@pytest.mark.parametrize(("text", "message"), [
    ("ILSVRC2012_val_00000001.JPEG 4\n", r"val.txt:1: the label 4 is not in 0..3"),
    ("ILSVRC2012_val_00000001.JPEG n01440764\n", "val.txt:1: expected 'path label'"),
    ("ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000001.JPEG 1\n", "names 2 images, but only 1 different"),
])  # fmt: skip
def test_wrong_lines_of_a_list_are_said(flat, text, message):
    write(flat / "val.txt", text)
    with pytest.raises(UserError, match=message):
        labels_of(flat)


@pytest.mark.parametrize(("text", "message"), [
    ("Id,Label\n", "LOC_val_solution.csv:1: expected the header"),
    ("ImageId,PredictionString\nILSVRC2012_val_00000001,n00000001 1 1 1 1\n", "LOC_val_solution.csv:2: 'n00000001' is not one of the 4"),
    ("ImageId,PredictionString\nILSVRC2012_val_00000001\n", "LOC_val_solution.csv:2: ''"),
    ("ImageId,PredictionString\nother,n01440764 1 1\n", r"LOC_val_solution.csv:2: there is no image .*/other.JPEG"),
])  # fmt: skip
def test_wrong_lines_of_kaggles_file_are_said(flat, text, message):
    write(flat / "LOC_val_solution.csv", text)
    with pytest.raises(UserError, match=message):
        labels_of(flat)
