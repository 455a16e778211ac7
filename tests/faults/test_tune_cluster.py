"""`imgcls tune` with several workers a trial, on clusters with room for hardly one trial."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faults import gated
from tests.faults.processes import Ended, Launch, _link, _pids, _read, _running, assert_same_end, imgcls
from tests.faults.ray_nodes import Cluster, cluster
from tests.faults.recipes import STEPS, small_steps

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # starts of Ray and of workers, on a busy machine too

_LIMIT = 900.0
_GONE = 10.0  # seconds in which a cluster is as it was
_SOON = 5.0  # seconds in which a trial that has ended is gone
_STAYS = 5.0  # seconds in which something that is late would come
_KILLED = STEPS + 40  # in the middle of the second epoch
_TUNE = """
[tune]
scheduler = "{scheduler}"
search = "random"
holdout = 0.25
perturb_every = 1000

[tune.space]
"optimizer.lr" = {{ log_uniform = [0.01, 0.1] }}
"""


class _Strangers:
    """Others on a cluster, and what they see."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self._process = process
        self.busy = folder / "busy"

    def census(self, since: float = 0.0) -> list[dict]:
        assert self._process.poll() is None, "the strangers have died"
        file = self.folder / "census.jsonl"
        lines = file.read_text().split("\n")[:-1] if file.exists() else []
        return [found for found in map(json.loads, lines) if found["time"] >= since]

    def see_it_empty(self, cpus: int) -> float:
        """Wait until nothing of anybody else is on the cluster, and nothing comes; return the seconds it took."""
        self.busy.unlink(missing_ok=True)
        began = time.time()
        while time.time() < began + _LIMIT:
            empty = 0.0
            for found in self.census(began):
                if found["groups"] or found["actors"] or found["free"] != cpus:
                    empty = 0.0
                else:
                    empty = empty or found["time"]
                    if found["time"] - empty > _STAYS:
                        return empty - began
            time.sleep(0.05)
        raise AssertionError(self.census(began)[-1])


@contextmanager
def _strangers(address: str, folder: Path) -> Iterator[_Strangers]:
    folder.mkdir()
    script = Path(__file__).with_name("strangers.py")
    process = subprocess.Popen([sys.executable, str(script), address, str(folder)])
    try:
        found = _Strangers(folder, process)
        while not found.census():
            time.sleep(0.05)
        yield found
        (folder / "end").touch()
        assert process.wait(_LIMIT) == 0
    finally:
        process.kill()
        process.wait()


def _recipe(folder: Path, scheduler: str, more: str = "") -> None:
    small_steps(folder, more=more + _TUNE.format(scheduler=scheduler))


def _tune(folder: Path, trials: int, *arguments: object) -> Launch:
    given = ["--trials", trials, "--workers-per-trial", 2, "--name", "search", "--plain", *arguments]
    return Launch(["tune", "small_steps.toml", *given], folder, name="search", path=folder / "plugin")


def _ended(launch: Launch) -> Ended:
    ended = launch.ended(_LIMIT)
    launch.nothing_left(within=15)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    return ended


def _assert_finished(search: Path, trials: int) -> None:
    ends = [json.loads(path.read_text()) for path in sorted(search.glob("trials/*/end.json"))]
    assert [end["state"] for end in ends] == ["finished"] * trials, ends


def test_a_full_cluster_with_others_coming_and_going_and_a_kill_of_the_search(monkeypatch, tmp_path):
    # population based training asks for all trials at once: two, where one has room
    _recipe(tmp_path, "pbt")
    (tmp_path / "plugin").mkdir()
    with (
        cluster(monkeypatch.setenv, nodes=1, path=tmp_path / "plugin", cpus=2) as nodes,
        _strangers(nodes.address, tmp_path / "strangers") as strangers,
    ):
        refused = imgcls(*_arguments(nodes, 3), "--name", "refused", cwd=tmp_path)
        assert refused.code == 2, refused
        assert "a trial of 3 workers of 1 CPU each never fits: the cluster has 2 CPUs, room for 2" in refused.err
        strangers.see_it_empty(2)

        strangers.busy.touch()
        with _tune(tmp_path, 2, "--address", nodes.address) as launch:
            written = "trials/*/run-1/checkpoints/step-*"
            launch.wait_for("a checkpoint", lambda: any(launch.folder.glob(written)), _LIMIT)
            _assert_settings_came_along(tmp_path)
            launch.kill()
            seconds = strangers.see_it_empty(2)
            print(f"the cluster is empty {seconds:.1f} s after the search was killed")
            assert seconds < _GONE
            launch.nothing_left(within=_GONE)

        strangers.busy.touch()
        began = time.time()
        with _tune(tmp_path, 2, "--address", nodes.address) as launch:
            _ended(launch)
        print(f"two trials of two workers took {time.time() - began:.1f} s beside others")
        seconds = strangers.see_it_empty(2)
        print(f"the cluster is empty {seconds:.1f} s after the search's end")
        assert seconds < _GONE
        census = strangers.census(began)
        assert max(found["waiting"] for found in census) >= 1, "trials did wait for room"
        halves = [group for found in census for group in found["groups"] if group[0] == 2 and group[1] == 1]
        assert not halves, "a trial's workers are placed all at once"
        _assert_finished(launch.folder, 2)
        _assert_nothing_stayed(census, launch.folder)


