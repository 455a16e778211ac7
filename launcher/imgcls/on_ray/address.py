"""A look at a cluster's address before Ray connects to it, which would wait for minutes where nothing answers."""

import os
import socket

from imgcls.errors import UserError

_PATIENCE = 4.0  # seconds for a connection, and for its first answer
# what opens a connection of HTTP/2, which gRPC speaks (RFC 9113, section 3.4), with empty settings
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_HEADER = 9  # bytes of a frame's header; the fourth is its type, and 4 is the type of settings
_SETTINGS = 4


def reachable(address: str) -> str:
    """Return HOST:PORT of a cluster's head, at which something answers as Ray would.

    Args:
        address: ``HOST:PORT``, or ``auto`` for the cluster that this machine is a node of.

    Raises:
        UserError: it is no address, nothing answers there, or something else than Ray.
    """
    found = _of_this_machine() if address == "auto" else address
    host, port = _parts(found)
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE) as connection:
            answer = _answer(connection)
    except (OSError, UnicodeError) as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else getattr(error, "strerror", None)
        raise UserError(
            f"--address {found}: nothing can be reached there ({reason or error}); is Ray's head running, and is "
            "this its port (ray start prints it, 6379 if none was given)?"
        ) from None
    # with TLS the greeting would have to be encrypted
    if os.environ.get("RAY_USE_TLS", "0") == "0" and not _speaks_http2(answer):
        raise UserError(
            f"--address {found}: something answers there, but it is not Ray's control store; give the port of "
            "`ray start --head --port`, 6379 if none was given, not the dashboard's or Ray Client's"
        )
    return found


def _of_this_machine() -> str:
    from ray._private.services import get_ray_address_from_environment

    try:
        return str(get_ray_address_from_environment("auto", None))
    except ConnectionError:
        raise UserError(
            "--address auto: no Ray runs on this machine; start it with `ray start`, or give HOST:PORT of the head"
        ) from None


def _parts(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise UserError(
            f"--address {address}: expected HOST:PORT of the cluster's head, such as 10.0.0.1:6379, or auto"
        )
    return host.strip("[]"), int(port)


def _answer(connection: socket.socket) -> bytes:
    """Return what comes first; nothing where the other end closes the connection, or stays silent."""
    try:
        connection.sendall(_GREETING)
        answer = b""
        while len(answer) < _HEADER and (more := connection.recv(_HEADER - len(answer))):
            answer += more
    except OSError:
        return b""
    return answer


def _speaks_http2(answer: bytes) -> bool:
    return len(answer) == _HEADER and answer[3] == _SETTINGS
