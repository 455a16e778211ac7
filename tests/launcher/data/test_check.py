"""Every fault and oddity of an image is found, and nothing is said of images that have none."""

import io
import json
import random

import numpy as np
import pytest
from PIL import Image

from imgcls.data import check
from imgcls.data import index as indexing
from imgcls.data.check import examine, pixels_limit, report
from imgcls.data.pipeline import Machine
from imgcls.data.source import Source
from imgcls.plan import Format

FORM = Format(size=32, channels=3, mean=(0.5,) * 3, std=(0.5,) * 3, eval_resize=32, interpolation="bilinear")
MACHINE = Machine(None, 2, 2, "auto")


def noise(height=40, width=50, channels=3, seed=0, dtype=np.uint8):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return Image.fromarray(np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype))


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def moving(form):
    return encoded(noise(), form, save_all=True, append_images=[noise(seed=1), noise(seed=2)])


def deep_rgb_png():
    """A PNG of 16 bits a channel in colour, which Pillow reads but cannot write."""
    import struct
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + bytes(range(240)) for _ in range(40))
    head = struct.pack(">IIBBBBB", 40, 40, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


JPEG, PNG, WEBP = (encoded(noise(), form) for form in ("JPEG", "PNG", "WEBP"))
# name -> content, and the findings as (kind, usable)
ODD = {
    "half of one.jpg": (JPEG[: len(JPEG) // 2], [("truncated", False)]),
    "half.png": (PNG[: len(PNG) // 2], [("truncated", False)]),
    "no end.png": (PNG[:-12], [("truncated", False)]),
    "half.webp": (WEBP[: len(WEBP) // 2], [("truncated", False)]),
    "text.jpg": (b"this is no picture", [("unreadable", False)]),
    "empty.jpg": (b"", [("empty", False)]),
    "png.jpg": (encoded(noise(seed=3), "PNG"), [("ending", True)]),
    "jpeg.PNG": (encoded(noise(seed=4), "JPEG"), [("ending", True)]),
    "gif.gif": (moving("GIF"), [("unreadable", False), ("animated", True)]),
    "gif.jpg": (encoded(noise(seed=5), "GIF"), [("unreadable", False), ("ending", True)]),
    "cmyk.jpg": (encoded(noise().convert("CMYK"), "JPEG"), [("cmyk", True)]),
    "grey16.png": (encoded(noise(channels=1, dtype=np.uint16), "PNG"), [("16-bit", True)]),
    "grey16.tif": (encoded(noise(channels=1, dtype=np.uint16), "TIFF"), [("16-bit", True)]),
    "rgb16.png": (deep_rgb_png(), [("16-bit", True)]),
    "rgba.png": (encoded(noise(channels=4), "PNG"), [("alpha", True)]),
    "palette.png": (encoded(noise().quantize(8), "PNG", transparency=3), [("alpha", True)]),
    "moving.webp": (moving("WEBP"), [("animated", True)]),
    "moving.png": (moving("PNG"), [("animated", True)]),
    "pages.tif": (moving("TIFF"), [("animated", True)]),
    "speck.jpg": (encoded(noise(3, 60), "JPEG"), [("small", True)]),
}
PLAIN = {
    "plain.jpg": JPEG,
    "Grüße aus 日本.jpeg": encoded(noise(seed=6), "JPEG", progressive=True),
    "grey.jpg": encoded(noise(channels=1), "JPEG"),
    "palette.bmp": encoded(noise().quantize(8), "BMP"),
    "plain.png": PNG,
    "plain.webp": WEBP,
    "plain.tiff": encoded(noise(), "TIFF"),
    "grey.pgm": encoded(noise(channels=1), "PPM"),
    "plain.jp2": encoded(noise(), "JPEG2000"),
}


def built(root, files, labels=None, classes=("cat", "dog")):
    for name, data in files.items():
        root.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    source = Source.from_files(root, list(files), labels or [0] * len(files), classes)
    return indexing.build(source, root.with_name("cache"), skip_bad=True)


def examined(index, name="train", most_pixels=None):
    return examine(name, index, FORM, MACHINE, most_pixels or pixels_limit(), lambda _done, _of: None)


def test_each_odd_image_is_found_to_be_what_it_is(tmp_path):
    found = examined(built(tmp_path / "d", {name: data for name, (data, _) in ODD.items()}))
    for name, (_, expected) in ODD.items():
        mine = [(each.kind, each.usable) for each in found.findings if each.path == str(tmp_path / "d" / name)]
        assert mine == expected, name
    assert len(found.findings) == sum(len(expected) for _, expected in ODD.values())


def test_plain_images_of_all_formats_are_found_good(tmp_path):
    found = examined(built(tmp_path / "d", PLAIN))
    assert found.findings == []
    assert found.listed == []
    assert report([found])["passed"]


def test_what_does_not_decode_is_listed_under_its_number_and_the_others_of_its_batch_are_not(tmp_path):
    index = built(tmp_path / "d", {**PLAIN, "half.jpg": ODD["half of one.jpg"][0], "zz.jpg": JPEG})
    found = examined(index)
    assert [(each.sample, each.path, each.reason) for each in found.listed] == [
        (len(PLAIN), str(tmp_path / "d/half.jpg"), "is cut off")
    ]
    assert found.good.tolist() == [s for s in range(len(index)) if s != len(PLAIN)]


def test_every_bad_image_is_found_over_many_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "_BATCH", 4)
    bad = {3, 4, 7, 8, 29}
    files = {f"{i:02}.jpg": JPEG[:-60] if i in bad else encoded(noise(seed=i), "JPEG") for i in range(30)}
    done = []
    index = built(tmp_path / "d", files)
    found = examine("train", index, FORM, MACHINE, pixels_limit(), lambda *progress: done.append(progress))
    assert {entry.sample for entry in found.listed} == bad
    assert [each for each, _ in done] == [4, 8, 12, 16, 20, 24, 28, 30]
    assert {of for _, of in done} == {30}


def test_batches_hold_a_limited_number_of_pixels_and_every_sample_once():
    pixels = np.array([10, 1 << 26, 5, 1 << 24, 1 << 24, 1, *[100] * 130])
    samples = np.setdiff1d(np.arange(len(pixels)), [2])
    batches = check._batches(pixels, samples)
    assert np.array_equal(np.concatenate(batches), samples)
    assert [len(batch) for batch in batches] == [1, 1, 2, 64, 64, 3]
    assert check._batches(pixels, samples[:0]) == []


def test_too_many_pixels_are_refused_without_decoding(tmp_path):
    found = examined(
        built(tmp_path / "d", {"a.png": PNG, "b.jpg": encoded(noise(50, 50), "JPEG")}), most_pixels=2000
    )
    assert [(each.kind, each.says) for each in found.findings] == [("huge", "has 50x50 pixels, more than 2,000")]
    assert [entry.sample for entry in found.listed] == [1]


def test_where_every_image_is_too_large_none_is_decoded(tmp_path):
    found = examined(built(tmp_path / "d", {"a.png": PNG, "b.jpg": JPEG}), most_pixels=10)
    assert [entry.sample for entry in found.listed] == [0, 1]
    assert not report([found])["passed"]


def test_a_decompression_bomb_is_called_huge(tmp_path):
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 100_000
    found = examined(built(tmp_path / "d", {"bomb.png": bomb, "b.jpg": JPEG}))
    assert [(each.kind, each.usable) for each in found.findings] == [("huge", False)]


def test_an_image_that_changed_since_it_was_indexed_is_found(tmp_path):
    index = built(tmp_path / "d", {"a.jpg": JPEG, "b.png": PNG})
    (tmp_path / "d/b.png").write_bytes(encoded(noise(41, 50), "PNG"))
    (found,) = examined(index).findings
    assert (found.kind, found.path, found.usable) == ("unreadable", str(tmp_path / "d/b.png"), False)
    assert found.says.startswith("is 41x50 pixels, but was 40x50")


def test_an_image_that_has_gone_since_it_was_indexed_is_found(tmp_path):
    index = built(tmp_path / "d", {"a.jpg": JPEG, "b.png": PNG})
    (tmp_path / "d/b.png").unlink()
    (found,) = examined(index).findings
    assert (found.kind, found.says) == ("unreadable", "cannot be read: No such file or directory")


def test_an_image_in_both_splits_is_a_leak_whatever_it_is_called(tmp_path):
    train = examined(built(tmp_path / "t", {"0.jpg": JPEG[:-60], "1.jpg": JPEG, "2.png": PNG, "3.webp": WEBP}))
    other = encoded(noise(seed=9), "JPEG")
    validation = examined(built(tmp_path / "v", {"x.jpg": other, "y ü.jpeg": JPEG}, [0, 1]), "validation")
    found = report([train, validation])
    assert found["duplicates"] == [
        {
            "across": True,
            "labels": 2,
            "images": [
                {"split": "train", "path": str(tmp_path / "t/1.jpg"), "class": "cat"},
                {"split": "validation", "path": str(tmp_path / "v/y ü.jpeg"), "class": "dog"},
            ],
        }
    ]
    assert not found["passed"]


def test_an_image_twice_in_one_split_is_told_and_passes(tmp_path):
    files = {"1.jpg": JPEG, "2.png": PNG, "3.jpg": JPEG, "4.jpg": JPEG, "5.webp": WEBP}
    found = report([examined(built(tmp_path / "d", files))])
    assert [[each["path"][-5:] for each in group["images"]] for group in found["duplicates"]] == [
        ["1.jpg", "3.jpg", "4.jpg"]
    ]
    assert found["duplicates"][0]["labels"] == 1
    assert found["passed"]


def test_what_is_in_quarantine_is_no_leak(tmp_path):
    half = {"half.jpg": JPEG[: len(JPEG) // 2]}
    splits = [examined(built(tmp_path / name, {**half, f"{name}.png": PNG[:-12]}), name) for name in "tv"]
    assert report(splits)["duplicates"] == []


def test_classes_sizes_and_shapes_are_counted_over_usable_images(tmp_path):
    files = {f"{i}.jpg": encoded(noise(40, 50, seed=i), "JPEG") for i in range(5)}
    files |= {"tall.jpg": encoded(noise(130, 65), "JPEG"), "half.jpg": JPEG[: len(JPEG) // 2]}
    index = built(tmp_path / "d", files, [0, 0, 0, 0, 0, 1, 1], ["cat", "dog", "emu"])
    figures = report([examined(index)])["splits"]["train"]
    assert (figures["images"], figures["usable"], figures["decoded"]) == (7, 6, True)
    assert figures["class_counts"] == [5, 1, 0]
    sides, aspects = figures["shorter_side"], figures["aspect"]
    assert dict(zip(sides["from"], sides["count"], strict=True)) == {
        0: 0, 32: 5, 64: 1, 128: 0, 256: 0, 512: 0, 1024: 0, 2048: 0,
    }  # fmt: skip
    assert {round(start, 2): count for start, count in zip(*aspects.values(), strict=True) if count} == {
        0.5: 1,
        1.11: 5,
    }


def test_pixels_are_compared_and_not_decoded():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1)).astype(np.uint8)
    pixels[4] = pixels[1]
    index = indexing.build(Source.from_pixels(pixels, [0, 1] * 3, "ab"), None)
    found = report([examined(index.part(np.arange(4))), examined(index.part(np.arange(4, 6)), "validation")])
    assert [group["images"] for group in found["duplicates"]] == [
        [
            {"split": "train", "path": "sample 1", "class": "b"},
            {"split": "validation", "path": "sample 0", "class": "a"},
        ]
    ]
    assert not found["splits"]["train"]["decoded"]


def test_parts_of_a_larger_file_are_looked_at_as_files_are(tmp_path):
    contents = [JPEG, JPEG[: len(JPEG) // 2], ODD["cmyk.jpg"][0], PNG, JPEG]
    starts = np.cumsum([0, *map(len, contents)])
    (tmp_path / "shard.bin").write_bytes(b"".join(contents))
    ranges = np.array([[0, starts[i], len(data)] for i, data in enumerate(contents)])
    index = indexing.build(Source.from_ranges(tmp_path, ["shard.bin"], ranges, [0] * 5, ["a"]), tmp_path / "c")
    found = examined(index)
    assert [(each.kind, each.path) for each in found.findings] == [
        ("cmyk", index.path(2)),
        ("truncated", index.path(1)),
    ]
    assert [entry.sample for entry in found.listed] == [1]
    assert len(report([found])["duplicates"][0]["images"]) == 2


def test_the_report_is_json(tmp_path):
    found = report([examined(built(tmp_path / "d", {name: data for name, (data, _) in ODD.items()}))])
    assert json.loads(json.dumps(found)) == found


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::Warning")
def test_looking_at_damaged_images_never_ends_the_check():
    chance = random.Random(0)
    for data in (JPEG, PNG, moving("WEBP"), moving("TIFF"), moving("PNG"), moving("GIF")):
        for _ in range(150):
            damaged = bytearray(data)
            for _ in range(chance.randint(1, 6)):
                damaged[chance.randrange(min(len(data), 300))] = chance.randrange(256)
            assert isinstance(check._properties(bytes(damaged), ".jpg"), list)
            assert isinstance(check._cut_off(bytes(damaged)), bool)
