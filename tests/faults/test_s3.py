"""Runs whose storage is an address: killed, cut off from the store, and on hosts that share no disk.

Hosts are nodes of Ray on this machine, each with another folder of copies.
"""

import io
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.faults.processes import Ended, Launch, _link, _pids, _running, assert_same_end, imgcls, metrics, result
from tests.faults.ray_nodes import Cluster, cluster
from tests.faults.recipes import STEPS, small_steps
from tests.faults.s3 import BUCKET, SECRET, STORAGE, Server, serving

from imgcls.storage.places import copy_of
from imgcls.storage.reading import brought_down

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GATED = '[[callback]]\nname = "halting:halting"\n'
_MODULE = """
from imgcls import Component, hookimpl


@hookimpl
def imgcls_callbacks():
    return [Component("halting", "halting_parts:halting")]
"""
_PARTS = """
import os
import time
from pathlib import Path

from imgcls import Callback


class Halting(Callback):
    def step_ended(self, run):
        gate = Path(os.environ["IMGCLS_TEST_GATES"], str(run.state.step))
        while gate.exists():
            gate.with_suffix(f".reached-{run.world.rank}").touch()
            time.sleep(0.02)


def halting(options):
    return Halting()
"""


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    with serving(monkeypatch.setenv, str(tmp_path / "cache")) as server:
        yield server


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plugin whose callback waits at gates, which are no files of the run."""
    folder, gates = tmp_path / "plugin", tmp_path / "gates"
    info = folder / "halting-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[imgcls]\nhalting = halting\n")
    (folder / "halting.py").write_text(_MODULE)
    (folder / "halting_parts.py").write_text(_PARTS)
    gates.mkdir()
    monkeypatch.setenv("IMGCLS_TEST_GATES", str(gates))
    return folder


def gate(step: int) -> Path:
    """Make a gate: workers wait after that step until the file is removed."""
    file = Path(os.environ["IMGCLS_TEST_GATES"], str(step))
    file.touch()
    return file


def waits_at(launch: Launch, file: Path, workers: int = 1) -> None:
    """Wait until so many workers are at a gate."""
    signs = [file.with_suffix(f".reached-{rank}") for rank in range(workers)]
    launch.wait_for(f"step {file.name}", lambda: all(sign.exists() for sign in signs))


def started(recipe: str, name: str, workers: int, cwd: Path, *more: object, path: Path | None = None) -> Launch:
    arguments = ["launch", recipe, "--workers", workers, "--storage", STORAGE, "--name", name, *more]
    launch = Launch(arguments, cwd, path)
    launch.folder = copy_of(f"{STORAGE}/{name}").path
    return launch


def ended(launch: Launch) -> Ended:
    with launch:
        return launch.ended()


def assert_undisturbed(name: str, other: Path) -> None:
    """A run in the store ended as one that nothing happened to: weights, scores, and every line of its metrics."""
    end = brought_down(f"{STORAGE}/{name}")
    assert_same_end(end, other)
    assert metrics(other, "epoch")
    for kind in ("train", "epoch", "evaluation"):
        assert metrics(end, kind) == metrics(other, kind), kind


def worker(copies: list[Path], rank: int) -> int:
    """The process of a worker on one of several hosts: the one whose output goes to its log."""
    logs = {str(log) for copy in copies for log in copy.glob(f"runs/*/*/logs/worker-{rank}.log")}
    found = [pid for pid in _pids() if _link(pid, "fd/1") in logs and _running(pid)]
    assert len(found) == 1, found
    return found[0]


def in_store(server: Server, name: str) -> list[str]:
    return sorted(each.split("/")[0] for each in server.names(f"runs/{name}/checkpoints/") if "manifest" in each)


def test_everything_is_killed_in_mid_epoch_and_another_host_without_a_copy_comes_to_the_same_end(
    two, tmp_path, s3, plugin, monkeypatch
):
    small_steps(tmp_path, more=GATED)
    here = gate(STEPS + 25)
    with started("small_steps.toml", "killed", 2, tmp_path, path=plugin) as launch:
        waits_at(launch, here, 2)
        launch.wait_for("a checkpoint", lambda: f"step-{STEPS + 20:08d}" in in_store(s3, "killed"))
        monkeypatch.setenv("IMGCLS_CACHE", str(tmp_path / "another host"))
        other = ended(started("small_steps.toml", "killed", 0, tmp_path, path=plugin))
        assert other.code == 2, other
        assert f"{STORAGE}/killed is in use by process {launch.process.pid} on" in other.err, other
    here.unlink()
    again = ended(started("small_steps.toml", "killed", 2, tmp_path, path=plugin))
    assert again.code == 0, again
    assert f"continuing after step {STEPS + 20} of {2 * STEPS}" in again.out, again
    assert f"results: {STORAGE}/killed" in again.out, again
    assert_undisturbed("killed", two / "runs/undisturbed")
    scored = imgcls("evaluate", f"{STORAGE}/killed", "--json", "-", cwd=tmp_path)
    assert json.loads(scored.out)["top1"] == result(two / "runs/undisturbed")["best_top1"], scored
    assert "this run is finished" in ended(started("small_steps.toml", "killed", 2, tmp_path, path=plugin)).out
    for name in s3.names(""):
        assert SECRET.encode() not in s3.read(name), name


def test_a_store_that_is_away_for_a_while_holds_up_no_step_and_changes_no_bit(alone, tmp_path, s3, plugin):
    small_steps(tmp_path, more=GATED)
    gates = [gate(step) for step in (60, STEPS + 40)]
    with started("small_steps.toml", "away", 0, tmp_path, path=plugin) as launch:
        waits_at(launch, gates[0])
        launch.wait_for("a checkpoint", lambda: in_store(s3, "away"))
        s3.stop()
        gates[0].unlink()
        waits_at(launch, gates[1])
        launch.wait_for("a warning", lambda: "cannot be written" in launch.out)
        s3.start()
        launch.wait_for("news", lambda: "checkpoints can be written again" in launch.out)
        gates[1].unlink()
        end = launch.ended()
    assert end.code == 0, end
    assert "Could not connect" in end.out, end
    assert_undisturbed("away", alone / "runs/undisturbed")


def test_a_store_that_is_away_at_the_end_is_said_and_the_same_command_takes_up_what_this_host_has(
    alone, tmp_path, s3, plugin
):
    small_steps(tmp_path, more=f"checkpoint.wait_seconds = 3\n{GATED}")
    here = gate(2 * STEPS - 5)
    with started("small_steps.toml", "left", 0, tmp_path, path=plugin) as launch:
        waits_at(launch, here)
        launch.wait_for("a checkpoint", lambda: f"step-{2 * STEPS - 10:08d}" in in_store(s3, "left"))
        s3.stop()
        here.unlink()
        end = launch.ended()
    assert end.code == 1, end
    assert f"{STORAGE}/left: the last checkpoint could not be written within 3 s" in end.err, end
    assert f"step-{2 * STEPS - 10:08d} is kept there" in end.err, end
    assert "Traceback" not in end.err, end
    away = ended(started("small_steps.toml", "left", 0, tmp_path, path=plugin))
    assert away.code == 2, away
    assert f"the storage {STORAGE}/left cannot be used: " in away.err, away
    s3.start()
    assert in_store(s3, "left")[-1] == f"step-{2 * STEPS - 10:08d}"
    again = ended(started("small_steps.toml", "left", 0, tmp_path, path=plugin))
    assert again.code == 0, again
    assert f"continuing after step {2 * STEPS} of {2 * STEPS}" in again.out, again
    assert_undisturbed("left", alone / "runs/undisturbed")


PICTURES = f"""
model = "lenet5"
data = {{ name = "image_folder", root = "s3://{BUCKET}/pictures" }}
optimizer = {{ name = "sgd", lr = 0.02 }}
train = {{ epochs = 500, batch_size = 8 }}
checkpoint.every_steps = 10
"""


def pictures(server: Server) -> None:
    """Four classes of noise of another brightness each."""
    client, numbers = server.client(), np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2)):
        for label in range(4):
            for number in range(count):
                pixels = np.clip(numbers.normal(40 + 50 * label, 30, (32, 32, 3)), 0, 255).astype(np.uint8)
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "PNG")
                name = f"pictures/{split}/class{label}/{number}.png"
                client.put_object(Bucket=BUCKET, Key=name, Body=file.getvalue())


@contextmanager
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: Path) -> Iterator[Cluster]:
    """A cluster of two nodes that have another folder of copies each, and a head with a third one."""
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "120")  # on a busy machine the usual 30 are too few
    with cluster(monkeypatch.setenv, nodes=0, path=plugin) as found:
        here = os.environ["IMGCLS_CACHE"]
        for number in range(2):
            monkeypatch.setenv("IMGCLS_CACHE", str(tmp_path / f"host-{number}"))
            found.add()
        monkeypatch.setenv("IMGCLS_CACHE", here)
        yield found


def test_hosts_that_share_nothing_but_the_store_train_tell_and_hear_of_ctrl_c(tmp_path, s3, monkeypatch, plugin):
    pictures(s3)
    (tmp_path / "pictures.toml").write_text(PICTURES)
    with hosts(tmp_path, monkeypatch, plugin) as found:
        more = ("--address", found.address)
        with started("pictures.toml", "hosts", 2, tmp_path, *more) as launch:
            launch.wait_for("checkpoints", lambda: len(in_store(s3, "hosts")) >= 2 and launch.step >= 20)
            launch.interrupt()
            end = launch.ended()
        assert end.code == 130, end
        assert "with a checkpoint" in end.out, end
        stopped = launch.events("stopped")[0]["step"]
        last = in_store(s3, "hosts")[-1]
        assert last == f"step-{stopped:08d}"
        copies = [tmp_path / f"host-{number}" for number in range(2)]
        for copy in copies:
            assert len(list(copy.glob("remote/*/*/*/*.png"))) == 40, "each host has fetched the data"
            assert list(copy.glob("runs/*/hosts/plan.json")), "and worked in a copy of its own"
        assert not list(launch.folder.glob("checkpoints/*/*.safetensors")), "the launch's host has no worker"
        for rank in range(2):
            assert (launch.folder / f"logs/worker-{rank}.log").exists(), "logs arrive"
        names = s3.names("runs/hosts/")
        assert {"events.jsonl", "logs/worker-0.log", "metrics.jsonl", "run.lock.json"} <= set(names)
        for copy in copies:
            shutil.rmtree(copy)
        arguments = ["--set", f"train.epochs={-(-stopped // 4) + 1}"]
        assert "another recipe" in ended(started("pictures.toml", "hosts", 2, tmp_path, *more, *arguments)).err
        with started("pictures.toml", "hosts", 2, tmp_path, *more) as launch:
            launch.wait_for("the run", lambda: f"continuing after step {stopped} of" in launch.out)
            saved = launch.wait_for("a checkpoint", lambda: [s for s in in_store(s3, "hosts") if s > last])[-1]
            os.kill(worker(copies, 0), signal.SIGKILL)
            launch.wait_for("a restart", lambda: len(launch.events("run")) == 2, limit=480)
            assert launch.events("failure")
            assert launch.events("run")[1]["step"] >= int(saved[5:]), "what is in the store is not done again"
    assert sum("fetching what is not here" in note["text"] for note in launch.events("note")) == 2
