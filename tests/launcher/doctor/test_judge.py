"""What made-up facts mean: every problem is found, with its node and what mends it, and nothing else is."""

from __future__ import annotations

import pytest
from tests.launcher.doctor.made_up import GIB, facts, gpu

from imgcls.doctor.facts import Facts
from imgcls.doctor.judge import Node, judged

HERE = facts()


def problems(*nodes: Facts, workers: int = 0, own: bool = False):
    named = [Node(f"n{number}", each, workers, own) for number, each in enumerate(nodes, start=1)]
    return [finding for finding in judged(HERE, named) if finding.status != "ok"]


def the_problem(*nodes: Facts, **how):
    (finding,) = problems(*nodes, **how)
    return finding


def test_where_all_nodes_are_well_every_check_is_ok():
    findings = judged(HERE, [Node("n1", facts()), Node("n2", facts(gpus=[gpu(), gpu()]))])
    assert {finding.status for finding in findings} == {"ok"}
    assert {f.check for f in findings} == {
        "versions",
        "code",
        "memory",
        "/dev/shm",
        "open files",
        "storage",
        "gpu",
    }
    assert not any(finding.mend for finding in findings)
    assert "2 x H100, 80.0 GiB; driver 580.65.06" in [f.detail for f in findings]


@pytest.mark.parametrize("name", ["imgcls", "torch", "ray"])
def test_another_version_is_an_error_with_the_command_that_installs_ours(name):
    found = the_problem(facts(), facts(versions={**HERE.versions, name: "1.0"}))
    assert (found.check, found.node, found.status) == ("versions", "n2", "error")
    assert f"{name} 1.0 there, {HERE.versions[name]} here" in found.detail
    assert found.mend == f"there: /venv/bin/python -m pip install '{name}=={HERE.versions[name]}'"


def test_a_package_that_is_missing_is_named():
    versions = {name: version for name, version in HERE.versions.items() if name != "DALI"}
    found = the_problem(facts(versions=versions))
    assert found.status == "error"
    assert "DALI is not installed there" in found.detail
    assert "pip install 'nvidia-dali-cuda130==2.4.0'" in found.mend


def test_on_a_driver_of_cuda_12_the_build_for_it_is_well():
    assert problems(facts(gpus=[gpu(driver="550.54.15")], dali_builds=["nvidia-dali-cuda120"])) == []


def test_another_python_is_not_installed_by_pip():
    found = the_problem(facts(versions={**HERE.versions, "python": "3.11.9"}))
    assert (found.status, found.mend) == ("error", "start Ray there from a Python 3.11.7")


def test_another_build_of_the_same_torch_is_a_warning_only():
    assert the_problem(facts(versions={**HERE.versions, "torch": "2.13.0+cpu"})).status == "warning"


def test_other_code_of_the_same_version_is_an_error():
    found = the_problem(facts(), facts(code={"imgcls": "b" * 64}))
    assert (found.check, found.node, found.status) == ("code", "n2", "error")
    assert "install the same wheel of imgcls" in found.mend


def test_other_code_of_another_version_is_said_once():
    versions = {**HERE.versions, "imgcls": "0.0.9"}
    assert the_problem(facts(versions=versions, code={"imgcls": "b" * 64})).check == "versions"


@pytest.mark.parametrize(("workers", "warned"), [(0, False), (2, False), (3, True)])
def test_memory_must_be_there_for_the_workers_of_a_node(workers, warned):
    findings = problems(facts(memory={"free": GIB, "total": 16 * GIB}), workers=workers)
    assert [f.check for f in findings] == (["memory"] if warned else [])


@pytest.mark.parametrize(
    ("changed", "check", "mend"),
    [
        ({"shm": {"free": 64 << 20, "total": 64 << 20}}, "/dev/shm", "docker run --shm-size=1g"),
        ({"shm": {}}, "/dev/shm", "docker run"),
        ({"shm": {"free": GIB, "total": GIB}, "gpus": [gpu()] * 8}, "/dev/shm", "--shm-size=3g"),
        ({"open_files": {"soft": 256, "hard": 4096}}, "open files", "ulimit -n 65536 before `ray start`"),
        ({"storage": {"error": "", "free": 100 << 20}}, "storage", "free space"),
        ({"gpus": [gpu(free=3 * GIB)]}, "gpu", "nvidia-smi"),
        ({"gpus": [gpu(driver="550.54.15")]}, "gpu", "CUDA 12 and CUDA 13"),
        ({"dali_builds": ["nvidia-dali-cuda130", "nvidia-dali-cuda120"]}, "versions", "uninstall -y nvidia-dali-cuda130"),
    ],
)  # fmt: skip
def test_what_a_run_survives_is_a_warning(changed, check, mend):
    found = the_problem(facts(**changed))
    assert (found.check, found.node, found.status) == (check, "n1", "warning")
    assert mend in found.mend


@pytest.mark.parametrize(
    ("changed", "check", "mend"),
    [
        ({"storage": {"error": "/runs is another folder there", "free": 1}}, "storage", "mount the same folder"),
        ({"storage": {"error": "s3://b: no", "free": -1}}, "storage", "AWS_ACCESS_KEY_ID"),
        ({"data": ["train: there is no folder /data there"]}, "data", "mount the same folder"),
        ({"gpu_complaint": "NVIDIA-SMI has failed"}, "gpu", "driver"),
    ],
)
def test_what_a_run_would_fail_on_is_an_error(changed, check, mend):
    found = the_problem(facts(), facts(**changed))
    assert (found.check, found.node, found.status) == (check, "n2", "error")
    assert mend in found.mend


def test_a_soft_limit_that_ray_raises_by_itself_here_is_none():
    low = facts(open_files={"soft": 256, "hard": 65536})
    assert problems(low, own=True) == []
    assert the_problem(low).check == "open files"
    assert problems(facts(open_files={"soft": -1, "hard": -1})) == []


def test_a_torch_without_cuda_beside_a_gpu_is_named():
    versions = {**HERE.versions, "torch": "2.13.0+cpu"}
    found = [f for f in problems(facts(versions=versions, gpus=[gpu()])) if f.check == "gpu"]
    assert "uses no GPU" in found[0].detail
    assert "pip install --force-reinstall 'torch==2.13.0'" in found[0].mend


def test_of_drivers_that_differ_the_one_of_few_is_named():
    found = the_problem(*(facts(gpus=[gpu(driver=d)]) for d in ("580.65.06", "580.65.06", "581.1")))
    assert (found.node, found.status) == ("n3", "warning")
    assert "driver 581.1 there, 580.65.06 on others" in found.detail


def test_a_gpu_whose_memory_is_not_told_is_not_called_full():
    assert problems(facts(gpus=[gpu(total=0, free=0)])) == []
