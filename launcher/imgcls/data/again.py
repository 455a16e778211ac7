"""A batch that met an error is made again: storage that fails is waited for, images that are bad are left out."""

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from imgcls.data.index import Index
from imgcls.errors import StorageError, UserError
from imgcls.outage import may_pass, pauses, reason

Lost = Callable[[str, str], None]  # takes the path of an image that is left out, and why
Warn = Callable[[str], None]
Made = TypeVar("Made")

PATIENCE = 60.0  # seconds that a batch waits for storage
_TRIES = 4  # of a batch whose images can all be decoded
_HURRIED = 2.0  # the longest pause in seconds, for training waits


class Again:
    """Makes batches again, as they would have been.

    Args:
        index: of the images.
        fault: says what is wrong with an image, given its bytes and its number, when it is decoded alone; None if
            nothing is.
        lost: takes the images that cannot be decoded, which are then left out; None: they end the run.
        warn: takes a message about storage that failed.
    """

    def __init__(
        self, index: Index, fault: Callable[[bytes, int], str | None], lost: Lost | None, warn: Warn | None
    ) -> None:
        self.index = index
        self.fault = fault
        self.lost = lost
        self.warn: Warn = warn or (lambda _text: None)
        self._told = False

    def make(
        self, samples: NDArray[np.int64], error: Exception, alone: Callable[[NDArray[np.int64]], Made]
    ) -> tuple[Made, NDArray[np.int64]]:
        """Return a batch, and which of its samples it has.

        Args:
            samples: int64 (n,), the numbers of the batch's samples in the index.
            error: that the batch met.
            alone: makes a batch of those of its samples that it is given, int64 (m,), by a pipeline of its own.

        Raises:
            UserError: images that are bad and not to be left out, or none is left.
            StorageError: storage fails for longer than patience lasts: images that are good must not be left out.
            RuntimeError: the error, where all can be decoded and the batch meets it again and again.
        """
        if self.index.paths is None:
            raise error
        self._told = False
        for _, pause in zip(range(_TRIES), pauses(_HURRIED), strict=False):
            kept = self._good(samples, error)
            try:
                made = alone(kept)
            except RuntimeError as again:
                error = again
                time.sleep(pause)
                continue
            if len(kept) == len(samples):
                self.warn(f"a batch was read again, and nothing is lost: {_first_line(error)}")
            return made, kept
        raise error

    def _good(self, samples: NDArray[np.int64], error: Exception) -> NDArray[np.int64]:
        """Return which samples of a batch can be decoded, having told of the others.

        Raises:
            UserError: they are not to be left out, or none is left.
            StorageError: storage fails for longer than patience lasts.
        """
        faults = self._faults(samples.tolist())
        named = {self.index.path(s): fault for s, fault in zip(samples.tolist(), faults, strict=True) if fault}
        listed = [f"{path}: {fault}" for path, fault in named.items()]
        if named and self.lost is None:
            advice = 'mend or remove it, or set data.on_bad_image = "skip", and give the same command again.'
            raise UserError("\n".join([*listed, advice])) from error
        kept = np.flatnonzero([fault is None for fault in faults])
        if not len(kept):
            advice = "no image of a batch can be decoded; see `imgcls data check`."
            raise UserError("\n".join([*listed, advice])) from error
        for path, fault in named.items():
            assert self.lost is not None
            self.lost(path, fault)
        return kept

    def _faults(self, samples: list[int]) -> list[str | None]:
        """Return what is wrong with each, None where nothing is."""
        end = time.monotonic() + PATIENCE
        found: list[str | None] = []
        for sample in samples:
            try:
                found.append(self.fault(self._read(sample, end), sample))
            except OSError as error:
                found.append(f"cannot be read: {reason(error)}")
        return found

    def _read(self, sample: int, end: float) -> bytes:
        """Return an image's bytes, waiting for storage that fails until some time of ``time.monotonic``.

        Raises:
            OSError: an error that stays, such as a file that is gone.
            StorageError: the time is over.
        """
        for pause in pauses(_HURRIED):
            try:
                return self.index.read(sample)
            except OSError as error:
                if not may_pass(error, self.index.root):
                    raise
                self._wait(sample, reason(error), pause, end)
        raise AssertionError("pauses have no end")

    def _wait(self, sample: int, why: str, pause: float, end: float) -> None:
        path = self.index.path(sample)
        if time.monotonic() >= end:
            raise StorageError(
                f"{path}: cannot be read for {PATIENCE:g} s: {why}\n"
                "mend the storage, then give the same command again: the run continues from its last checkpoint"
            )
        if not self._told:
            self._told = True
            self.warn(f"{path}: cannot be read: {why}; waiting up to {PATIENCE:g} s for its storage")
        time.sleep(pause)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "rror" in line), lines[0] if lines else type(error).__name__)[:200]
