import socket

from imgcls.on_ray.silence import Silence


class _Watched:
    """Two nodes, one of which is there all the time, and a clock."""

    def __init__(self, near):
        self.now = 100.0
        self.nodes = {"near": near, "far": near}
        self.told = []
        self.silence = Silence(lambda: self.nodes, lambda event: self.told.append(event["text"]), lambda: self.now)

    def after(self, seconds):
        self.now += seconds
        self.silence.reach.look()
        self.silence.look()
        return self.told


SILENT = "127.0.0.1 has not answered for 10 s; workers there are waited for"


def _refusing():
    with socket.create_server(("127.0.0.1", 0)) as ended:
        return ended.getsockname()


def test_a_node_that_is_silent_is_told_of_once_and_so_is_its_return():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = server.getsockname()
        watched = _Watched(near)
        assert watched.after(0) == []
        watched.nodes["far"] = _refusing()
        assert watched.after(2) == []
        assert watched.after(7) == []
        assert watched.after(4) == [SILENT]
        assert watched.after(60) == [SILENT]
        watched.nodes["far"] = near
        assert watched.after(2) == [SILENT, "127.0.0.1 answers again"]
        watched.nodes["far"] = _refusing()
        watched.after(2)
        assert watched.after(11)[2:] == [SILENT]


def test_a_node_that_ray_has_given_up_does_not_answer_again():
    with socket.create_server(("127.0.0.1", 0)) as server:
        watched = _Watched(server.getsockname())
        watched.nodes["far"] = _refusing()
        watched.after(2)
        assert watched.after(11) == [SILENT]
        del watched.nodes["far"]
        assert watched.after(11) == [SILENT]
