"""What each augmentation costs: the time of a batch with it, as a ratio to the time without, in one run.

Run as ``python tests/benchmarks/augmentations.py [--threads 1] [--rounds 3] [--only rand_augment cutmix]``.
"""

import argparse
from collections.abc import Callable

import loader
import measure
from loader import BATCH, SIZE
from measure import Speed, say


def main() -> None:
    from imgcls import Crop, Source
    from imgcls.component import load
    from imgcls.plugins import installed

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=6, help="timed in each round")
    parser.add_argument("--only", nargs="+", help="names of augmentations; all, if not given")
    options = parser.parse_args()
    measure.header("Augmentations: cost beside crop, flip and normalisation")
    pictures = measure.photos()
    say(pictures.describe())
    say(f"batch {BATCH}, {SIZE}x{SIZE} pixels, {options.threads} thread(s); each with its default options\n")
    source = Source.from_files(pictures.root, pictures.names, pictures.labels, ("a", "b"))
    plain = lambda: loader.timed(loader.batches_of(source, options.threads), options.batches)  # noqa: E731
    for name, found in installed().components("augmentations").items():
        if options.only and name not in options.only:
            continue
        built = load(found.component.build)(found.component.defaults or found.component.options())
        if isinstance(built, Crop) or name == "horizontal_flip":
            continue  # in both sides
        sides: dict[str, Callable[[], Speed]] = {
            "plain": plain,
            name: lambda b=built: loader.timed(loader.batches_of(source, options.threads, b), options.batches),
        }
        rounds = measure.in_turn(sides, options.rounds, "samples/s")
        costs = sorted(p.wall / a.wall for p, a in zip(rounds["plain"], rounds[name], strict=True))
        extra = sorted(1e6 * (1 / a.wall - 1 / p.wall) for p, a in zip(rounds["plain"], rounds[name], strict=True))
        middle = len(costs) // 2
        say(f"{name}: {costs[middle]:.2f} times the time of a batch without, {extra[middle]:+,.0f} us an image\n")


if __name__ == "__main__":
    main()
