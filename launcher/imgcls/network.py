"""Which network interface has an address: gloo and NCCL must be told where a host has several."""

import fcntl
import socket
import struct

_SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface (netdevice(7))


def interface_of(address: str) -> str | None:
    """Return the name of this host's interface that has an IPv4 address, such as ``eth0``; None: none has it."""
    return next((name for name, its in interfaces().items() if its == address), None)


def interfaces() -> dict[str, str]:
    """Return the IPv4 address of each interface that is up and has one: name -> address."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
            except OSError:
                continue  # it has none
            found[name] = socket.inet_ntoa(answer[20:24])
    return found
