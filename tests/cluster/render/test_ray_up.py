"""What ``imgcls cluster render ray-up`` writes, held against Ray's own checks of it."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from tests.cluster.render.rendered import HOSTILE, HOSTILE_RECIPES, executable, job, launched_by, render

from imgcls import UserError

AWS = {"provider": "aws", "image": "registry.example/imgcls:1", "machine_image": "ami-0", "nfs": "fs-0.efs:/"}
GCP = {**AWS, "provider": "gcp", "project": "vision", "machine_image": "projects/x/global/images/family/y"}
FULL = {"workers_per_machine": 4, "spot": True, "region": "eu-west-1", "zones": "eu-west-1a", "disk_gib": 500}


def check(text: str) -> dict[str, Any]:
    tree = yaml.safe_load(text)
    validate_config(prepare_config(tree))
    return tree


def written(tree: dict[str, Any]) -> dict[str, str]:
    """The files that the head's setup commands write: name -> text."""
    make, *commands = tree["head_setup_commands"]
    assert make == "mkdir -p /home/imgcls/job"
    found = {}
    for command in commands:
        # several shells read it, of which none finds anything of its own
        match = re.fullmatch(r"echo ([A-Za-z0-9+/=]+) \| base64 -d > /home/imgcls/job/([a-z.]+)", command)
        assert match, command
        found[match[2]] = base64.b64decode(match[1]).decode()
    return found


@pytest.mark.parametrize("options", [AWS, GCP, {**AWS, **FULL}, {**GCP, **FULL, "gpu_type": "nvidia-tesla-t4"}])
@pytest.mark.parametrize("gpus", [0, 1])
def test_it_is_what_ray_takes(options, gpus):
    check(render("ray-up", job(gpus=gpus, workers=16), **options))


def test_a_key_that_ray_does_not_have_is_refused():
    tree = yaml.safe_load(render("ray-up", job(), **AWS))
    with pytest.raises(Exception, match="max_worker'"):
        validate_config(prepare_config({**tree, "max_worker": 3}))


@pytest.mark.parametrize("options", [AWS, GCP])
def test_all_workers_come_and_the_head_trains_nothing(options):
    tree = check(render("ray-up", job(workers=16, cpus=4), **options, workers_per_machine=4))
    worker, head = (tree["available_node_types"][name] for name in ("worker", "head"))
    assert (worker["min_workers"], worker["max_workers"], tree["max_workers"]) == (4, 4, 4)
    assert worker["resources"] == {"CPU": 16, "GPU": 4}
    assert head["resources"] == {"CPU": 0}
    assert tree["head_node_type"] == "head"


def test_nothing_of_this_machine_is_copied():
    assert check(render("ray-up", job(), **AWS))["file_mounts"] == {}


def test_spot_is_for_workers_alone():
    types = check(render("ray-up", job(), **AWS, spot=True))["available_node_types"]
    assert types["worker"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in types["head"]["node_config"]


def test_a_machine_with_a_gpu_is_not_moved_while_it_runs():
    types = check(render("ray-up", job(), **GCP, gpu_type="nvidia-tesla-t4"))["available_node_types"]
    worker = types["worker"]["node_config"]
    assert worker["guestAccelerators"] == [{"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": 1}]
    assert worker["scheduling"] == [{"onHostMaintenance": "TERMINATE"}]
    assert "scheduling" not in types["head"]["node_config"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_reaches_the_launch_as_it_is(name, tmp_path):
    tree = check(render("ray-up", job(name=name), **AWS))
    assert re.fullmatch(r"[a-z][a-z0-9-]*", tree["cluster_name"])
    expected = job(name=name, storage="/storage/runs").command("/home/imgcls/job/recipe.toml")[1:]
    assert launched_by(written(tree)["launch.sh"], tmp_path) == expected


@pytest.mark.parametrize("text", HOSTILE_RECIPES)
def test_a_hostile_recipe_arrives_as_it_is(text):
    assert written(check(render("ray-up", job(recipe=text), **AWS)))["recipe.toml"] == text


@pytest.mark.parametrize("option", ["image", "nfs", "ssh_user"])
@pytest.mark.parametrize("value", [value for value in HOSTILE if value != "-rf"])
def test_an_option_that_a_shell_of_the_machines_would_read_is_refused(option, value):
    with pytest.raises(UserError, match=f"--option {option}="):
        render("ray-up", job(), **{**AWS, option: value})


@pytest.mark.parametrize(
    ("codes", "launches", "last"), [([0], 1, 0), ([1, 0], 2, 0), ([2], 1, 2), ([1] * 9, 3, 1)]
)
def test_a_launch_that_fails_is_tried_again_unless_it_says_what_to_mend(codes, launches, last, tmp_path):
    script = written(yaml.safe_load(render("ray-up", job(), **AWS, retries=2)))["run.sh"]
    executable(tmp_path / "bin/sleep", "#!/bin/bash\n")
    (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
    # stands for the launch: ends with the next code
    (tmp_path / "launch.sh").write_text(
        "code=$(head -n 1 codes); sed -i 1d codes; echo x >> launches; exit $code\n"
    )
    script = script.replace("/home/imgcls/job/launch.sh", "launch.sh")
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    ended = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, check=False, timeout=60)
    assert (ended.returncode, (tmp_path / "launches").read_text().count("x")) == (last, launches)


def test_gcp_without_a_project_is_refused():
    with pytest.raises(UserError, match="--option project=NAME is needed"):
        render("ray-up", job(), **{**GCP, "project": None})


def test_a_region_without_its_zones_is_refused():
    with pytest.raises(UserError, match="say the zones there too"):
        render("ray-up", job(), **AWS, region="eu-west-1")
