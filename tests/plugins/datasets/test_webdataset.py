"""Tar shards: each sample is found where it is, whatever the archive's dialect; damage is named."""

import gzip
import io
import json
import tarfile

import pytest

from imgcls import UserError
from imgcls_datasets import shards, webdataset
from imgcls_datasets.options import WebDataset


def shard(file, members, form=tarfile.GNU_FORMAT):
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w", format=form) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


@pytest.fixture
def samples(encoded):
    """Members of some samples; the label is the sample's number modulo ``classes``."""

    def make(numbers, classes=3, ending="jpg", label=lambda n: ("cls", str(n).encode()), name="{:06}"):
        made = []
        for number in numbers:
            form = {"jpg": "JPEG", "jpeg": "JPEG", "JPG": "JPEG", "png": "PNG", "webp": "WEBP"}[ending]
            made.append((f"{name.format(number)}.{ending}", encoded(number, form)))
            last, data = label(number % classes)
            made.append((f"{name.format(number)}.{last}", data))
        return made

    return make


def built(root, split="train", **options):
    return webdataset.build(WebDataset(root=str(root), **options), split)


def test_samples_are_ranges_in_the_order_of_shards_and_members(tmp_path, samples, encoded, images_of):
    for number in range(4):
        shard(tmp_path / f"train-{number:04}.tar", samples(range(5 * number, 5 * number + 5)))
    shard(tmp_path / "val-0000.tar", samples(range(50, 53)))
    for pattern in (
        "train-{0000..0003}.tar",
        "train-*.tar",
        "train-000[0-3].tar",
        "train-{0000,0001,000{2..3}}.tar",
    ):
        if pattern.count("{") > 1:
            continue
        source = built(tmp_path, train=pattern)
        assert source.paths == tuple(f"train-{number:04}.tar" for number in range(4))
        assert images_of(source) == [encoded(number) for number in range(20)]
        assert source.labels.tolist() == [number % 3 for number in range(20)]
        assert source.classes == ("0", "1", "2")
    validation = built(tmp_path, "validation", val="val-0000.tar")
    assert images_of(validation) == [encoded(number) for number in range(50, 53)]
    assert validation.classes == ("0", "1", "2")
    assert built(tmp_path, "validation") is None


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "png", "webp", "JPG"])
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_each_dialect_and_image_format_is_read(tmp_path, samples, encoded, images_of, form, ending):
    names = ["{:06}", "a b, c/{}", "./{}"]
    if form != tarfile.USTAR_FORMAT:
        names += ["ünï文/{}", "long/" * 40 + "{}" + "x" * 120]
    members = [
        member for at, name in enumerate(names) for member in samples([at, at + 9], ending=ending, name=name)
    ]
    shard(tmp_path / "train-0.tar", members, form)
    source = built(tmp_path)
    form = {"png": "PNG", "webp": "WEBP"}.get(ending, "JPEG")
    assert images_of(source) == [encoded(n, form) for at in range(len(names)) for n in (at, at + 9)]


def test_labels_come_from_json_where_asked(tmp_path, samples):
    shard(
        tmp_path / "train-0.tar",
        samples(range(6), label=lambda n: ("json", json.dumps({"y": n, "z": "ä"}).encode())),
    )
    assert built(tmp_path, label="json", json_key="y").labels.tolist() == [0, 1, 2, 0, 1, 2]
    with pytest.raises(UserError, match=r"train-0.tar: 000000.json: holds no integer label: no key 'label'"):
        built(tmp_path, label="json")
    with pytest.raises(UserError, match=r"train-0.tar: 000000.json: .*'z' is \"\\u00e4\""):
        built(tmp_path, label="json", json_key="z")
    with pytest.raises(
        UserError, match=r"train-0.tar: the sample '000000' has no .cls, only .jpg, .json; set data.label"
    ):
        built(tmp_path)


def test_other_members_are_passed_over(tmp_path, samples, images_of, encoded):
    members = samples(range(3))
    members[1:1] = [
        ("000000.txt", b"a caption"),
        ("._000000.jpg", b"mac"),
        ("README", b"x"),
        (".hidden/x", b""),
        ("000000.seg.png", b"mask"),
    ]
    file = shard(tmp_path / "train-0.tar", members)
    with tarfile.open(file, "a") as archive:
        archive.addfile(tarfile.TarInfo("folder/"))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "000000.jpg"
        archive.addfile(link)
    assert images_of(built(tmp_path)) == [encoded(n) for n in range(3)]


def test_class_names_come_from_a_file(tmp_path, samples):
    shard(tmp_path / "train-0.tar", samples(range(4), classes=2))
    (tmp_path / "names.txt").write_text("cat\ndog\nnone\n")
    assert built(tmp_path, classes="names.txt").classes == ("cat", "dog", "none")
    (tmp_path / "names.txt").write_text("cat\n")
    with pytest.raises(UserError, match=r"train-0.tar: sample 1 has the label 1, which is not in 0..0"):
        built(tmp_path, classes="names.txt")


