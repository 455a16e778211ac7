"""TFRecord shards written here byte by byte, after the formats' own descriptions."""

import gzip
import struct

import numpy as np
import pytest

from imgcls import UserError
from imgcls_datasets import crc32c, tfrecord
from imgcls_datasets.options import TfRecord


def bitwise_crc32c(data):
    """The checksum by its definition, a bit at a time: slow, and nothing like the table."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 * (value & 1))
    return ~value & 0xFFFFFFFF


def masked(data):
    value = bitwise_crc32c(data)
    return (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value):
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def of_bytes(*values):
    return field(1, b"".join(field(1, value) for value in values))


def of_floats(*values):
    return field(2, field(1, struct.pack(f"<{len(values)}f", *values)))


def of_ints(*values, packed=True):
    if packed:
        return field(3, field(1, b"".join(map(varint, values))))
    return field(3, b"".join(varint(1 << 3) + varint(value) for value in values))


def example(features, value_first=False):
    entries = []
    for key, value in features.items():
        parts = [field(1, key.encode()), field(2, value)]
        entries.append(field(1, b"".join(reversed(parts) if value_first else parts)))
    return field(1, b"".join(entries))


def record(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", 0)  # not looked at: 4 bytes


@pytest.fixture
def imagenets(encoded):
    """Records with all the features that TensorFlow's ImageNet scripts write."""

    def make(numbers, first=1, classes=3, **form):
        return b"".join(
            record(example({
                "image/height": of_ints(375), "image/colorspace": of_bytes(b"RGB"),
                "image/object/bbox/xmin": of_floats(0.5, 1.0), "image/object/bbox/label": of_ints(*range(300)),
                "image/class/label": of_ints(number % classes + first, packed=number % 2 == 0),
                "image/class/text": of_bytes("tench, Tinca tinca, 文".encode()), "image/empty": b"",
                "image/encoded": of_bytes(encoded(number)), "image/filename": of_bytes(b"n01440764_1.JPEG"),
            }, **form))
            for number in numbers
        )  # fmt: skip

    return make


def built(root, split="train", **options):
    return tfrecord.build(TfRecord(root=str(root), **{"val": "", **options}), split)


def test_the_checksum_is_the_published_one():
    # RFC 3720, B.4
    assert crc32c.crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c.crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c.crc32c(b"123456789") == 0xE3069283
    for length in (0, 1, 8, 100):
        data = np.random.default_rng(length).bytes(length)
        assert crc32c.crc32c(data) == bitwise_crc32c(data)
        assert crc32c.masked(data) == masked(data)


def test_dali_reads_the_same_images_and_labels(tmp_path, imagenets):
    import nvidia.dali.tfrecord as tfrec
    from nvidia.dali import fn, pipeline_def

    (tmp_path / "train-0").write_bytes(imagenets(range(6)))
    some = tfrecord.read(tmp_path / "train-0")
    data, lines, at = (tmp_path / "train-0").read_bytes(), [], 0
    while at < len(data):
        size = 16 + struct.unpack_from("<Q", data, at)[0]
        lines.append(f"{at} {size}\n")
        at += size
    (tmp_path / "index").write_text("".join(lines))
    features = {
        "image/encoded": tfrec.FixedLenFeature([], tfrec.string, ""),
        "image/class/label": tfrec.FixedLenFeature([1], tfrec.int64, -1),
    }

    @pipeline_def(batch_size=6, num_threads=1)
    def pipe():
        read = fn.readers.tfrecord(
            path=str(tmp_path / "train-0"), index_path=str(tmp_path / "index"), features=features
        )
        return read["image/encoded"], read["image/class/label"]

    images, labels = pipe().run()
    assert [int(np.array(label)[0]) for label in labels] == some.labels.tolist()
    for image, (first, size) in zip(images, some.places.tolist(), strict=True):
        assert np.array(image).tobytes() == data[first : first + size]


@pytest.mark.parametrize("value_first", [False, True])
def test_images_are_ranges_in_the_order_of_shards_and_records(
    tmp_path, imagenets, encoded, images_of, value_first
):
    for number in range(3):
        data = imagenets(range(4 * number, 4 * number + 4), value_first=value_first)
        (tmp_path / f"train-{number:05}-of-00003").write_bytes(data)
    (tmp_path / "validation-00000-of-00001").write_bytes(imagenets(range(20, 25)))
    source = built(tmp_path, first_label=1)
    assert source.paths == tuple(f"train-{number:05}-of-00003" for number in range(3))
    assert images_of(source) == [encoded(number) for number in range(12)]
    assert source.labels.tolist() == [number % 3 for number in range(12)]
    assert source.classes == ("0", "1", "2")
    validation = built(tmp_path, "validation", first_label=1, val="validation-*")
    assert images_of(validation) == [encoded(number) for number in range(20, 25)]
    assert validation.labels.tolist() == [number % 3 for number in range(20, 25)]
    assert built(tmp_path, "validation", first_label=1) is None


