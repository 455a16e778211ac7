from imgcls.on_ray.resources import Node
from imgcls.on_ray.room import Room
from imgcls.recipe.schema import Workers


class _Wait:
    def __init__(self, workers: Workers, nodes: list[Node]) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self.room = Room(workers, 1.0, lambda: nodes, lambda e: self.told.append(e["text"]), lambda: self.now)

    def pass_by(self, seconds: float) -> list[str]:
        self.now += seconds
        self.room.look()
        return self.told


def test_workers_that_begin_in_time_are_not_spoken_of():
    wait = _Wait(Workers(count=2), [Node(1)])
    assert wait.pass_by(29) == []
    wait.room.heard({"kind": "phase", "name": "worker started"})
    assert wait.pass_by(1000) == []


def test_after_a_failure_workers_without_room_are_told_of_once():
    wait = _Wait(Workers(count=2), [Node(1), Node(0)])
    wait.room.heard({"kind": "run"})
    assert wait.pass_by(1000) == []
    wait.room.heard({"kind": "failure"})
    assert wait.pass_by(29) == []
    told = ["waiting for room for 2 workers of 1 CPU each: 1 fit on the nodes that are alive"]
    assert wait.pass_by(2) == told
    assert wait.pass_by(1000) == told


def test_room_that_is_there_but_not_given_is_in_use_by_others():
    wait = _Wait(Workers(count=4, least=1), [Node(1)])
    assert wait.pass_by(31) == ["waiting for room for 1 worker of 1 CPU: others may be using it"]
