"""An address at which no Ray answers is said so in a moment."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from imgcls.errors import UserError
from imgcls.on_ray import address
from imgcls.on_ray.address import reachable

_SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # of HTTP/2, empty


@contextmanager
def _server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join(10)


def _settings(connection: socket.socket) -> None:
    assert connection.recv(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for byte in _SETTINGS:  # in as many pieces as can be
        connection.sendall(bytes([byte]))
    connection.recv(100)


def test_where_http2_is_spoken_ray_may_be_asked():
    with _server(_settings) as where:
        assert reachable(where) == where


def test_an_address_without_an_answer_is_named_at_once():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{unused.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(
            UserError, match=rf"^--address {where}: nothing can be reached there \(Connection refused\)"
        ):
            reachable(where)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("first", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_what_is_not_ray_is_not_taken_for_it(first):
    def answer(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(first)

    with _server(answer) as where, pytest.raises(UserError, match="something answers there, but it is not Ray"):
        reachable(where)


def test_what_stays_silent_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(address, "_PATIENCE", 0.3)
    gone = threading.Event()
    with _server(lambda _connection: gone.wait(10)) as where:
        with pytest.raises(UserError, match="something answers there, but it is not Ray"):
            reachable(where)
        gone.set()


@pytest.mark.parametrize(
    "wrong", ["", "host", "host:", ":6379", "host:port", "ray://host:10001", "host:70000", "h:²"]
)
def test_what_is_no_address_is_said_to_be_none(wrong):
    with pytest.raises(UserError, match="expected HOST:PORT of the cluster.s head"):
        reachable(wrong)
