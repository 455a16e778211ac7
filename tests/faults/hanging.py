"""A plugin for tests whose callbacks hang, once, on the last rank; put on PYTHONPATH as a wheel would leave it."""

from pathlib import Path

STEP = 120  # after which they hang

_MODULE = """
from imgcls import Component, hookimpl


@hookimpl
def imgcls_callbacks():
    return [
        Component("sleeps", "hanging_parts:sleeps"),
        Component("locks", "hanging_parts:locks"),
        Component("always", "hanging_parts:always"),
    ]
"""

_PARTS = f"""
import ctypes
import time

from imgcls import Callback


class Hangs(Callback):
    def __init__(self, hang, once=True):
        self.hang = hang
        self.once = once

    def step_ended(self, run):
        marker = run.folder.path / "hung"
        if run.state.step == {STEP} and run.world.rank == run.world.size - 1 and not (self.once and marker.exists()):
            marker.touch()
            self.hang()


def sleep_without_end():
    time.sleep(3000)


def hold_the_lock_without_end():
    ctypes.PyDLL(None).usleep(3000 * 10**6)  # PyDLL: Python's global lock is not let go of


def sleeps(options):
    return Hangs(sleep_without_end)


def locks(options):
    return Hangs(hold_the_lock_without_end)


def always(options):
    return Hangs(sleep_without_end, once=False)
"""


def install(folder: Path) -> Path:
    """Write the plugin ``hanging`` into a folder for PYTHONPATH, and return the folder."""
    folder.mkdir()
    (folder / "hanging.py").write_text(_MODULE)
    (folder / "hanging_parts.py").write_text(_PARTS)
    info = folder / "hanging-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[imgcls]\nhanging = hanging\n")
    return folder
