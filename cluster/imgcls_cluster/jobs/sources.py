"""Where the files of a cluster's run are read from: a folder that is seen here, an address, or a job's output."""

import hashlib
import json
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from imgcls.errors import UserError
from imgcls.storage.places import is_address
from imgcls_cluster.jobs import run_files
from imgcls_cluster.jobs.client import HELPER, Jobs
from imgcls_cluster.jobs.follow import event_of, is_rays
from imgcls_cluster.jobs.job import Job
from imgcls_cluster.jobs.shipment import mib, without_ignoring

LIMIT = 64 << 20  # bytes that a job's output carries
_LOOK_EVERY = 0.3  # seconds
_PROGRAM = "imgcls_run_files.py"
_ASKED = "asked.json"


@dataclass(frozen=True)
class Source:
    """The results of a run.

    Attributes:
        where: they are read from, in words.
        folder: where that is a folder here; else None.
        names: of the files.
        read: returns what is in one; raises OSError.
    """

    where: str
    folder: Path | None
    names: list[str]
    read: Callable[[str], bytes]


def source_of(jobs: Jobs, job: Job) -> Source:
    """Return where a run's results can be read.

    Raises:
        UserError: nowhere: they are not there, or too large for a job's output.
    """
    if is_address(job.about.storage):
        return _at_address(job.about.folder)
    folder = Path(job.about.folder)
    token = _leave_token(folder)
    try:
        log = _ask(jobs, job, token)
    finally:
        if token:
            (folder / token).unlink(missing_ok=True)
    return _told(job, log, folder)


def _at_address(address: str) -> Source:
    from imgcls.storage.places import explained
    from imgcls.storage.store import Store

    with explained(address):
        store = Store(address)
        names = run_files.wanted(store.sizes(), store.read)
    if not names:
        raise UserError(f"{address}: there is nothing yet")
    return Source(address, None, names, store.read)


def _leave_token(folder: Path) -> str:
    """Make a file by which the cluster tells whether its folder is this one; empty where there is none here."""
    token = f".fetch-{token_hex(8)}"
    try:
        if not folder.is_dir():
            return ""
        (folder / token).touch()
    except OSError:
        return ""
    return token


def _ask(jobs: Jobs, job: Job, token: str) -> str:
    """Run the program on the head, and return what it printed."""
    without_ignoring()
    with TemporaryDirectory(prefix="imgcls-") as temporary:
        here = Path(temporary)
        (here / _PROGRAM).write_text(Path(run_files.__file__).read_text(encoding="utf-8"), encoding="utf-8")
        asked = {"folder": job.about.folder, "token": token, "limit": LIMIT}
        (here / _ASKED).write_text(json.dumps(asked), encoding="utf-8")
        about = {"imgcls_fetch": job.name}
        # a name that was never used: Ray knows those of jobs that were taken off the list
        unique = f"{HELPER}{job.name}-{token_hex(4)}"
        name = jobs.submit(unique, f"exec python {_PROGRAM}", {"working_dir": temporary}, about)
    while (state := jobs.state(name)) in ("PENDING", "RUNNING"):
        time.sleep(_LOOK_EVERY)
    log = jobs.logs(name)
    jobs.forget(name)
    if state != "SUCCEEDED":
        lines = [line for line in log.splitlines() if line.strip() and not is_rays(line)]
        raise UserError(
            f"{job.about.folder}: the cluster's head could not read it: {lines[-1] if lines else state}"
        )
    return log


def _told(job: Job, log: str, folder: Path) -> Source:
    pieces: dict[str, list[bytes]] = {}
    sums: dict[str, str] = {}
    last = ""
    for event in filter(None, map(event_of, log.split("\n"))):
        last = event["kind"]
        if last == "data":
            pieces.setdefault(event["name"], []).append(b64decode(event["data"]))
        elif last == "file":
            sums[event["name"]] = event["sha256"]
        elif last == "large":
            raise UserError(_too_large(job, event["total"]))
    if last == "missing":
        raise UserError(f"{job.name}: its folder {job.about.folder} is not there on the cluster's head")
    if last == "seen":
        names = run_files.wanted(run_files.below(folder), lambda name: (folder / name).read_bytes())
        return Source(str(folder), folder, names, lambda name: (folder / name).read_bytes())
    files = {name: b"".join(pieces.get(name, [])) for name in sums}
    damaged = [name for name, data in files.items() if hashlib.sha256(data).hexdigest() != sums[name]]
    if last != "end" or damaged:
        raise UserError(f"{job.name}: what the cluster sent is not whole; give the command again")
    return Source(f"the head of {job.name}", None, list(files), files.__getitem__)


def _too_large(job: Job, total: int) -> str:
    return (
        f"{job.name}: its results are {mib(total)}, and a job's output carries {mib(LIMIT)} at most; give this "
        f"command where {job.about.folder} is seen, copy it from the head by other means (scp, rsync), or train "
        "with --storage s3://..., which is read from everywhere"
    )
