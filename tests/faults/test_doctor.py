"""Nodes of a cluster that a run would fail on are found before it: by doctor, and by the launch itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from tests.faults import ray_nodes
from tests.faults.processes import Ended, Launch, imgcls, result
from tests.faults.ray_nodes import Cluster, Node, cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WITHOUT_IMGCLS = "raise ModuleNotFoundError(\"No module named 'imgcls'\", name='imgcls')\n"
RECIPE = """
model = "lenet5"
data = {{ name = "image_folder", root = "{root}" }}
optimizer = {{ name = "sgd", lr = 0.02 }}
schedule.name = "constant"
loss.name = "cross_entropy"
train = {{ epochs = 1, batch_size = 8 }}
workers = {{ count = 1, cpus = 1 }}
"""


def _images(root: Path) -> None:
    for label in ("dark", "light"):
        folder = root / label
        folder.mkdir(parents=True)
        for number in range(20):
            Image.new("L", (28, 28), number + 100 * (label == "light")).save(folder / f"{number}.png")


def _started_by(folder: Path, name: str, lines: str) -> str:
    """Return a command to start a node with, in the place of `ray`: a mount namespace of its own, and a script."""
    script = folder / f"start-{name}"
    script.write_text(f'#!/bin/sh -e\n{lines}\nexec {ray_nodes._RAY} "$@"\n')
    inside = folder / f"start-{name}-apart"
    inside.write_text(f'#!/bin/sh\nexec unshare --mount {script} "$@"\n')
    for file in (script, inside):
        file.chmod(0o755)
    return str(inside)


def _distribution(folder: Path, name: str, version: str) -> Path:
    """A folder for PYTHONPATH in which a package has another version."""
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder


@dataclass
class Nodes:
    """A head, a node as it should be, and two with something wrong about them."""

    found: Cluster
    folder: Path
    good: Node
    apart: Node
    bare: Node


def _can_unshare() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    if not _can_unshare():
        pytest.skip("a mount namespace needs root")
    folder = tmp_path_factory.mktemp("doctor")
    _images(folder / "images")
    (folder / "runs").mkdir()
    (folder / "recipe.toml").write_text(RECIPE.format(root=folder / "images"))
    (folder / "without/imgcls").mkdir(parents=True)
    (folder / "without/imgcls/__init__.py").write_text(WITHOUT_IMGCLS)
    other_dali = _distribution(folder / "dali", "nvidia-dali-cuda130", "2.3.0")
    hidden = f"mount -t tmpfs none {folder}/runs\nmount -t tmpfs none {folder}/images"
    apart = f"{hidden}\nexport PYTHONPATH={other_dali} GLOO_SOCKET_IFNAME=nope0"
    with pytest.MonkeyPatch.context() as patch, cluster(patch.setenv, nodes=1, path=folder / "none") as found:
        started = [found.nodes[0]]
        for name, lines in (("apart", apart), ("bare", f"export PYTHONPATH={folder}/without")):
            with pytest.MonkeyPatch.context() as by:
                by.setattr(ray_nodes, "_RAY", _started_by(folder, name, lines))
                started.append(found.add())
        yield Nodes(found, folder, *started)


def _doctor(nodes: Nodes, *more: object) -> tuple[Ended, list[dict[str, str]]]:
    ended = imgcls("doctor", "recipe.toml", "--address", nodes.found.address, "--json", *more, cwd=nodes.folder)
    assert "Traceback" not in ended.err, ended
    return ended, json.loads(ended.out)


def _of(findings: list[dict[str, str]], node: Node) -> dict[str, dict[str, str]]:
    return {each["check"]: each for each in findings if node.identity[:8] in each["node"]}


def test_doctor_names_each_node_that_is_not_ready_and_what_mends_it(nodes):
    ended, findings = _doctor(nodes)
    assert ended.code == 1, ended
    good, apart, bare = (_of(findings, node) for node in (nodes.good, nodes.apart, nodes.bare))
    assert {each["status"] for each in good.values()} == {"ok"}, good
    assert good["storage"]["detail"].startswith("written and read"), good
    assert "files of the same size" in good["data"]["detail"], good

    assert apart["storage"]["status"] == "error", apart
    assert f"{nodes.folder}/runs is another folder there" in apart["storage"]["detail"], apart
    assert "mount the same folder" in apart["storage"]["mend"], apart
    assert apart["data"]["status"] == "error", apart
    assert "DALI 2.3.0 there" in apart["versions"]["detail"], apart
    assert "pip install 'nvidia-dali-cuda130==" in apart["versions"]["mend"], apart
    assert "GLOO_SOCKET_IFNAME = nope0, and there is no such interface" in apart["interface"]["detail"], apart

    assert "imgcls cannot be imported there" in bare["node"]["detail"], bare
    assert f"{sys.executable} -m pip install 'imgcls==" in bare["node"]["mend"], bare


def test_a_launch_refuses_storage_that_only_the_head_sees_and_all_else_that_is_wrong_before_training(nodes):
    ended = imgcls(
        "launch", "recipe.toml", "--address", nodes.found.address, "--name", "refused", cwd=nodes.folder
    )
    assert ended.code == 2, ended
    assert "Traceback" not in ended.err, ended
    first, *problems, last = ended.err.strip().splitlines()
    assert "is not ready for this run" in first, ended
    assert "nothing was trained" in last, ended
    text = "\n".join(problems)
    assert re.search(rf"storage, \S+ \S+ {nodes.apart.identity[:8]}: there is no folder", text), ended
    for what in ("imgcls cannot be imported there", "DALI 2.3.0 there", "no such interface"):
        assert what in text, ended
    assert nodes.good.identity[:8] not in text, ended
    run = nodes.folder / "runs/refused"
    assert not list((run / "checkpoints").iterdir())
    assert not list(run.glob(".doctor-*"))


def test_a_search_refuses_the_same_before_its_first_trial(nodes):
    space = '\n[tune]\ntrials = 1\nsearch = "random"\n[tune.space]\n"optimizer.lr" = { uniform = [0.01, 0.1] }\n'
    (nodes.folder / "search.toml").write_text((nodes.folder / "recipe.toml").read_text() + space)
    ended = imgcls("tune", "search.toml", "--address", nodes.found.address, "--name", "search", cwd=nodes.folder)
    assert ended.code == 2, ended
    assert "Traceback" not in ended.err, ended
    for what in ("there is no folder", "imgcls cannot be imported there", "DALI 2.3.0 there", "nothing was"):
        assert what in ended.err, ended
    assert not list((nodes.folder / "runs/search/trials").iterdir())
    assert not list((nodes.folder / "runs/search").glob(".doctor-*"))


def test_ctrl_c_while_nodes_are_looked_at_ends_at_once_and_leaves_nothing(nodes):
    arguments = ["launch", "recipe.toml", "--address", nodes.found.address, "--name", "left"]
    with Launch(arguments, nodes.folder, name="left") as launch:
        launch.wait_for("the note in the storage", lambda: list(launch.folder.glob(".doctor-*")))
        launch.interrupt()
        ended = launch.ended()
        launch.nothing_left(within=10)
    assert ended.code == 130, ended
    assert "stopped before the first step" in ended.out, ended
    assert "not ready" not in ended.err, ended
    assert not list(launch.folder.glob(".doctor-*"))


def test_without_those_nodes_all_is_well_and_the_run_trains(nodes):
    for node in (nodes.apart, nodes.bare):
        node.end()
    ended, findings = _doctor(nodes)
    assert ended.code == 0, ended
    (summed,) = [each for each in findings if each["check"] == "all-reduce"]
    assert summed["status"] == "ok", summed
    assert "64 MB at" in summed["detail"], summed
    shutil.rmtree(nodes.folder / "runs/.index")
    ended = imgcls("launch", "recipe.toml", "--address", nodes.found.address, "--name", "run", cwd=nodes.folder)
    assert ended.code == 0, ended
    assert result(nodes.folder / "runs/run")["epochs"] == 1
