"""Memory of the loader over epochs: it must not grow.

Run as ``python tests/benchmarks/memory.py [--epochs 5] [--threads 2]``.
"""

import argparse
import os
from pathlib import Path

import loader
import measure
from loader import BATCH, SIZE
from measure import say

_PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    measure.header("Memory of the loader over epochs")
    pictures = measure.photos()
    say(pictures.describe())
    say(f"batch {BATCH}, {SIZE}x{SIZE} pixels, {options.threads} threads, 2 batches made ahead\n")
    batches = loader.imgcls_batches(pictures, options.threads)
    steps = len(pictures.names) // BATCH
    sizes = []
    for epoch in range(options.epochs):
        most = 0
        for _ in range(steps):
            next(batches)
            most = max(most, _resident())
        sizes.append(most)
        say(f"epoch {epoch + 1}: {most / 2**20:,.0f} MiB at most")
    growth = sizes[-1] / sizes[1] if len(sizes) > 2 else 1.0
    measure.ends([measure.below("the last epoch's memory to the second's", [growth], 1.03, "")])


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


if __name__ == "__main__":
    main()
