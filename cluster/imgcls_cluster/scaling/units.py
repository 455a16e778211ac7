"""Bandwidths and durations as people write them."""

import re

import click

_BYTES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
_NUMBER = r"(\d+(?:\.\d+)?)\s*"


class Bandwidth(click.ParamType):  # type: ignore[type-arg]  # a generic of click 8.5, not of 8.2
    """Bytes a second, from ``100Gbit``, ``100Gbit/s``, ``100Gbps``, ``12.5GB`` or ``12.5GB/s``."""

    name = "bandwidth"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return bytes a second."""
        found = re.fullmatch(_NUMBER + r"([kMGT]?|[KMG]i)(bit(?:/s)?|bps|B(?:/s)?)", str(value).strip())
        amount = 0.0 if found is None else float(found[1]) * _BYTES[found[2]] / (1 if found[3][0] == "B" else 8)
        if amount <= 0:
            self.fail(f"'{value}' is no bandwidth; write it as 100Gbit or 12.5GB", param, ctx)
        return amount


class Duration(click.ParamType):  # type: ignore[type-arg]  # a generic of click 8.5, not of 8.2
    """Seconds, from ``20us``, ``0.5ms`` or ``1s``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        found = re.fullmatch(_NUMBER + "(" + "|".join(_SECONDS) + ")", str(value).strip())
        if found is None:
            self.fail(f"'{value}' is no duration; write it as 20us or 0.5ms", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


class SpeedAt(click.ParamType):  # type: ignore[type-arg]  # a generic of click 8.5, not of 8.2
    """``BATCH:IMAGES_PER_SECOND`` of one worker, as (batch, images a second)."""

    name = "BATCH:IMAGES_PER_SECOND"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, float]:
        """Return (samples in a step, images a second)."""
        found = re.fullmatch(r"(\d+):(\d+(?:\.\d+)?)", str(value).strip())
        if found is None or not int(found[1]) or not float(found[2]):
            self.fail(f"'{value}' is not of the form BATCH:IMAGES_PER_SECOND; write it as 256:2470", param, ctx)
        return int(found[1]), float(found[2])


class Counts(click.ParamType):  # type: ignore[type-arg]  # a generic of click 8.5, not of 8.2
    """Numbers of workers, ``16,64,256``."""

    name = "N,N,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return them in order, each once."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if not all(word.isascii() and word.isdigit() and 0 < int(word) <= 1_000_000 for word in words):
            self.fail(f"'{value}' is no list of numbers of workers; write it as 16,64,256", param, ctx)
        return tuple(sorted({int(word) for word in words}))
