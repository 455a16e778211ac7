"""Data comes out of a pickle; nothing in it is called."""

import collections
import datetime
import os
import pickle
import pickletools

import numpy as np
import pytest

from imgcls import UserError
from imgcls.restricted_pickle import loads

RNG = np.random.default_rng(0)
PLAIN = [
    None, True, 0, -1, 255, 65536, 2**70, -(2**70), 1.5, "", "ä 文", "x" * 300, b"", b"\0\xff", b"y" * 70_000,
    [], {}, (), [1, [2, [3]]], (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {"a": 1, b"b": [2], 3: {"c": ()}},
    list(range(3000)), {str(n): n for n in range(3000)},
]  # fmt: skip


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
def test_plain_data_comes_back(value, protocol):
    found = loads(pickle.dumps(value, protocol), "f")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("array", [
    RNG.integers(0, 256, (7, 3072)).astype(np.uint8), np.zeros((0, 3), np.int64), np.float32([1.5, -2]),
    np.asfortranarray(RNG.random((3, 4, 5))), np.array([True, False]), np.array([1, 2], ">i4"),
], ids=lambda a: f"{a.dtype}{a.shape}")  # fmt: skip
def test_arrays_come_back(array, protocol):
    batch = {b"data": array, b"again": [array, array]}
    found = loads(pickle.dumps(batch, protocol), "f")
    assert found[b"data"].dtype.str[1:] == array.dtype.str[1:]  # bytes in this machine's order
    assert np.array_equal(found[b"data"], array)
    assert found[b"again"][0] is found[b"again"][1]


def test_strings_of_python_2_are_read():
    # as cPickle of Python 2 writes {'data': array([[1, 200]], uint8), 'labels': [6, 9]}, like the publisher's files
    data = (
        b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x06K\teU\x04dataq\x04cnumpy.core.multiarray\n_reconstruct\nq\x05"
        b"cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01K\x01K\x02\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01"
        b"\x87Rq\x09(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02\x01\xc8tbu."
    )
    found = loads(data, "f")
    assert found["labels"] == [6, 9]
    assert found["data"].tolist() == [[1, 200]]


class Evil:
    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "wrap", [lambda e: e, lambda e: [e], lambda e: {"data": e}, lambda e: {e: 1}, lambda e: (1, e)]
)
def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path, protocol, wrap):
    mark = tmp_path / "was here"
    for call in (os.mkdir, os.system, eval, exec):
        argument = {os.mkdir: str(mark), os.system: f"mkdir '{mark}'"}.get(
            call, f"__import__('os').mkdir({str(mark)!r})"
        )
        data = pickle.dumps(wrap(Evil(call, argument)), protocol)
        with pytest.raises(UserError, match="batch_1: is refused: it asks for .*only arrays"):
            loads(data, "batch_1")
        assert not mark.exists()
        pickle.loads(data)  # it does harm where Python's own unpickler reads it
        assert mark.exists()
        mark.rmdir()


@pytest.mark.parametrize("value", [
    datetime.date(2020, 1, 1), collections.OrderedDict(a=1), {1, 2}, frozenset([1]), np.array([None, "x"], object),
    np.zeros(2, [("a", "i4")]), np.dtype("u1"), np.ndarray, len, 1j, np.array(["text"]), np.datetime64("2020"),
    bytearray(b"x"),
], ids=repr)  # fmt: skip
def test_everything_else_is_refused(value):
    for protocol in (2, 4, 5):
        with pytest.raises(UserError, match="f: is refused: "):
            loads(pickle.dumps([value], protocol), "f")


@pytest.mark.parametrize("data", [
    b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.", b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntS'b'\ntR.",
    b"c_codecs\nencode\n(S'x'\nS'zip'\ntR.", b"cos\nsystem\n.", b"(S'ls'\nios\nsystem\n.", b"(cos\nsystem\nS'ls'\no.",
    b"\x80\x02cbuiltins\nobject\n)\x81.", b"\x80\x02\x82\x01.", b"Pfile\n.", b"K\x01K\x02b.", b"]S'x'\n)R.",
    b"(lS'a'\nI1\ns.",
])  # fmt: skip
def test_other_ways_to_call_something_are_refused(data):
    with pytest.raises(UserError, match="f: is "):
        loads(data, "f")


def test_a_pickle_cut_off_anywhere_is_damaged():
    whole = pickle.dumps({"data": np.arange(6, dtype=np.uint8), "labels": [1, 2], "t": "ä"}, 2)
    for length in range(len(whole)):
        with pytest.raises(UserError, match="f: is "):
            loads(whole[:length], "f")


def test_every_damaged_byte_gives_data_or_an_error_that_names_the_file():
    whole = pickletools.optimize(pickle.dumps({"data": np.arange(6, dtype=np.uint8), "labels": [1, 2]}, 2))
    refused = 0
    for at in range(len(whole)):
        for value in range(0, 256, 3):
            try:
                loads(whole[:at] + bytes([value]) + whole[at + 1 :], "f")
            except UserError as error:
                assert str(error).startswith("f: ")
                refused += 1
    assert refused > len(whole)


def test_lists_that_hold_themselves_end():
    loop = [1]
    loop.append(loop)
    found = loads(pickle.dumps(loop, 2), "f")
    assert found[1] is found
