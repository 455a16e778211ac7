"""What a submitted job runs first, on the head: sees that all is there, and becomes the launch.

It travels as a file, for the head may have no imgcls, or another one: so it imports the standard library alone at
the top, and nothing of imgcls.
"""

import json
import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_NEEDS_MENDING = 2


def main() -> None:
    """Check, say where we are, and launch."""
    job: dict[str, Any] = json.loads(Path(__file__).with_name("job.json").read_text(encoding="utf-8"))
    missing = [*own_version(job["imgcls"]), *(text for need in job["needs"] for text in lacks(need))]
    if missing:
        where = f"on the cluster's head, {platform.node()} ({sys.executable}):"
        sys.stderr.write("\n    ".join([where, *missing]) + "\nnothing was started\n")
        sys.exit(_NEEDS_MENDING)
    begun = {"kind": "job", "time": time.time(), "host": platform.node(), "python": sys.executable}
    sys.stdout.write(json.dumps(begun) + "\n")
    sys.stdout.flush()
    os.environ["IMGCLS_COMMAND"] = job["command"]
    os.execv(sys.executable, [sys.executable, "-m", "imgcls", "launch", *job["launch"]])  # noqa: S606


def own_version(wanted: str) -> list[str]:
    """Return what is wrong with the imgcls there is; nothing where it is the wanted one."""
    try:
        found = version("imgcls")
    except PackageNotFoundError:
        text = "imgcls is not installed for the first `python` on Ray's PATH; install it on every node"
        return [f"{text} (pip install imgcls=={wanted}), and activate its environment before `ray start`"]
    if found == wanted:
        return []
    advice = f"pip install imgcls=={wanted} on every node, or submit with {found}"
    return [f"imgcls {found} is installed, and the job was submitted by {wanted}; {advice}"]


def lacks(requirement: str) -> list[str]:
    """Return what is wrong with a package that is needed; nothing where it is there."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return []  # it comes with ray, without which there is no imgcls either
    needed = Requirement(requirement)
    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return [f"{needed.name} is not installed, which a plugin of the recipe needs; pip install '{requirement}'"]
    if needed.specifier.contains(found, prereleases=True):
        return []
    return [f"{needed.name} {found} is installed, and the recipe needs {requirement}; pip install '{requirement}'"]


if __name__ == "__main__":
    main()
