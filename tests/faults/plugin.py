"""A plugin for tests, put on PYTHONPATH as a wheel would leave it: a module and its dist-info."""

from pathlib import Path
from textwrap import dedent

_MODULE = """
from imgcls import Component, hookimpl


@hookimpl
def imgcls_models():
    return [
        Component("prints", "faulty_parts:prints"),
        Component("raises", "faulty_parts:raises"),
    ]


@hookimpl
def imgcls_callbacks():
    return [Component("hangs", "faulty_parts:hangs")]
"""

_PARTS = '''
import sys
import time

import torch
import torch.distributed as dist
from torch import nn

from imgcls import Callback


def rank():
    return dist.get_rank() if dist.is_initialized() else 0


class Linear(nn.Module):
    def __init__(self, classes, channels):
        super().__init__()
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(64 * channels, classes))

    def forward(self, images):
        return self.layers(images)


class Raises(Linear):
    """Fails in the forward pass of one rank's third step."""

    steps = 0

    def forward(self, images):
        self.steps += 1
        if self.steps == 3 and rank() == dist.get_world_size() - 1:
            raise ValueError("the moon is in the wrong phase")
        return super().forward(images)


def prints(options, num_classes, in_channels):
    print(f"built by rank {rank()}", "on standard output")
    print(f"built by rank {rank()}", "on standard error", file=sys.stderr)
    return Linear(num_classes, in_channels)


def raises(options, num_classes, in_channels):
    print("built once more")
    return Raises(num_classes, in_channels)


class Hangs(Callback):
    def step_ended(self, run):
        if run.state.step == 5:
            print("hanging", flush=True)
            time.sleep(1000)


def hangs(options):
    return Hangs()
'''


def install(folder: Path) -> Path:
    """Write the plugin ``faulty`` into a folder for PYTHONPATH, and return the folder."""
    folder.mkdir()
    (folder / "faulty.py").write_text(_MODULE)
    (folder / "faulty_parts.py").write_text(_PARTS)
    info = folder / "faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        dedent("""\
        [imgcls]
        faulty = faulty
    """)
    )
    return folder
