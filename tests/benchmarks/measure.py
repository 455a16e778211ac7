"""What the benchmarks share: machine and versions, photographs, sides measured in turn, and their ratio."""

import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CACHE = Path(tempfile.gettempdir()) / f"imgcls-benchmarks-{os.getuid()}"
WALLPAPERS = Path("/usr/share/wallpapers")
_PACKAGES = ("imgcls", "torch", "ray", "nvidia-dali-cuda130", "nvidia-dali-cuda120", "pillow", "numpy")
_TICK = os.sysconf("SC_CLK_TCK")


_QUIET = 0.25  # CPUs that others may use while we measure


@dataclass(frozen=True)
class Speed:
    """A side's result in one round.

    Attributes:
        wall: work done in a second of wall-clock time.
        cpu: work done in a second of CPU time of all the side's processes.
        others: CPUs that other processes had meanwhile.
    """

    wall: float
    cpu: float
    others: float


class Watch:
    """Measures wall-clock time, the CPU time of a process and its descendants, and what is left for others."""

    def __init__(self, process: int) -> None:
        self.process = process
        self._used, self._busy, self._wall = cpu_seconds(process), _busy_seconds(), time.perf_counter()

    def stop(self, work: float, wall: float | None = None) -> Speed:
        """Return the speed for an amount of work; ``wall`` is its duration where that was measured elsewhere."""
        passed = time.perf_counter() - self._wall
        used, busy = cpu_seconds(self.process) - self._used, _busy_seconds() - self._busy
        return Speed(work / (wall or passed), work / max(used, 1e-3), max(0.0, busy - used) / passed)


def say(text: str = "") -> None:
    """Print a line at once, so that a long benchmark can be followed."""
    print(text, flush=True)


def header(what: str) -> None:
    """Print what is measured, on what machine, with what versions, and how busy it is."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # so that commands we started are ended
    say(f"# {what}")
    say(f"machine: {_cpu()}, {len(os.sched_getaffinity(0))} cores, {_memory():.1f} GiB, {platform.platform()}")
    say(f"versions: python {platform.python_version()}, " + ", ".join(_versions()))
    say(f"load average: {load()}")


def load() -> str:
    """Return the load average of the last 1 and 5 minutes; above 0 before we start, others are at work."""
    return " ".join(Path("/proc/loadavg").read_text().split()[:2])


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")


def _memory() -> float:
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return int(line.split()[1]) / 2**20


def _versions() -> list[str]:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


# ---- sides in turn ----------------------------------------------------------------------------------------


def in_turn(
    sides: Mapping[str, Callable[[], Speed]], rounds: int, unit: str, patience: float = 20
) -> dict[str, list[Speed]]:
    """Measure each side once a round, A B A B ..., and print every round.

    Args:
        sides: what is measured.
        rounds: how often.
        unit: of the speeds.
        patience: seconds to wait before each round for others to leave the machine alone.
    """
    found: dict[str, list[Speed]] = {name: [] for name in sides}
    for number in range(rounds):
        wait_for_quiet(patience)
        for name, measure in sides.items():
            found[name].append(measure())
        figures = (f"{name} {found[name][-1].wall:,.1f} (others {found[name][-1].others:.1f})" for name in sides)
        say(f"  round {number + 1}: {', '.join(figures)} {unit}")
    return found


def wait_for_quiet(patience: float) -> None:
    """Wait until other processes have used next to nothing for a second, or patience is at its end."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        watch = Watch(os.getpid())
        time.sleep(1)
        if watch.stop(1).others < _QUIET:
            return


def ratio(found: Mapping[str, Sequence[Speed]], mine: str, other: str, goal: float) -> bool:
    """Print the ratio of two sides, round by round, as median, min and max; return whether it reaches the goal.

    Rounds that others disturbed are left out if three at least were not.
    """
    pairs = list(zip(found[mine], found[other], strict=True))
    quiet = [(a, b) for a, b in pairs if max(a.others, b.others) < _QUIET]
    kept = quiet if len(quiet) >= 3 else pairs
    what = (
        f"{len(kept)} quiet of {len(pairs)} rounds" if kept is quiet else f"{len(pairs)} rounds, machine not quiet"
    )
    reached = _ratio(f"{mine} / {other} ({what})", [a.wall / b.wall for a, b in kept], goal)
    _ratio("  the same, per CPU second, all rounds", [a.cpu / b.cpu for a, b in pairs], None)
    return reached


def _ratio(what: str, values: Sequence[float], goal: float | None) -> bool:
    middle = statistics.median(values)
    verdict = "" if goal is None else f"  goal >= {goal:g}: {'reached' if middle >= goal else 'MISSED'}"
    say(f"{what}: median {middle:.3f}, min {min(values):.3f}, max {max(values):.3f}{verdict}")
    return goal is None or middle >= goal


def below(what: str, values: Sequence[float], goal: float, unit: str = "s") -> bool:
    """Print the median of some durations, with min and max; return whether it is under the goal."""
    middle = statistics.median(values)
    verdict = "reached" if middle < goal else "MISSED"
    say(
        f"{what}: median {middle:.3f} {unit}, min {min(values):.3f}, max {max(values):.3f}, n = {len(values)}  "
        f"goal < {goal:g}: {verdict}"
    )
    return middle < goal


# ---- commands ---------------------------------------------------------------------------------------------


