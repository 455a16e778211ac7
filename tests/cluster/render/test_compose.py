"""What ``imgcls cluster render compose`` writes, held against the schema of Compose files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.cluster.render.rendered import HOSTILE, HOSTILE_RECIPES, job, launched_by, render

VALIDATOR = jsonschema.Draft7Validator(json.loads(Path(__file__).with_name("compose_spec.json").read_text()))


def strings(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        return [text for pair in tree.items() for item in pair for text in strings(item)]
    return [text for item in tree for text in strings(item)] if isinstance(tree, list) else [str(tree)]


def unescaped(tree: Any) -> Any:
    """The tree as Compose has it once variables are replaced, of which there must be none."""
    if isinstance(tree, dict):
        return {key: unescaped(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [unescaped(item) for item in tree]
    return tree.replace("$$", "$") if isinstance(tree, str) else tree


def check(text: str) -> dict[str, Any]:
    tree = yaml.safe_load(text)
    VALIDATOR.validate(tree)
    assert all(re.fullmatch(r"(?:[^$]|\$\$)*", found) for found in strings(tree))
    return unescaped(tree)


FULL = {
    "image": "registry.example/imgcls:1",
    "workers_per_container": 4,
    "memory_gib": 16,
    "storage": "./runs",
    "data": "/data/imagenet",
    "token_file": "./ray-token",
    "restarts": 0,
}


@pytest.mark.parametrize("options", [{}, FULL], ids=["plain", "full"])
@pytest.mark.parametrize("gpus", [0, 1])
def test_it_is_what_compose_takes(options, gpus):
    check(render("compose", job(gpus=gpus, workers=16), **options))


def test_a_key_that_compose_does_not_have_is_refused():
    tree = yaml.safe_load(render("compose", job()))
    tree["services"]["head"]["restarts"] = "always"
    with pytest.raises(jsonschema.ValidationError, match="restarts"):
        VALIDATOR.validate(tree)


def test_every_container_is_started_again_where_it_ends_before_its_time():
    services = check(render("compose", job(workers=3)))["services"]
    assert list(services) == ["head", "worker-0", "worker-1", "worker-2", "launch"]
    assert {services[name]["restart"] for name in services if name != "launch"} == {"unless-stopped"}
    assert services["launch"]["restart"] == "on-failure:10"
    # a raylet that ends must end its container
    assert "--block" in services["head"]["command"]
    assert "exec ray start --block" in check(render("compose", job()))["configs"]["worker.sh"]["content"]


def test_no_two_workers_have_the_same_gpu():
    services = check(render("compose", job(workers=8), workers_per_container=4))["services"]
    devices = [services[f"worker-{n}"]["deploy"]["resources"]["reservations"]["devices"] for n in range(2)]
    assert [found[0]["device_ids"] for found in devices] == [["0", "1", "2", "3"], ["4", "5", "6", "7"]]
    assert "deploy" not in services["head"]
    assert "deploy" not in services["launch"]


def test_without_gpus_none_is_asked_for():
    assert "nvidia" not in render("compose", job(gpus=0))


def test_volumes_and_secrets_that_are_used_are_declared():
    tree = check(render("compose", job()))
    assert list(tree["volumes"]) == ["storage"]
    tree = check(render("compose", job(), **FULL))
    assert "volumes" not in tree
    assert tree["services"]["worker-0"]["volumes"] == [
        {"type": "bind", "source": "./runs", "target": "/storage"},
        {"type": "bind", "source": "/data/imagenet", "target": "/data", "read_only": True},
    ]
    assert tree["secrets"] == {"ray-token": {"file": "./ray-token"}}
    for service in tree["services"].values():
        assert service["secrets"] == ["ray-token"]
        assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray-token"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_reaches_the_launch_as_it_is(name, tmp_path):
    tree = check(render("compose", job(name=name)))
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", tree["name"])
    script = tree["configs"]["launch.sh"]["content"].replace("ray start", "true")
    expected = job(name=name, storage="/storage/runs").command("/etc/imgcls/recipe.toml")[1:]
    assert launched_by(script, tmp_path) == expected


@pytest.mark.parametrize("text", HOSTILE_RECIPES)
def test_a_hostile_recipe_arrives_as_it_is(text):
    assert check(render("compose", job(recipe=text)))["configs"]["recipe.toml"]["content"] == text


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_option_stays_in_its_place(value):
    tree = check(render("compose", job(), image=value, data=value, token_file=value))
    assert {service["image"] for service in tree["services"].values()} == {value}
    assert tree["secrets"]["ray-token"]["file"] == value
