"""What the facts of nodes mean: pure functions from facts to findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcls.doctor.facts import DALI, Facts
from imgcls.doctor.findings import Finding, Status

if TYPE_CHECKING:
    from imgcls.doctor.data import Split

WORKER_BYTES = 450 << 20  # of a worker with torch, DALI and Ray, before any image
_OBJECT_STORE = 110 << 20  # bytes; Ray uses a slower folder where /dev/shm has less
_NCCL_SHM = 256 << 20  # bytes a GPU, with room to spare
_FEWEST_FILES = 1024
SHM = "/dev/shm"  # noqa: S108 (the name of a check)
_LITTLE_DISK = 1 << 30  # bytes
_FREE_GPU = 0.8  # of its memory
_CUDA_13_DRIVER = 580  # the first that knows CUDA 13
_CUDA_13_DALI = "nvidia-dali-cuda130"
# of which another version may compute or store otherwise
_STRICT = ("python", "imgcls", "torch", "ray", DALI)


@dataclass(frozen=True)
class Node:
    """A node with its facts.

    Attributes:
        name: as it is shown.
        facts: what it tells of itself.
        workers: how many may run on it; 0: not known.
        own: Ray is not started yet, and will be by the command itself.
    """

    name: str
    facts: Facts
    workers: int = 0
    own: bool = False


def judged(here: Facts, nodes: Sequence[Node], splits: Sequence["Split"] = ()) -> list[Finding]:
    """Return what the facts of nodes mean.

    Args:
        here: the facts of the command's own process, which the others are compared with.
        nodes: where workers may run.
        splits: of the data, that was looked for.
    """
    found: list[Finding] = []
    for node in nodes:
        found += [*_versions(here, node), *_code(here, node), *judged_machine(node)]
        found += [*_gpus(node), *_data(node, splits)]
    return [*found, *_drivers(nodes)]


def judged_machine(node: Node) -> list[Finding]:
    """Return what the facts of one node mean, without a look at others: memory, files, storage."""
    return [*_memory(node), *_shm(node), *_open_files(node), *_storage(node)]


def _versions(here: Facts, node: Node) -> Iterator[Finding]:
    theirs = node.facts.versions
    wrong = False
    for name, mine in here.versions.items():
        its = theirs.get(name)
        if its == mine:
            continue
        wrong = True
        yield _another(name, mine, its, node)
    if len(node.facts.dali_builds) > 1:
        wrong, builds = True, node.facts.dali_builds
        mend = f"{_pip(node)} uninstall -y {' '.join(builds)}, then install the one for the driver"
        yield Finding("versions", node.name, "warning", "two builds of DALI are installed, in one folder", mend)
    if not wrong:
        main = [f"{name} {theirs[name]}" for name in _STRICT if name in theirs]
        yield Finding("versions", node.name, "ok", ", ".join(main))


def _another(name: str, mine: str, its: str | None, node: Node) -> Finding:
    detail = f"{name} {its} there, {mine} here" if its else f"{name} is not installed there, {mine} is here"
    # what follows a plus sign is how it was built, such as for a GPU
    same = its is not None and its.partition("+")[0] == mine.partition("+")[0]
    status: Status = "warning" if same or name == "numpy" else "error"
    if name == "python":
        return Finding("versions", node.name, status, detail, f"start Ray there from a Python {mine}")
    builds = node.facts.dali_builds or [_CUDA_13_DALI]
    package = builds[0] if name == DALI else name
    return Finding("versions", node.name, status, detail, f"there: {_pip(node)} install '{package}=={mine}'")


def _pip(node: Node) -> str:
    return f"{node.facts.executable} -m pip"


def _code(here: Facts, node: Node) -> Iterator[Finding]:
    other = [name for name, mine in here.code.items() if node.facts.code.get(name) != mine]
    # of what has another version, that is said already
    other = [name for name in other if node.facts.versions.get(name) == here.versions.get(name)]
    for name in other:
        detail = f"the code of {name} {here.versions.get(name, '')} is another there"
        mend = f"install the same wheel of {name} on every node: {_pip(node)} install --force-reinstall WHEEL"
        yield Finding("code", node.name, "error", detail, mend)
    if not other:
        hashes = [f"{name} {digest[:12]}" for name, digest in here.code.items()]
        yield Finding("code", node.name, "ok", ", ".join(hashes))


def _memory(node: Node) -> Iterator[Finding]:
    room, workers = node.facts.memory, max(1, node.workers)
    if not room:
        return
    detail = f"{_gib(room['free'])} of {_gib(room['total'])} GiB free"
    if room["free"] >= workers * WORKER_BYTES:
        yield Finding("memory", node.name, "ok", detail)
        return
    who = f"{workers} workers need" if workers > 1 else "a worker needs"
    need = f"{who} about {_gib(workers * WORKER_BYTES)} GiB"
    yield Finding(
        "memory",
        node.name,
        "warning",
        f"{detail}, {need}",
        "end what else runs there (ps aux --sort -rss), or add nodes",
    )


def _shm(node: Node) -> Iterator[Finding]:
    room, gpus = node.facts.shm, len(node.facts.gpus)
    wanted = _OBJECT_STORE + (gpus * _NCCL_SHM if gpus > 1 else 0)
    gigabytes = max(1, -(-wanted >> 30))
    mend = f"mount -o remount,size={gigabytes}g /dev/shm; of a container: docker run --shm-size={gigabytes}g"
    if not room:
        yield Finding(SHM, node.name, "warning", "it is not there", mend)
        return
    enough = room["free"] >= wanted
    detail = f"{_gib(room['free'])} of {_gib(room['total'])} GiB free"
    more = "" if enough else f", Ray{' and NCCL use' if gpus > 1 else ' uses'} {_gib(wanted)}"
    yield Finding(SHM, node.name, "ok" if enough else "warning", detail + more, "" if enough else mend)


def _open_files(node: Node) -> Iterator[Finding]:
    limit = node.facts.open_files["hard" if node.own else "soft"]
    if limit < 0 or limit >= _FEWEST_FILES:
        yield Finding("open files", node.name, "ok", "any number" if limit < 0 else f"{limit:,}")
        return
    where = "" if node.own else " before `ray start`"
    yield Finding(
        "open files", node.name, "warning", f"{limit} at most, {_FEWEST_FILES} are few", f"ulimit -n 65536{where}"
    )


def _gpus(node: Node) -> Iterator[Finding]:
    facts = node.facts
    if facts.gpu_complaint:
        yield Finding("gpu", node.name, "error", facts.gpu_complaint, "reinstall the GPU's driver, or reboot")
    if not facts.gpus:
        return
    complaints = [*_busy(node), *_unfit(node)]
    yield from complaints
    if not complaints:
        names = [f"{gpu['name']}, {_gib(int(gpu['total']))} GiB" for gpu in facts.gpus]
        counted = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
        yield Finding("gpu", node.name, "ok", f"{'; '.join(counted)}; driver {facts.gpus[0]['driver']}")


def _busy(node: Node) -> Iterator[Finding]:
    for number, gpu in enumerate(node.facts.gpus):
        free, total = int(gpu["free"]), int(gpu["total"])
        if free < _FREE_GPU * total:
            detail = f"GPU {number}: {_gib(free)} of {_gib(total)} GiB free"
            yield Finding("gpu", node.name, "warning", detail, "end what uses it: nvidia-smi lists processes")


def _unfit(node: Node) -> Iterator[Finding]:
    torch = node.facts.versions.get("torch", "")
    if torch.endswith("+cpu"):
        mend = f"{_pip(node)} install --force-reinstall 'torch=={torch.partition('+')[0]}'"
        yield Finding("gpu", node.name, "warning", f"torch {torch} uses no GPU", mend)
    driver = str(node.facts.gpus[0]["driver"])
    major = driver.partition(".")[0]
    if major.isdigit() and int(major) < _CUDA_13_DRIVER and _CUDA_13_DALI in node.facts.dali_builds:
        detail = f"driver {driver} knows no CUDA 13, which DALI's build is for"
        yield Finding("gpu", node.name, "warning", detail, "see 'CUDA 12 and CUDA 13' in the README")


def _drivers(nodes: Sequence[Node]) -> Iterator[Finding]:
    found = {node.name: str(gpu["driver"]) for node in nodes for gpu in node.facts.gpus}
    if len(set(found.values())) > 1:
        usual = max(found.values(), key=list(found.values()).count)
        for name, driver in found.items():
            if driver != usual:
                detail = f"driver {driver} there, {usual} on others"
                yield Finding("gpu", name, "warning", detail, f"install driver {usual} there")


def _storage(node: Node) -> Iterator[Finding]:
    answer = node.facts.storage
    if not answer:
        return
    free = int(answer["free"])
    if answer["error"]:
        mend = "mount the same folder at the same path there, or set --storage to one that every node has"
        if free < 0:
            variables = "the store's variables, such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL"
            mend = f"set {variables}" + ("" if node.own else ", there before `ray start`")
        yield Finding("storage", node.name, "error", str(answer["error"]), mend)
    elif 0 <= free < _LITTLE_DISK:
        detail = f"{free / 2**20:,.0f} MiB free"
        yield Finding("storage", node.name, "warning", detail, "free space, or set --storage to a larger disk")
    else:
        room = f"; {_gib(free)} GiB free" if free >= 0 else ""
        yield Finding("storage", node.name, "ok", f"written and read{room}")


def _data(node: Node, splits: Sequence["Split"]) -> Iterator[Finding]:
    from imgcls.doctor.data import described

    mend = "mount the same folder at the same path there, or set data.root to one that every node has"
    for wrong in node.facts.data:
        yield Finding("data", node.name, "error", wrong, mend)
    if splits and not node.facts.data:
        yield Finding("data", node.name, "ok", described(splits))


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f}"
