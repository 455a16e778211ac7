"""Reads pickles that hold arrays, bytes, text, numbers, lists and dicts: nothing in them is ever called.

Python's own unpickler imports and calls what a file asks for. This one goes through the opcodes (Python's
``pickletools`` takes them apart) and knows what few of them mean, so that no list of what is allowed has to be
trusted: https://docs.python.org/3/library/pickle.html, "Data stream format".
"""

import math
import pickletools
import re
import struct
from typing import Any

import numpy as np

from imgcls.errors import UserError

_RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_BYTES = ("__builtin__ bytes", "builtins bytes")  # how protocols before 3 say b""
_NUMBERS = re.compile("[biuf][1248]")  # a dtype that holds no object
_NAMES = frozenset({*_RECONSTRUCT, *_BYTES, "numpy ndarray", "numpy dtype", "_codecs encode"})
_DONE = frozenset({"PROTO", "FRAME"})
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLE = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUT = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GET = frozenset({"GET", "BINGET", "LONG_BINGET"})
# what stands for itself: pickletools hands out a str, bytes, int or float
_VALUES = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
    | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
)


class _Refused(Exception):
    """Something in the pickle that is not plain data."""


class _Name(str):
    """A function or class that the pickle refers to: its name, and no more than that."""

    __slots__ = ()


class _Kind:
    """A dtype while it is put together."""

    def __init__(self, dtype: "np.dtype[Any]") -> None:
        self.dtype = dtype


def loads(data: bytes, where: str) -> Any:
    """Return the arrays, bytes, str, numbers, lists, tuples and dicts in a pickle of any protocol up to 4.

    Strings of Python 2 are returned as str, a character a byte (Latin-1).

    Args:
        data: the pickle.
        where: the file, for messages.

    Raises:
        UserError: it is damaged, or holds anything else, such as a function to be called.
    """
    try:
        return _read(data)
    except _Refused as error:
        raise UserError(
            f"{where}: is refused: {error}; only arrays, bytes, text, numbers, lists and dicts are read"
        ) from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error) as error:
        raise UserError(f"{where}: is no pickle, or a damaged one: {error}") from None


def _read(data: bytes) -> Any:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        taken = stack[start:]
        del stack[start:]
        return taken

    argument: Any
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name in _VALUES:
            stack.append(argument)
        elif name in _PUT:
            memo[argument] = stack[-1]
        elif name in _GET:
            stack.append(memo[argument])
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _CONSTANT:
            stack.append(_CONSTANT[name])
        elif name in _TUPLE:
            stack[-_TUPLE[name] :] = [tuple(stack[-_TUPLE[name] :])]
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("TUPLE", "LIST"):
            taken = since_mark()
            stack.append(taken if name == "LIST" else tuple(taken))
        elif name in ("DICT", "SETITEMS", "SETITEM"):
            pairs = [stack.pop(-2), stack.pop()] if name == "SETITEM" else since_mark()
            if name == "DICT":
                stack.append({})
            _plain(stack[-1], dict).update(zip(pairs[::2], pairs[1::2], strict=True))
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else since_mark()
            _plain(stack[-1], list).extend(items)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            asked = argument if name == "GLOBAL" else f"{stack.pop(-2)} {stack.pop()}"
            stack.append(_allowed(asked))
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_made(stack.pop(), _plain(arguments, tuple)))
        elif name == "BUILD":
            state = stack.pop()
            _fill(stack[-1], _plain(state, tuple))
        elif name == "STOP":
            return _finished(stack.pop())
        elif name not in _DONE:
            raise _Refused(f"it uses the opcode {name}")
    raise ValueError("it has no end")


def _plain(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise _Refused(f"it treats a {type(value).__name__} as a {kind.__name__}")
    return value


def _allowed(name: str) -> _Name:
    if name not in _NAMES:
        raise _Refused(f"it asks for {name.replace(' ', '.')}")
    return _Name(name)


def _made(name: Any, arguments: tuple[Any, ...]) -> Any:
    """Stand in for a call: an array or a dtype yet without its state, or bytes."""
    if type(name) is not _Name:
        raise _Refused(f"it calls a {type(name).__name__}")
    if name in _RECONSTRUCT and arguments[:1] == ("numpy ndarray",) and type(arguments[0]) is _Name:
        return np.zeros(0, np.uint8)
    if name == "numpy dtype" and arguments:
        if type(arguments[0]) is not str or not _NUMBERS.fullmatch(arguments[0]):
            raise _Refused(f"it holds an array of {arguments[0]!r}")
        return _Kind(np.dtype(arguments[0]))
    if name in _BYTES and not arguments:
        return b""
    if name == "_codecs encode" and len(arguments) == 2 and arguments[1] in ("latin1", "latin-1"):
        return _plain(arguments[0], str).encode("latin-1")
    raise _Refused(f"it calls {name.replace(' ', '.')} with other arguments than an array has")


def _fill(thing: Any, state: tuple[Any, ...]) -> None:
    if type(thing) is _Kind:
        if state[1] not in ("|", "<", ">", "="):
            raise _Refused("it holds an array of a type of its own")
        thing.dtype = thing.dtype.newbyteorder(state[1])
    elif type(thing) is np.ndarray:
        _version, shape, kind, fortran, content = state
        if type(content) is str:  # Python 2
            content = content.encode("latin-1")
        dtype = _plain(kind, _Kind).dtype
        if any(type(size) is not int or size < 0 for size in _plain(shape, tuple)):
            raise _Refused("it holds an array of no shape")
        if len(_plain(content, bytes)) != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"an array of shape {shape} has {len(content)} bytes")
        array: Any = thing
        array.__setstate__((1, shape, dtype, bool(fortran), content))
    else:
        raise _Refused(f"it sets the state of a {type(thing).__name__}")


def _finished(value: Any) -> Any:
    """Return the value, which must hold no name and no dtype any more."""
    waiting, seen = [value], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:  # a list may hold itself
            continue
        if type(one) in (_Name, _Kind):
            raise _Refused("it holds a function or a type as a value")
        if type(one) in (list, tuple):
            seen.add(id(one))
            waiting += one
        elif type(one) is dict:
            seen.add(id(one))
            waiting += [*one.keys(), *one.values()]
    return value
