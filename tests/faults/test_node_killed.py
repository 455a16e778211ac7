"""P2 and P3 on a cluster: a node that dies takes nothing with it."""

import time

import pytest
from tests.faults import gated
from tests.faults.processes import Launch, assert_same_end, result
from tests.faults.ray_nodes import Cluster, cluster
from tests.faults.recipes import EPOCHS, STEPS, small_steps

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # starts of Ray and of workers, on a busy machine too

_SAMPLES = 1438
_KILLED = STEPS + 40  # in the middle of the second epoch


@pytest.fixture
def nodes(monkeypatch, tmp_path):
    """A cluster of two nodes of one CPU, and the recipe in the test's folder."""
    small_steps(tmp_path, more='callback = ["gated:gated"]')
    with cluster(monkeypatch.setenv, nodes=2, path=gated.install(tmp_path / "plugin")) as found:
        yield found


def _launch(nodes: Cluster, folder, workers: str, name: str) -> Launch:
    arguments = ["launch", "small_steps.toml", "--workers", workers, "--address", nodes.address, "--name", name]
    return Launch(arguments, folder, name=name, path=folder / "plugin")


def test_a_node_that_dies_is_replaced_and_the_weights_are_those_of_an_undisturbed_run(nodes, tmp_path, two):
    with _launch(nodes, tmp_path, "2", "killed") as launch:
        gate = gated.gate(launch.folder, 2, _KILLED)
        gated.waits_at(launch, 2, _KILLED)
        nodes.nodes[1].kill_raylet()
        killed = time.monotonic()
        gate.unlink()
        nodes.add()
        launch.wait_for("the second beginning", lambda: len(launch.events("run")) == 2)
        print(f"trains again {time.monotonic() - killed:.1f} s after the raylet's end")
        ended = launch.ended()
        launch.nothing_left(within=15)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert "died; starting again from the last checkpoint" in ended.out, ended
    begins = launch.events("run")
    assert [event["workers"] for event in begins] == [2, 2]
    assert begins[1]["step"] % STEPS, "it went on in mid-epoch"
    gated.assert_each_sample_once(launch.folder, STEPS, EPOCHS, _SAMPLES)
    assert_same_end(two / "runs/undisturbed", launch.folder)


def test_with_a_range_one_worker_goes_on_alone_and_two_do_when_a_node_comes(nodes, tmp_path):
    with _launch(nodes, tmp_path, "1..2", "elastic") as launch:
        both, alone = gated.gate(launch.folder, 2, _KILLED), gated.gate(launch.folder, 1, _KILLED + 40)
        gated.waits_at(launch, 2, _KILLED)
        nodes.nodes[1].kill_raylet()
        killed = time.monotonic()
        # the gate stays shut: a worker outlives its raylet by about a second, time for many steps
        launch.wait_for("one worker alone", lambda: len(launch.events("run")) == 2)
        both.unlink()
        print(f"one worker trains {time.monotonic() - killed:.1f} s after the raylet's end")
        gated.waits_at(launch, 1, _KILLED + 40)
        nodes.add()
        added = time.monotonic()
        # before workers are ended for others, they are asked for a checkpoint, which they do not write at a gate
        launch.wait_for("the request for a checkpoint", (launch.folder / "save").exists)
        gated.looked(launch, 2)
        alone = gated.go_on_until(launch, alone, lambda: launch.events("warning"))
        launch.wait_for("two workers again", lambda: len(launch.events("run")) == 3)
        print(f"two workers train {time.monotonic() - added:.1f} s after the node has come")
        alone.unlink()
        ended = launch.ended()
        launch.nothing_left(within=15)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert [event["workers"] for event in launch.events("run")] == [2, 1, 2]
    assert "1 worker from here on, 2 before; the global batch stays" in ended.out, ended
    assert "2 workers from here on, 1 before; the global batch stays" in ended.out, ended
    gated.assert_each_sample_once(launch.folder, STEPS, EPOCHS, _SAMPLES)
    # eight samples in one pass of four on each of two workers, and in two such passes on one
    assert {(world, passes) for world, _, passes in gated.steps(launch.folder, STEPS * EPOCHS)} == {(2, 1), (1, 2)}
    assert result(launch.folder)["top1"] > 85
