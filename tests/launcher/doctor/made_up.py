"""Facts of machines that are not there, to be judged."""

from dataclasses import replace
from typing import Any

from imgcls.doctor.facts import Facts
from imgcls.doctor.names import Names, Token

GIB = 1 << 30


def facts(**changed: Any) -> Facts:
    """A machine on which all is well, but for what is given."""
    whole = Facts(
        executable="/venv/bin/python",
        versions={"python": "3.11.7", "imgcls": "0.1.0", "torch": "2.13.0", "ray": "2.60.0", "DALI": "2.4.0"},
        dali_builds=["nvidia-dali-cuda130"],
        code={"imgcls": "a" * 64},
        memory={"free": 8 * GIB, "total": 16 * GIB},
        shm={"free": 8 * GIB, "total": 8 * GIB},
        open_files={"soft": 65536, "hard": 65536},
        gpus=[],
        gpu_complaint="",
        storage={"error": "", "free": 100 * GIB},
        data=[],
        names=Names("n1", "10.0.0.1", {"lo": "127.0.0.1", "eth0": "10.0.0.1"}),
        token=Token(on=True, source="RAY_AUTH_TOKEN"),
    )
    return replace(whole, **changed)


def gpu(**changed: Any) -> dict[str, Any]:
    """A GPU that nobody uses, but for what is given."""
    return {"name": "H100", "driver": "580.65.06", "total": 80 * GIB, "free": 79 * GIB, **changed}