def test_other_features_can_be_named(tmp_path, encoded, images_of):
    data = b"".join(record(example({"label": of_ints(n), "image": of_bytes(encoded(n))})) for n in range(3))
    (tmp_path / "train-0.tfrecord").write_bytes(data)
    source = built(tmp_path, image_key="image", label_key="label")
    assert images_of(source) == [encoded(n) for n in range(3)]
    assert source.labels.tolist() == [0, 1, 2]
    with pytest.raises(
        UserError,
        match=r"train-0.tfrecord: record 0, at byte 12: there is no feature 'image/encoded'; there are: image, label",
    ):
        built(tmp_path)


def test_a_wrong_first_label_is_said(tmp_path, imagenets):
    (tmp_path / "train-0").write_bytes(imagenets(range(4), first=1))
    with pytest.raises(UserError, match="labels go up to 3, but no image has 0"):
        built(tmp_path)
    with pytest.raises(UserError, match="there are labels below 0, the least is -1"):
        built(tmp_path, first_label=2)


@pytest.mark.parametrize(("features", "message"), [
    ({"image/encoded": of_bytes(b"a", b"b"), "image/class/label": of_ints(0)}, "'image/encoded' holds 2 strings of bytes, expected one"),
    ({"image/encoded": of_ints(1), "image/class/label": of_ints(0)}, "'image/encoded' holds 0 strings"),
    ({"image/encoded": of_bytes(b"a"), "image/class/label": of_ints()}, "'image/class/label' holds 0 integers"),
    ({"image/encoded": of_bytes(b"a"), "image/class/label": of_ints(1, 2, packed=False)}, "'image/class/label' holds 2 integers"),
    ({"image/encoded": of_bytes(b"a"), "image/class/label": of_floats(1)}, "'image/class/label' holds 0 integers"),
    ({}, "there is no feature 'image/encoded'; there are: none"),
])  # fmt: skip
def test_records_of_another_kind_are_named(tmp_path, imagenets, features, message):
    good = imagenets(range(2))
    (tmp_path / "train-0").write_bytes(good + record(example(features)))
    with pytest.raises(UserError, match=f"train-0: record 2, at byte {len(good) + 12}: {message}"):
        built(tmp_path, first_label=1)


def test_negative_labels_are_read_as_such(tmp_path):
    (tmp_path / "train-0").write_bytes(
        record(example({"image/encoded": of_bytes(b"x"), "image/class/label": of_ints(-1)}))
    )
    assert tfrecord.read(tmp_path / "train-0").labels.tolist() == [-1]


def test_a_shard_cut_off_anywhere_is_refused(tmp_path, imagenets):
    first = imagenets([0])
    whole = first + imagenets([1])
    for length in [
        *range(1, len(whole), 9),
        *range(len(first) - 20, len(first)),
        *range(len(first) + 1, len(first) + 20),
    ]:
        if length == len(first):
            continue  # a record less is a whole file, too: there is nothing to see
        (tmp_path / "train-0").write_bytes(whole[:length])
        with pytest.raises(UserError, match=f"train-0: was cut off at byte {length}"):
            built(tmp_path, first_label=1)


def test_every_damaged_bit_of_a_length_is_found(tmp_path, imagenets):
    first = imagenets([0])
    whole = bytearray(first + imagenets([1]))
    for at in range(12):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[len(first) + at] ^= 1 << bit
            (tmp_path / "train-0").write_bytes(damaged)
            with pytest.raises(UserError, match=f"train-0: is damaged at byte {len(first)}: the checksum"):
                built(tmp_path, first_label=1)


def test_damage_within_a_record_gives_samples_or_an_error_that_names_it(tmp_path, imagenets):
    whole = imagenets([0])
    for at in [*range(12, 200), *range(len(whole) - 60, len(whole))]:
        damaged = bytearray(whole)
        damaged[at] ^= 0xA5
        (tmp_path / "train-0").write_bytes(damaged)
        try:
            some = tfrecord.read(tmp_path / "train-0")
            assert len(some.labels) == 1
            assert 12 <= some.places[0, 0] <= some.places[0].sum() <= len(whole)
        except UserError as error:
            assert f"{tmp_path / 'train-0'}: record 0, at byte 12: " in str(error)


@pytest.mark.parametrize(("data", "message"), [
    (b"hello, I am a text file", "is no TFRecord file"), (b"", "holds no sample"),
    (gzip.compress(b"x" * 100, mtime=0), "it is compressed: unpack it"),
    (record(b"\xff" * 20), "record 0, at byte 12: is no tf.train.Example"), (record(b"\x0b"), "unknown wire type 3"),
    (record(b""), "there are: none"),
])  # fmt: skip
def test_other_files_are_refused_by_name(tmp_path, data, message):
    (tmp_path / "train-0").write_bytes(data)
    with pytest.raises(UserError, match=message) as caught:
        built(tmp_path)
    assert "train-0" in str(caught.value)
