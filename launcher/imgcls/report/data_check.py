"""What `imgcls data check` found, in lines to read."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SHOWN = 5  # images of a kind; the report has all
_KINDS = {
    "unreadable": "cannot be decoded",
    "truncated": "cut off",
    "empty": "empty",
    "huge": "too many pixels",
    "ending": "not what the name says; decoded all the same where possible",
    "cmyk": "CMYK; converted to RGB",
    "16-bit": "16 bits a channel; scaled to 8",
    "alpha": "with transparency; it is dropped, and the colours under it become visible",
    "animated": "of several frames or pages; the first one is used",
    "small": "very small",
}


def summary(found: Mapping[str, Any]) -> list[str]:
    """Return the report of :func:`imgcls.data.check.report` in lines, the verdict last."""
    lines = list(_table(found["splits"], found["classes"]))
    for title, key, label in (
        ("shorter side", "shorter_side", _pixels),
        ("width : height", "aspect", _ratio),
    ):
        lines += ["", *_histogram(title, [split[key] for split in found["splits"].values()], label)]
    if not all(split["decoded"] for split in found["splits"].values()):
        lines += ["", "the images are pixels in memory: nothing to decode; labels and duplicates were checked"]
    for kind, words in _KINDS.items():
        lines += _of_kind(words, [each for each in found["findings"] if each["kind"] == kind])
    lines += _doubles("the same image twice in one split", [g for g in found["duplicates"] if not g["across"]])
    leaks = [group for group in found["duplicates"] if group["across"]]
    lines += _doubles("LEAK: the same image in training and validation", leaks)
    return [*lines, "", _verdict(found, len(leaks))]


def printable(path: str) -> str:
    """Return a path without what a terminal cannot show."""
    return path if path.isprintable() else path.encode("unicode_escape", "backslashreplace").decode()


def _table(splits: Mapping[str, Any], classes: Sequence[str]) -> Iterator[str]:
    yield f"{'':<18}{'images':>12}{'usable':>12}{'classes':>9}   images of a class, largest / smallest"
    for name, split in splits.items():
        counts = split["class_counts"]
        smallest, largest = min(counts), max(counts)
        ratio = f"{largest / smallest:.1f}" if smallest else "infinite"
        balance = (
            f"{largest:,} ({printable(classes[counts.index(largest)])}) / "
            f"{smallest:,} ({printable(classes[counts.index(smallest)])}) = {ratio}"
        )
        yield f"{name:<18}{split['images']:>12,}{split['usable']:>12,}{len(counts):>9,}   {balance}"
        without = [printable(label) for label, count in zip(classes, counts, strict=True) if not count]
        if without:
            yield f"{name}: no image of {_first(without)}"


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _histogram(title: str, of_splits: Sequence[Mapping[str, Any]], label: Any) -> Iterator[str]:
    starts = of_splits[0]["from"]
    for row, (start, end) in enumerate(zip(starts, [*starts[1:], None], strict=True)):
        counts = [split["count"][row] for split in of_splits]
        if any(counts):
            yield f"{title:<15}{label(start, end):<15}" + "".join(f"{count:>12,}" for count in counts)
            title = ""


def _pixels(start: float, end: float | None) -> str:
    return f"from {start}" if end is None else f"{start} to {end - 1}"


def _ratio(start: float, end: float | None) -> str:
    if end is None:
        return f"from {start:.2f}"
    return f"{start:.2f} to {end:.2f}" if start else f"below {end:.2f}"


def _of_kind(words: str, found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield f"{words} ({len(found):,}):"
    for each in found[:_SHOWN]:
        yield f"    {printable(each['path'])}: {each['says']}"
    if len(found) > _SHOWN:
        yield f"    and {len(found) - _SHOWN:,} more"


def _doubles(words: str, groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not groups:
        return
    yield ""
    differing = sum(group["labels"] > 1 for group in groups)
    yield f"{words} ({len(groups):,}" + (
        f", {differing:,} of them under different labels):" if differing else "):"
    )
    for group in groups[:_SHOWN]:
        yield f"    {_double(group)}"
    if len(groups) > _SHOWN:
        yield f"    and {len(groups) - _SHOWN:,} more"


def _double(group: Mapping[str, Any]) -> str:
    images = group["images"]
    # one of each split, or two where there is only one split
    first = {each["split"]: each for each in reversed(images)} if group["across"] else dict(enumerate(images[:2]))
    shown = " = ".join(f"{each['split']} {printable(each['path'])}" for each in sorted(first.values(), key=_split))
    more = f" and {len(images) - len(first):,} more" if len(images) > len(first) else ""
    labels = _first([printable(label) for label in sorted({each["class"] for each in images})])
    return f"{shown}{more}" + (f": {labels}" if group["labels"] > 1 else "")


def _split(image: Mapping[str, Any]) -> str:
    return str(image["split"])


def _images(count: int) -> str:
    return "1 image is" if count == 1 else f"{count:,} images are"


def _verdict(found: Mapping[str, Any], leaks: int) -> str:
    unusable = len({(each["split"], each["path"]) for each in found["findings"] if not each["usable"]})
    if found["passed"]:
        return "every image can be used, and none is in both splits"
    parts = []
    if unusable:
        parts.append(f"{_images(unusable)} of no use")
    if leaks:
        parts.append(f"{_images(leaks)} in training and in validation")
    return "NOT in order: " + "; ".join(parts)
