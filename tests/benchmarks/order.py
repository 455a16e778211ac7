"""What an epoch's order costs in time and memory, and what the draws of a batch cost.

Run as ``python tests/benchmarks/order.py [--samples 1280000 14000000]``.
"""

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable

import measure
import numpy as np
from measure import say

from imgcls.data.draws import Draws, permutation
from imgcls_augment.horizontal_flip import Flip
from imgcls_augment.random_resized_crop import Region


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[1_281_167, 14_000_000])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    measure.header("Order of an epoch, and draws of a batch (one thread)")
    for n in options.samples:
        order(n, options.rounds)
    for n in options.batches:
        batch(n)


def order(n: int, rounds: int) -> None:
    """Print time and memory of one epoch's permutation, beside numpy's own of a generator."""
    mine, numpys = [], []
    for epoch in range(rounds):
        mine.append(once(lambda e=epoch: permutation(1, e, n)))
        numpys.append(once(lambda e=epoch: np.random.default_rng(e).permutation(n)))
    tracemalloc.start()
    kept = permutation(1, 0, n)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    seconds = statistics.median(mine)
    say(
        f"\npermutation of {n:,} samples: median {seconds:.3f} s (min {min(mine):.3f}, max {max(mine):.3f}), "
        f"{1e9 * seconds / n:.0f} ns a sample; numpy's Generator.permutation, in turn: "
        f"{statistics.median(numpys):.3f} s"
    )
    say(f"  memory: {peak / 2**20:,.0f} MiB at its peak, {kept.nbytes / 2**20:,.0f} MiB kept")


def once(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def batch(n: int, repeats: int = 300) -> None:
    """Print what the draws of random resized crop and flip cost for a batch."""
    random = np.random.default_rng(0)
    sizes = random.integers(300, 600, (n, 2)).astype(np.int32)
    samples = random.integers(0, 1_281_167, n)
    crop, flip = Region((0.08, 1.0), (3 / 4, 4 / 3)), Flip(0.5)
    boxes, flips = [], []
    for epoch in range(repeats):
        boxes.append(once(lambda e=epoch: crop.boxes(Draws(1, e, samples, "crop"), sizes)))
        flips.append(once(lambda e=epoch: flip.draw(Draws(1, e, samples, "horizontal_flip/0"), 224)))
    box, mirror = (1e6 * statistics.median(times) for times in (boxes, flips))
    say(
        f"\ndraws for a batch of {n}: boxes {box:.0f} us + flips {mirror:.0f} us = {box + mirror:.0f} us, "
        f"{(box + mirror) / n:.2f} us a sample"
    )


if __name__ == "__main__":
    main()