def _assert_nothing_stayed(census: list[dict], search: Path) -> None:
    """While the second of two trials runs, nothing is left of the first: of Ray Tune's and of Ray Train's."""
    first, second = sorted(path.stat().st_mtime for path in search.glob("trials/*/end.json"))
    between = [found for found in census if first + _SOON < found["time"] < second]
    assert between
    for found in between:
        sizes = [bundles for bundles, _ in found["groups"]]
        assert sizes.count(1) <= 1, found
        assert sizes.count(2) <= 1, found
        assert found["actors"].count("TrainController") <= 1, found
        assert found["actors"].count("RayTrainWorker") <= 2, found


def _assert_settings_came_along(cwd: Path) -> None:
    """The trials' processes, which a node has started elsewhere, are where the command is, with its settings."""
    trials = [pid for pid in _pids() if _link(pid, "cwd") == str(cwd) and _read(pid, "cmdline")[:5] == b"ray::"]
    assert trials
    for pid in trials:
        assert b"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S=0.2" in _read(pid, "environ")


def _arguments(nodes: Cluster, workers: int) -> list[object]:
    return ["tune", "small_steps.toml", "--address", nodes.address, "--workers-per-trial", workers]


def test_more_trials_at_a_time_than_fit_do_not_wait_for_each_other(tmp_path):
    _recipe(tmp_path, "none")
    half = len(os.sched_getaffinity(0)) / 2  # two workers fill the machine
    asked = [
        "--max-concurrent",
        3,
        "--cpus-per-worker",
        half,
        "--set",
        "train.epochs=1",
        "--set",
        "schedule.warmup_epochs=0",
    ]
    with _tune(tmp_path, 2, *asked) as launch:
        ended = _ended(launch)
    assert f"1 at a time: a trial has 2 workers of {half:g} CPU" in ended.out
    _assert_finished(launch.folder, 2)


def test_a_trial_whose_node_dies_goes_on_elsewhere_and_ends_as_if_nothing_had_happened(monkeypatch, tmp_path):
    _recipe(tmp_path, "none", more='callback = ["gated:gated"]')
    path = gated.install(tmp_path / "plugin")
    with (
        cluster(monkeypatch.setenv, nodes=2, path=path, cpus=2) as nodes,
        _tune(tmp_path, 2, "--address", nodes.address, "--cpus-per-worker", 1) as launch,
    ):
        run = launch.folder / "trials/0001/run-1"
        gate = gated.gate(run, 2, _KILLED)
        seen = [run / "seen" / f"{_KILLED - 1}-{rank}.json" for rank in range(2)]
        launch.wait_for("the gate", lambda: all(file.exists() for file in seen), _LIMIT)
        killed = next(node for node in nodes.nodes if set(node._alive()) & set(_at(run)))
        killed.kill_raylet()
        gate.unlink()
        _ended(launch)
        _assert_finished(launch.folder, 2)
    undisturbed = imgcls("launch", run / "recipe.toml", "--workers", 2, "--name", "same", cwd=tmp_path, path=path)
    assert undisturbed.code == 0, undisturbed
    assert_same_end(run, tmp_path / "runs/same")


def _at(run: Path) -> list[int]:
    """The processes of a run's workers."""
    logs = {str((run / "logs" / f"worker-{rank}.log").resolve()) for rank in range(2)}
    return [pid for pid in _pids() if _link(pid, "fd/1") in logs and _running(pid)]
