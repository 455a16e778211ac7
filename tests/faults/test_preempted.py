"""A node that Ray says it will take away, and one that comes: a checkpoint before workers are ended for it."""

import json
from pathlib import Path

import pytest
from tests.faults import gated
from tests.faults.processes import Launch, assert_same_end, imgcls, result
from tests.faults.ray_nodes import Cluster, cluster
from tests.faults.recipes import EPOCHS, STEPS, small_steps

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # starts of Ray and of workers, on a busy machine too

_SAMPLES = 1438
_TOLD = STEPS + 40  # in the middle of the second epoch, where no checkpoint is due
_LOOKS = 4  # of the watch, until Ray's word is most likely there; few steps are left to wait for it in
_NEVER = 3600  # seconds; the test has ended before


@pytest.fixture
def nodes(monkeypatch, tmp_path):
    """A cluster of two nodes of one CPU, and the recipe in the test's folder."""
    small_steps(tmp_path, more='callback = ["gated:gated"]')
    with cluster(monkeypatch.setenv, nodes=2, path=gated.install(tmp_path / "plugin")) as found:
        yield found


def _launch(nodes: Cluster, folder: Path, workers: str, name: str) -> Launch:
    """Start a run whose only checkpoints are those at the end of an epoch, and those that are asked for."""
    where = ["--workers", workers, "--address", nodes.address, "--name", name]
    arguments = ["launch", "small_steps.toml", *where, "--set", "checkpoint.every_steps=10000"]
    return Launch(arguments, folder, name=name, path=folder / "plugin")


def _told(launch: Launch, text: str) -> bool:
    return any(text in event["text"] for event in launch.events("warning"))


def _saved_at(launch: Launch, gate: Path) -> int:
    """Return the step of the checkpoint that was asked for: the last one that was made before the gate's."""
    step = int(gate.name.split("-")[2]) - 1
    latest = launch.folder / "checkpoints/latest"
    launch.wait_for(f"the checkpoint of step {step}", lambda: latest.read_text() == f"step-{step:08d}")
    return step


def test_a_range_loses_one_step_when_a_node_is_taken_away_with_notice_and_one_when_a_node_comes(nodes, tmp_path):
    with _launch(nodes, tmp_path, "1..2", "elastic") as launch:
        gate = gated.gate(launch.folder, 2, _TOLD)
        gated.waits_at(launch, 2, _TOLD)
        nodes.drain(nodes.nodes[1], _NEVER)
        gated.looked(launch, _LOOKS)
        gate = gated.go_on_until(launch, gate, lambda: _told(launch, "Ray will take node"))
        first = _saved_at(launch, gate)
        alone = gated.gate(launch.folder, 1, first + 5)
        nodes.nodes[1].end()
        gate.unlink()
        gated.waits_at(launch, 1, first + 5)
        nodes.add()
        launch.wait_for("the request for a checkpoint", (launch.folder / "save").exists)
        gated.looked(launch, 2)
        alone = gated.go_on_until(launch, alone, lambda: _told(launch, "there is room for 2 workers"))
        second = _saved_at(launch, alone)
        launch.wait_for("two workers again", lambda: len(launch.events("run")) == 3)
        alone.unlink()
        ended = launch.ended()
        launch.nothing_left(within=15)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert [(run["workers"], run["step"]) for run in launch.events("run")] == [(2, 0), (1, first), (2, second)]
    assert len(launch.events("failure")) == 1, ended
    assert not (launch.folder / "save").exists()
    gated.assert_each_sample_once(launch.folder, STEPS, EPOCHS, _SAMPLES)
    assert result(launch.folder)["top1"] > 85
    again = imgcls("rerun", "runs/elastic", cwd=tmp_path, path=tmp_path / "plugin")
    assert again.code == 2, again
    assert f"\n    while it ran, workers: 1 from step {first} on, 2 before\n" in again.err, again
    assert f"\n    while it ran, workers: 2 from step {second} on, 1 before\n" in again.err, again


def test_a_fixed_number_of_workers_is_ended_when_the_time_has_come_and_goes_on_from_the_checkpoint_of_the_notice(
    nodes, tmp_path, two
):
    with _launch(nodes, tmp_path, "2", "fixed") as launch:
        gate = gated.gate(launch.folder, 2, _TOLD)
        gated.waits_at(launch, 2, _TOLD)
        nodes.drain(nodes.nodes[1], 20)
        gated.looked(launch, _LOOKS)
        gate = gated.go_on_until(launch, gate, lambda: _told(launch, "Ray will take node"))
        saved = _saved_at(launch, gate)
        launch.wait_for("the end of the workers", lambda: launch.events("failure"))
        nodes.nodes[1].end()
        nodes.add()
        launch.wait_for("two workers again", lambda: len(launch.events("run")) == 2)
        gate.unlink()
        ended = launch.ended()
        launch.nothing_left(within=15)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert [(run["workers"], run["step"]) for run in launch.events("run")] == [(2, 0), (2, saved)]
    assert "away; starting again from the last checkpoint" in ended.out, ended
    counts = (launch.folder / "workers.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in counts] == [{"step": 0, "workers": 2}]
    assert_same_end(two / "runs/undisturbed", launch.folder)
