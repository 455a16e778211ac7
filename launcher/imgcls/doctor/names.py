"""How a host is known to others: its name, its interfaces, the variables that pick one, who may know the token."""

import os
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path

from imgcls.network import interfaces

_READERS = (("group", stat.S_IRGRP, stat.S_IXGRP), ("others", stat.S_IROTH, stat.S_IXOTH))
_PICKS = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


@dataclass(frozen=True)
class Names:
    """How a host is known.

    Attributes:
        hostname: of the host.
        resolves: the address that the host's own name has here; empty: none.
        interfaces: name -> IPv4 address.
        picked: the variables that pick an interface for gloo and NCCL, and are set.
    """

    hostname: str
    resolves: str
    interfaces: dict[str, str] = field(default_factory=dict)
    picked: dict[str, str] = field(default_factory=dict)


def names() -> Names:
    """Return how this host is known."""
    hostname = socket.gethostname()
    try:
        resolves = socket.gethostbyname(hostname)
    except OSError:
        resolves = ""
    picked = {name: os.environ[name] for name in _PICKS if os.environ.get(name)}
    return Names(hostname, resolves, interfaces(), picked)


@dataclass(frozen=True)
class Token:
    """How a process proves to a cluster that it may join; never the token itself.

    Attributes:
        on: whether Ray is told to use one.
        source: where it comes from: "RAY_AUTH_TOKEN", or a file's name; empty: there is none.
        open_to: who else may read the file: "group", "others", "group and others"; empty: nobody.
    """

    on: bool
    source: str = ""
    open_to: str = ""


def token() -> Token:
    """Return how this process would prove itself."""
    on = os.environ.get("RAY_AUTH_MODE", "").lower() == "token"
    if os.environ.get("RAY_AUTH_TOKEN"):
        return Token(on, "RAY_AUTH_TOKEN")
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    try:
        mode = path.stat().st_mode
    except OSError:
        return Token(on)
    readers = [name for name, *bits in _READERS if mode & bits[0] and _leads_there(path, bits[1])]
    return Token(on, str(path), " and ".join(readers))


def _leads_there(path: Path, bit: int) -> bool:
    """Whether every folder above a file lets them through."""
    return all(parent.stat().st_mode & bit for parent in path.absolute().parents)