def test_validation_with_other_labels_is_refused(tmp_path, samples):
    shard(tmp_path / "train-0.tar", samples(range(4), classes=2))
    shard(tmp_path / "val-0.tar", samples(range(4), classes=4))
    with pytest.raises(UserError, match=r"val-0.tar: sample 2 has the label 2, which is not in 0..1"):
        built(tmp_path, "validation", val="val-0.tar")


def test_a_changed_shard_is_read_anew(tmp_path, samples):
    shard(tmp_path / "train-0.tar", samples(range(4)))
    assert len(built(tmp_path).labels) == 4
    shard(tmp_path / "train-0.tar", samples(range(40)))
    assert len(built(tmp_path).labels) == 40


@pytest.mark.parametrize(("members", "message"), [
    ([("a.cls", b"0")], r"the sample 'a' has no image, only .cls"),
    ([("a.jpg", b"x")], r"the sample 'a' has no .cls, only .jpg; set data.label"),
    ([("a.jpg", b"x"), ("a.png", b"y"), ("a.cls", b"0")], "the sample 'a' has two images"),
    ([("a.jpg", b"x"), ("a.cls", b"0"), ("a.jpg", b"y")], "the sample 'a' has two images or comes twice"),
    ([("a.jpg", b"x"), ("a.cls", b"cat")], "a.cls: holds no integer label"),
    ([("a.jpg", b"x"), ("a.cls", b"\xff")], "a.cls: holds no integer label"),
    ([("a.jpg", b"x"), ("a.cls", b"-1")], "labels below 0"),
    ([("a.jpg", b"x"), ("a.cls", b"2")], "labels go up to 2, but no image has 0, 1"),
    ([("notes.txt", b"x")], "holds no sample"),
    ([], "holds no sample"),
])  # fmt: skip
def test_what_is_no_sample_is_named(tmp_path, members, message):
    shard(tmp_path / "train-0.tar", members)
    with pytest.raises(UserError, match=message) as caught:
        built(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_shard_cut_off_anywhere_is_refused(tmp_path, samples):
    whole = shard(tmp_path / "train-0.tar", samples(range(3))).read_bytes()
    used = len(whole.rstrip(b"\0"))
    for length in [*range(0, used + 1, 97), *range(0, used + 1, 512)]:
        (tmp_path / "train-0.tar").write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"train-0.tar: (is damaged at byte|cannot be read)"):
            built(tmp_path)


def test_a_damaged_header_is_named_with_its_place(tmp_path, samples):
    file = shard(tmp_path / "train-0.tar", samples(range(5)))
    with tarfile.open(file) as archive:
        third = archive.getmembers()[4].offset
    data = bytearray(file.read_bytes())
    data[third] ^= 1
    file.write_bytes(data)
    with pytest.raises(UserError, match=f"train-0.tar: is damaged at byte {third}: a header is damaged"):
        built(tmp_path)


def test_a_compressed_shard_is_refused_with_what_to_do(tmp_path, samples):
    file = shard(tmp_path / "train-0.tar", samples(range(3)))
    file.write_bytes(gzip.compress(file.read_bytes()))
    with pytest.raises(UserError, match=r"it is compressed: unpack it to .tar"):
        built(tmp_path)


def test_missing_shards_are_named(tmp_path, samples):
    shard(tmp_path / "train-0000.tar", samples(range(3)))
    with pytest.raises(
        UserError, match=r"2 of the shards of data.train = .* are missing: train-0001.tar, train-0002.tar"
    ):
        built(tmp_path, train="train-{0000..0002}.tar")
    with pytest.raises(UserError, match=r"there is no shard 'x\*.tar'; set data.train"):
        built(tmp_path, train="x*.tar")
    with pytest.raises(UserError, match="there is no folder"):
        built(tmp_path / "none")
    for wrong in ("{3..1}", "{0..99999999}"):
        with pytest.raises(UserError, match="is empty or too long"):
            built(tmp_path, train=f"train-{wrong}.tar")


def test_many_bytes_are_read_by_processes_with_the_same_result(tmp_path, samples, monkeypatch):
    for number in range(2):
        shard(tmp_path / f"train-{number}.tar", samples(range(5 * number, 5 * number + 5)))
    by_threads = built(tmp_path)
    monkeypatch.setattr(shards, "_MANY", 1)
    webdataset._index.cache_clear()
    by_processes = built(tmp_path)
    assert by_processes.ranges.tolist() == by_threads.ranges.tolist()
    shard(tmp_path / "train-1.tar", [("a.jpg", b"x")])
    with pytest.raises(UserError, match="train-1.tar: the sample 'a' has no .cls"):
        built(tmp_path)
