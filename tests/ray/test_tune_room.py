"""What a trial of several workers holds on a full machine, and that nothing of it is left when it is ended."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from ray._private.authentication_test_utils import reset_auth_token_state
from tests.faults.processes import _link, _pids, _running
from tests.faults.ray_nodes import cluster as nodes_of

from imgcls.on_ray import cluster
from imgcls.on_ray.engines import OnWorkers, locked
from imgcls.on_ray.orphans import groups, remove_orphans
from imgcls.on_ray.presence import is_anyone_present
from imgcls.plugins import installed
from imgcls.recipe import read
from imgcls.recipe.schema import Workers
from imgcls.run_folder import RunFolder
from imgcls.tuning.runs import begin, plan_of

pytestmark = pytest.mark.timeout(900)  # starts of Ray and of workers, on a busy machine too

_RECIPE = """
extends = "digits_lenet.toml"
workers = { count = 2, cpus = %s }
train = { epochs = 2000, batch_size = 64 }
"""
_GONE = 5.0  # seconds in which all of a trial is gone
_LIMIT = 300.0


@pytest.fixture(scope="module", params=[False, True], ids=["no dashboard", "dashboard"])
def place(request, tmp_path_factory):
    """Ray on this machine, as a search starts it or finds it, and a folder with a recipe."""
    folder = tmp_path_factory.mktemp("place")
    shipped = Path(__file__).parents[2] / "recipes/digits_lenet.toml"
    (folder / "digits_lenet.toml").write_text(shipped.read_text())
    (folder / "long.toml").write_text(_RECIPE % _cpus())
    # what it sets for Ray is not for the clusters of tests that come later
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef"}
    with patch.dict(os.environ, token):
        # a process keeps the first token that it was given, and a test before may have given it another
        reset_auth_token_state()
        with _ray(RunFolder(folder / "search"), folder, dashboard=request.param):
            yield folder


@contextmanager
def _ray(search: RunFolder, path: Path, dashboard: bool) -> Iterator[None]:
    if not dashboard:
        with cluster.own(search, Workers(count=2)):
            yield
        return
    pytest.importorskip("aiohttp_cors", reason="the dashboard needs ray[default]")
    cpus = len(os.sched_getaffinity(0))
    with (
        nodes_of(os.environ.setdefault, nodes=1, path=path, cpus=cpus, dashboard=True) as nodes,
        cluster.joined(search, Workers(count=2), nodes.address),
    ):
        yield


def _cpus() -> float:
    """Of a worker: two fill the machine."""
    return len(os.sched_getaffinity(0)) / 2


class _Trial:
    """A run without end on two workers, as a trial's process carries it out."""

    def __init__(self, place: Path, name: str) -> None:
        recipe = read(place / "long.toml", installed())
        self.plan = plan_of(recipe, name, place / ".index")
        self.folder = RunFolder(place / name)
        begin(self.folder, recipe, self.plan)
        self.engine = OnWorkers(_cpus())

    def begin(self) -> None:
        self.engine.begin(self.plan, self.folder)

    @property
    def workers(self) -> list[int]:
        logs = {str((self.folder.logs / f"worker-{rank}.log").resolve()) for rank in range(2)}
        return [pid for pid in _pids() if _link(pid, "fd/1") in logs and _running(pid)]


def _until(what, condition, limit=_LIMIT):
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come in {limit:.0f} s"
        time.sleep(0.02)
    return value


def _actors() -> list[str]:
    import ray

    table = ray._private.state.actors()
    return [
        each["ActorClassName"] for each in table.values() if each["State"] not in ("DEAD", "DEPENDENCIES_UNREADY")
    ]


def _alive_of_train() -> list[str]:
    return [name for name in _actors() if name in ("TrainController", "RayTrainWorker", "SynchronizationActor")]


def test_a_trial_that_is_ended_in_mid_run_leaves_no_group_no_actor_and_no_process(place):
    trial = _Trial(place, "ended")
    trial.begin()
    assert trial.engine.next()["kind"] == "evaluation"
    assert len(trial.workers) == 2
    assert len(list(groups())) == 1
    assert is_anyone_present(trial.folder.path)
    trial.engine.end()
    _until("the end of all", lambda: not (trial.workers or list(groups()) or _alive_of_train()), _GONE)
    assert not is_anyone_present(trial.folder.path)
    with trial.folder.locked():
        pass


def test_a_trial_that_waits_for_room_is_ended_at_once_and_takes_no_room_later(place):
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group

    others = placement_group([{"CPU": 2 * _cpus()}])
    ray.get(others.ready())
    trial = _Trial(place, "waited")
    trial.begin()
    _until("the wait for room", lambda: len(list(groups())) == 2)
    began = time.monotonic()
    trial.engine.end()
    assert time.monotonic() - began < _GONE
    assert len(list(groups())) == 1
    remove_placement_group(others)
    _until("the free CPUs", lambda: ray.available_resources().get("CPU") == 2 * _cpus())
    assert not list(groups())
    assert not trial.workers


def test_what_a_killed_trial_held_is_free_again_and_another_process_goes_on_once_its_workers_are_gone(place):
    import ray

    @ray.remote(num_cpus=0)
    class Process:
        def begin(self) -> int:
            self.trial = _Trial(place, "killed")
            self.trial.begin()
            self.trial.engine.next()
            return os.getpid()

    trial = _Trial(place, "killed")
    process = Process.remote()
    ray.get(process.begin.remote())
    assert len(trial.workers) == 2
    assert [each.creator_actor_dead for each in groups()] == [False]
    assert remove_orphans() == 0, "what is alive is no orphan"
    ray.kill(process)
    with locked(trial.folder):
        assert not trial.workers
    _until("the orphan's end", lambda: not (remove_orphans() or list(groups())), _GONE)
    _until("the free CPUs", lambda: ray.available_resources().get("CPU") == 2 * _cpus())