def command(name: str) -> str:
    """Return the path of a command that belongs to this Python."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise SystemExit(f"{name} is not installed beside {sys.executable}")
    return found


def events(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a run's events.jsonl."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def until(process: "subprocess.Popen[Any]", done: Callable[[], bool], timeout: float, log: Path) -> None:
    """Wait until something has happened while a process of ours runs."""
    end = time.monotonic() + timeout
    while not done():
        if process.poll() is not None:
            raise SystemExit(f"{process.args} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        if time.monotonic() > end:
            interrupt(process)
            raise SystemExit(f"{process.args} took more than {timeout:g} s:\n{log.read_text()[-3000:]}")
        time.sleep(0.02)


def interrupt(process: "subprocess.Popen[Any]") -> None:
    """Send Ctrl-C and wait; kill what does not end."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _busy_seconds() -> float:
    """Return the CPU time of everything on this machine since it was started."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICK


def cpu_seconds(root: int) -> float:
    """Return the CPU time of a process and of all that descend from it, those that have ended and been waited
    for too."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            used[int(entry.name)] = sum(int(field) for field in fields[11:15]) / _TICK
    return sum(seconds for process, seconds in used.items() if _descends(process, root, parents))


def settle() -> None:
    """Wait until this process and its children have nothing left to do, such as batches made ahead."""
    before = -1.0
    while (now := cpu_seconds(os.getpid())) - before > 0.02:
        before = now
        time.sleep(0.3)


def _descends(process: int, root: int, parents: Mapping[int, int]) -> bool:
    while process > 1:
        if process == root:
            return True
        process = parents.get(process, 0)
    return False


# ---- photographs ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Photos:
    """JPEG files in two class folders below ``root``; ``names`` are relative to it."""

    root: Path
    names: tuple[str, ...]
    labels: tuple[int, ...]
    origin: str

    def describe(self) -> str:
        """Return number, size in pixels and in KB."""
        sizes = [(self.root / name).stat().st_size / 1000 for name in self.names]
        shapes = np.array([Image.open(self.root / name).size for name in self.names])
        width, height = shapes.mean(0)
        return (
            f"images: {len(self.names)} JPEGs from {self.origin}, {width:.0f}x{height:.0f} pixels on average, "
            f"quality 92, {statistics.mean(sizes):.0f} KB on average ({min(sizes):.0f} to {max(sizes):.0f})"
        )


def photos(count: int = 600) -> Photos:
    """Return photographs of about 500x375 pixels, made once and kept in the temporary folder."""
    wallpapers = sorted(WALLPAPERS.rglob("*.jpg"))
    origin = "Debian's plasma-workspace-wallpapers" if wallpapers else "smooth noise (no wallpapers here)"
    root = CACHE / f"photos-{count}-{'wallpapers' if wallpapers else 'noise'}"
    names = tuple(f"{'ab'[i % 2]}/{i:04d}.jpg" for i in range(count))
    if not all((root / name).is_file() for name in names):
        say(f"making {count} JPEGs in {root}")
        for folder in "ab":
            (root / folder).mkdir(parents=True, exist_ok=True)
        _make(root, names, wallpapers)
    return Photos(root, names, tuple(i % 2 for i in range(count)), origin)


def _make(root: Path, names: Sequence[str], wallpapers: Sequence[Path]) -> None:
    random = np.random.default_rng(0)
    sources = [_open(path) for path in _detailed(wallpapers)]
    for number, name in enumerate(names):
        width, height = (int(side * random.uniform(0.9, 1.1)) for side in (500, 375))
        if sources:
            picture = _crop(sources[number % len(sources)], width, height, random)
        else:
            picture = _noise(width, height, random)
        partial = root / f"{name}.part"
        picture.save(partial, "JPEG", quality=92)
        partial.replace(root / name)


def _detailed(wallpapers: Sequence[Path], count: int = 30) -> list[Path]:
    """Return the largest files for their pixels: many wallpapers are smooth, and their JPEGs unusually small."""
    density = {}
    for path in wallpapers:
        with Image.open(path) as image:
            if min(image.size) >= 1000:
                density[path] = path.stat().st_size / (image.width * image.height)
    return sorted(density, key=lambda path: (density[path], path), reverse=True)[:count]


def _open(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.draft("RGB", (1300, 900))
        return image.convert("RGB")


def _crop(image: Image.Image, width: int, height: int, random: np.random.Generator) -> Image.Image:
    most = min(image.width / width, image.height / height)
    scale = random.uniform(max(1, most / 2), most)
    w, h = int(width * scale), int(height * scale)
    x, y = int(random.integers(image.width - w + 1)), int(random.integers(image.height - h + 1))
    return image.crop((x, y, x + w, y + h)).resize((width, height), Image.Resampling.LANCZOS)


def _noise(width: int, height: int, random: np.random.Generator) -> Image.Image:
    """Noise at several scales, as much of it at each as photographs have: about 100 KB as a JPEG."""
    layers = []
    for cells in (4, 16, 64, 256):
        small = random.normal(0, 1 / cells**0.5, (cells, cells, 3))
        small = np.clip(128 + 128 * small, 0, 255).astype(np.uint8)
        layers.append(np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), float))
    return Image.fromarray(np.clip(sum(layers) - 128 * (len(layers) - 1), 0, 255).astype(np.uint8))


def ends(reached: Iterable[bool]) -> None:
    """Say whether all goals were reached; the exit status is 0 either way, for a busy machine is no error."""
    say("all goals reached" if all(reached) else "not all goals reached")
