"""Which nodes answer, by connections to real sockets and a clock of the test's own."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from imgcls.on_ray.reach import Address, Reach, answering


@contextmanager
def _listening() -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@contextmanager
def _full() -> Iterator[Address]:
    """An address that takes no connection and refuses none: its queue is full, as if packets were lost."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as opened:
        for _ in range(4):
            attempt = opened.enter_context(socket.socket())
            attempt.setblocking(False)
            attempt.connect_ex(server.getsockname())
        yield server.getsockname()


def test_what_listens_answers_and_what_refuses_or_is_silent_does_not():
    with socket.create_server(("127.0.0.1", 0)) as ended:
        refusing = ended.getsockname()
    with _listening() as here, _full() as silent:
        assert answering({"a": here, "b": refusing, "c": silent, "d": here}, 0.5) == {"a", "d"}
    assert answering({}, 0.5) == set()


def test_a_node_is_silent_for_as_long_as_it_has_not_answered_and_relied_on_again_after_a_minute():
    now, nodes = [100.0], {}
    reach = Reach(lambda: nodes, lambda: now[0])
    with _listening() as here:
        nodes |= {"near": here, "far": here}
        reach.look()
        assert reach.unreliable() == set()
    with _listening() as here:
        nodes["near"] = here
        for now[0] in (102.0, 105.0, 113.0):
            reach.look()
        assert reach.silent(11.0) == {"far"}
        assert reach.silent(11.5) == set()
        nodes["far"] = here
        reach.look()
        assert reach.silent(0.0) == set()
        assert reach.unreliable() == {"far"}, "it has only just come back"
        now[0] += 61.0
        assert reach.unreliable() == set()


def test_a_single_answer_that_is_missing_is_soon_forgotten():
    now, nodes = [100.0], {}
    reach = Reach(lambda: nodes, lambda: now[0])
    with _listening() as here:
        pass
    nodes["far"] = here
    reach.look()
    assert reach.unreliable() == {"far"}
    with _listening() as here:
        nodes["far"] = here
        now[0] += 2.0
        reach.look()
    assert reach.unreliable() == set()


def test_a_node_that_is_no_longer_there_is_not_asked():
    nodes = {"far": ("127.0.0.1", 1)}
    reach = Reach(lambda: nodes)
    reach.look()
    assert reach.silent(0.0) == {"far"}
    nodes.clear()
    reach.look()
    assert reach.silent(0.0) == set()
