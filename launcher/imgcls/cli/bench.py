"""``imgcls bench data``: how fast images come, which stage limits, and what to set."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgcls.cli.arguments import recipe_argument, set_option, storage_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgcls.data.bench import Setting, Stage
    from imgcls.data.pipeline import Machine
    from imgcls.plan import Plan

# pixels of a batch that is measured, at most: a large one would leave no time for several
_PIXELS = {"cpu": 64 * 224 * 224, "gpu": 512 * 224 * 224}
_AMPLE = 1.5  # times the speed of the model: more is of no use
_FOR_STAGES, _FOR_SETTINGS, _FOR_MODEL = 0.35, 0.45, 0.2  # of the time


@click.group(short_help="Measure the speed of a part.")
def bench() -> None:
    """Measure how fast a part of imgcls is on this machine."""


@bench.command()
@recipe_argument
@set_option
@storage_option
@click.option(
    "--seconds", type=click.FloatRange(1, 3600), default=20, show_default=True, help="To measure for, about."
)
def data(recipe: str, overrides: tuple[str, ...], storage: Path, seconds: float) -> None:
    """Measure the input pipeline of one of the recipe's workers, and the speed that its model asks for.

    Stage by stage, then with the numbers of threads, depths of prefetching and decoders that this machine has. The
    last line says what limits, and what to set.
    """
    from imgcls.cli.preparation import planned

    plan = planned(recipe, overrides, storage)
    _Bench(plan, seconds).run()


class _Bench:
    """One measurement of one worker."""

    def __init__(self, plan: "Plan", seconds: float) -> None:
        from dataclasses import replace

        from imgcls.train import build
        from imgcls.train.world import pick_device, set_threads

        self.seconds = seconds
        self.device = pick_device(0)
        self.workers = max(1, plan.workers.count)
        self.threads = set_threads(plan.workers.cpus, self.workers)
        self.machine = build.machine(plan.loading, self.device, self.threads)
        self.batch_size = self._batch_size(plan)
        # an order that does not end before the time does
        train = replace(plan.train, batch_size=self.batch_size, epochs=10**9)
        self.plan = replace(plan, train=train, workers=replace(plan.workers, count=1))
        self.inputs = build.inputs(self.plan)
        self.lost = None if plan.data.on_bad_image == "fail" else _passed_over

    def _batch_size(self, plan: "Plan") -> int:
        share = min(plan.train.batch_size, plan.data.train.samples) // self.workers
        return max(1, min(share, _PIXELS[self.machine.device] // plan.format.training.size**2))

    def run(self) -> None:
        """Measure, and say what was found."""
        from imgcls.data.bench import Bench, recommended
        from imgcls.train.speed import images_per_second

        self._say_where()
        measure = Bench(self.inputs.training, self.inputs.order, self.lost)
        found = measure.stages(self.machine, _FOR_STAGES * self.seconds)
        _say_stages(found, self.machine)
        tried = measure.settings(_to_try(self.machine, self.threads), _FOR_SETTINGS * self.seconds)
        best = recommended(tried)
        _say_settings(tried, best)
        model = images_per_second(self.plan, self.device, self.batch_size, _FOR_MODEL * self.seconds)
        click.echo(f"\nthe model alone, training on made-up images: {model:,.0f} images/s\n")
        click.echo(verdict(found, tried, self.machine, model))

    def _say_where(self) -> None:
        import os

        from imgcls.cli.preparation import form_of
        from imgcls.train.speed import name_of

        plan, index = self.plan, self.inputs.training.index
        cpus = len(os.sched_getaffinity(0))
        click.echo(f"{plan.name}: {plan.model.name} on {plan.data.dataset.name}, {form_of(plan.format.training)}")
        click.echo(f"machine: {_cpu()}, {cpus} CPUs; trains on {name_of(self.device)}")
        click.echo("versions: " + ", ".join(f"{name} {version}" for name, version in plan.versions.items()))
        height, width = index.sizes.mean(axis=0)
        click.echo(f"images: {len(index):,}, {width:.0f}x{height:.0f} pixels on average{self._kilobytes()}")
        click.echo(
            f"one of {self.workers} worker{'s' if self.workers > 1 else ''}, {self.threads} of {cpus} CPUs, "
            f"batches of {self.batch_size}; each measurement reads on where the one before ended"
        )

    def _kilobytes(self) -> str:
        """Return the mean size of a hundred of the encoded images, in words."""
        index = self.inputs.training.index
        if index.paths is None:
            return ", in memory"
        some = range(0, len(index), max(1, len(index) // 100))
        return f", {sum(len(index.read(sample)) for sample in some) / len(some) / 1000:.0f} KB"


def _passed_over(_path: str, _reason: str) -> None:
    pass


def _cpu() -> str:
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _to_try(machine: "Machine", threads: int) -> "list[Machine]":
    """Return what to try: powers of two of threads up to the worker's CPUs, and the recipe's, by each decoder."""
    from dataclasses import replace

    counts = sorted({2**power for power in range(threads.bit_length())} | {threads, machine.threads})
    decoders = ("cpu",) if machine.device == "cpu" else ("cpu", "gpu")
    return [replace(machine, threads=count, decode=decode) for decode in decoders for count in counts]


def _say_stages(found: "Sequence[Stage]", machine: "Machine") -> None:
    click.echo(f"\n{'up to the end of':<34}{'images/s':>10}{'adds':>8}   ({_settings_of(machine)})")
    for stage in found:
        click.echo(f"{stage.name:<34}{stage.speed:>10,.0f}{stage.share:>8.0%}")


def _say_settings(tried: "Sequence[Setting]", best: "Setting") -> None:
    click.echo(f"\n{'the whole with':<34}{'images/s':>10}")
    for setting in tried:
        mark = "   <- the least of those close to the best" if setting is best else ""
        click.echo(f"{_settings_of(setting.machine):<34}{setting.speed:>10,.0f}{mark}")


def _settings_of(machine: "Machine") -> str:
    threads = f"{machine.threads} thread{'s' if machine.threads > 1 else ''}"
    return f"{threads}, prefetch {machine.prefetch}, decode {_decode_of(machine)}"


def _decode_of(machine: "Machine") -> str:
    return "cpu" if machine.decoder == "cpu" else "gpu"


def verdict(found: "Sequence[Stage]", tried: "Sequence[Setting]", now: "Machine", model: float) -> str:
    """Return the sentence that says what limits, by how much, and what to set.

    Args:
        found: the stages, with the settings as they are now.
        tried: other settings, and those of now among them.
        now: the settings as they are.
        model: images a second that the model takes.
    """
    from imgcls.data.bench import recommended

    best = recommended(tried)
    as_they_are = [setting for setting in tried if _settings_of(setting.machine) == _settings_of(now)]
    if as_they_are and as_they_are[0].speed >= _AMPLE * model:
        best = as_they_are[0]
    slowest = max(found, key=lambda stage: stage.share)
    slow = f"{slowest.name}, {slowest.share:.0%} of its time"
    ratio = best.speed / model
    if ratio >= 1:
        text = (
            f"The model limits, at {model:,.0f} images/s: the data comes at {best.speed:,.0f}, {ratio:.1f} times "
            f"that, held up most by: {slow}"
        )
    else:
        text = (
            f"The data limits, at {best.speed:,.0f} images/s, {ratio:.2f} of the {model:,.0f} that the model "
            f"takes, held up most by: {slow}"
        )
    if now.device == "cpu":
        together = 1 / (1 / best.speed + 1 / model)
        text += f"; both run on the same CPUs, about {together:,.0f} images/s together"
    return f"{text}; {_advice(best.machine, now)}."


def _advice(best: "Machine", now: "Machine") -> str:
    values = {
        "threads": (best.threads, now.threads),
        "prefetch": (best.prefetch, now.prefetch),
        "decode": (_decode_of(best), _decode_of(now)),
    }
    wanted = [f"--set loading.{name}={value}" for name, (value, before) in values.items() if value != before]
    return f"set `{' '.join(wanted)}`" if wanted else "the settings are good as they are"
