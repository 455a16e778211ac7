"""The short form on this machine, before a launch starts Ray here: takes milliseconds, and stops nothing."""

from pathlib import Path

from imgcls.doctor import machine
from imgcls.doctor.facts import Facts
from imgcls.doctor.findings import said
from imgcls.doctor.judge import SHM, Node, judged_machine
from imgcls.doctor.names import Names, Token


def notes(workers: int, folder: Path) -> list[str]:
    """Return what may go wrong with a run on this machine, a text each, with what mends it.

    Args:
        workers: of the run, at least; 0: it does without Ray.
        folder: that the run is written to.
    """
    facts = Facts(
        executable="",
        versions={},
        dali_builds=[],
        code={},
        memory=machine.memory(),
        shm=machine.shared_memory(),
        open_files=machine.open_files(),
        gpus=[],
        gpu_complaint="",
        storage={"error": "", "free": machine.disk(folder).get("free", -1)},
        data=[],
        names=Names("", ""),
        token=Token(on=False),
    )
    found = judged_machine(Node("here", facts, workers, own=True))
    return said([finding for finding in found if workers or finding.check != SHM], "warning")
