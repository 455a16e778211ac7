"""What ``imgcls cluster render kuberay`` writes, held against the schema of KubeRay's own CRD."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.cluster.render.rendered import HOSTILE, HOSTILE_RECIPES, job, launched_by, render

from imgcls import UserError

SCHEMA = json.loads(Path(__file__).with_name("kuberay_rayjob_v1.json").read_text())
# the part of core/v1 that is used; https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources
CONFIG_MAP = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "data"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "v1"},
        "kind": {"const": "ConfigMap"},
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
                "namespace": {"type": "string"},
            },
        },
        "data": {
            "type": "object",
            "propertyNames": {"pattern": "^[-._a-zA-Z0-9]+$"},
            "additionalProperties": {"type": "string"},
        },
    },
}


def closed(schema: Any) -> Any:
    """The schema with unknown fields refused, which Kubernetes would leave out without a word."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    is_table = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if is_table and "additionalProperties" not in schema:
        found["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    return found


VALIDATOR = jsonschema.Draft202012Validator(closed(SCHEMA))


def parts(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    config, ray_job = yaml.safe_load_all(text)
    return config, ray_job


def check(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    config, ray_job = parts(text)
    jsonschema.validate(config, CONFIG_MAP)
    VALIDATOR.validate(ray_job)
    return config, ray_job


def groups(ray_job: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    cluster = ray_job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    return cluster["headGroupSpec"], workers


FULL = {
    "image": "registry.example/imgcls:1",
    "namespace": "vision",
    "workers_per_pod": 4,
    "data_claim": "imagenet",
    "env_secret": "s3-keys",
    "pull_secret": "registry",
    "token_secret": "ray-token",
    "node_selector": ("gpu=a100", "zone=a=b"),
    "deadline_seconds": 86400,
}


@pytest.mark.parametrize("options", [{}, FULL, {"auth": "none"}], ids=["plain", "full", "without token"])
@pytest.mark.parametrize("gpus", [0, 1])
def test_it_is_what_the_crd_takes(options, gpus):
    check(render("kuberay", job(gpus=gpus, workers=16), **options))


def test_a_field_that_the_crd_does_not_have_is_refused():
    _, ray_job = parts(render("kuberay", job()))
    ray_job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]["tolerance"] = []
    with pytest.raises(jsonschema.ValidationError, match="tolerance"):
        VALIDATOR.validate(ray_job)


def test_each_worker_has_its_cpus_its_gpu_and_shared_memory():
    _, ray_job = check(render("kuberay", job(workers=16, cpus=3.5), workers_per_pod=4, memory_gib=10, shm_gib=6))
    _, workers = groups(ray_job)
    pod = workers["template"]["spec"]
    assert [workers[key] for key in ("replicas", "minReplicas", "maxReplicas")] == [4, 4, 4]
    assert workers["rayStartParams"]["num-cpus"] == "14"
    limits = pod["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "14", "memory": "46Gi", "nvidia.com/gpu": "4"}
    (shm,) = [volume for volume in pod["volumes"] if volume["name"] == "shm"]
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "6Gi"}
    assert {"name": "shm", "mountPath": "/dev/shm"} in pod["containers"][0]["volumeMounts"]


def test_no_worker_trains_on_the_head():
    _, ray_job = check(render("kuberay", job()))
    head, _ = groups(ray_job)
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert "nvidia.com/gpu" not in head["template"]["spec"]["containers"][0]["resources"]["limits"]


def test_what_is_mounted_is_a_volume_of_the_pod():
    _, ray_job = check(render("kuberay", job(), **FULL))
    for group in groups(ray_job):
        pod = group["template"]["spec"]
        assert {m["name"] for m in pod["containers"][0]["volumeMounts"]} == {v["name"] for v in pod["volumes"]}


def test_an_elastic_run_is_content_with_fewer_pods(tmp_path):
    config, ray_job = check(render("kuberay", job(workers=16, least=5), workers_per_pod=4))
    _, workers = groups(ray_job)
    assert [workers[key] for key in ("replicas", "minReplicas", "maxReplicas")] == [4, 2, 4]
    words = launched_by(config["data"]["launch.sh"], tmp_path)
    assert words[words.index("--workers") + 1] == "5..16"


def test_a_failed_job_is_tried_again_and_its_cluster_taken_away():
    _, ray_job = check(render("kuberay", job(), retries=7, keep_seconds=60))
    spec = ray_job["spec"]
    assert (spec["backoffLimit"], spec["shutdownAfterJobFinishes"], spec["ttlSecondsAfterFinished"]) == (
        7,
        True,
        60,
    )
    _, workers = groups(ray_job)
    assert workers["template"]["spec"]["restartPolicy"] == "Always"


def test_secrets_are_named_and_nothing_of_them_is_said():
    text = render("kuberay", job(), **FULL)
    _, ray_job = check(text)
    cluster = ray_job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token", "secretName": "ray-token"}
    for group in groups(ray_job):
        assert group["template"]["spec"]["containers"][0]["envFrom"] == [{"secretRef": {"name": "s3-keys"}}]
    assert "kind: Secret" not in text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_reaches_the_launch_as_it_is(name, tmp_path):
    config, ray_job = check(render("kuberay", job(name=name)))
    expected = job(name=name, storage="/storage/runs").command("/etc/imgcls/recipe.toml")[1:]
    assert launched_by(config["data"]["launch.sh"], tmp_path) == expected
    # two shells read the entry point: it has nothing to quote
    assert ray_job["spec"]["entrypoint"] == "bash /etc/imgcls/launch.sh"


@pytest.mark.parametrize("text", HOSTILE_RECIPES)
def test_a_hostile_recipe_arrives_as_it_is(text):
    config, _ = check(render("kuberay", job(recipe=text)))
    assert config["data"]["recipe.toml"] == text


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_option_stays_in_its_place(value):
    _, ray_job = check(render("kuberay", job(), image=value, storage_claim=value))
    for group in groups(ray_job):
        pod = group["template"]["spec"]
        assert pod["containers"][0]["image"] == value
        assert {"name": "storage", "persistentVolumeClaim": {"claimName": value}} in pod["volumes"]


def test_names_are_those_of_kubernetes_and_different_ones_stay_different():
    names = ["digits", "Digits", "1st", "-", "a" * 200, "a" * 201, "it's", "its", "naïve", "na-ve"]
    found = [parts(render("kuberay", job(name=name)))[1]["metadata"]["name"] for name in names]
    assert len(set(found)) == len(names), found
    # validation.go of KubeRay: 47 letters at most, and a label of RFC 1035
    assert all(len(name) <= 47 and name[0].isalpha() for name in found), found


@pytest.mark.parametrize("storage", ["/elsewhere/runs", "../runs", "/storage/../etc", "/storages"])
def test_storage_that_is_not_on_the_claim_is_refused(storage):
    with pytest.raises(UserError, match="is not below /storage"):
        render("kuberay", job(storage=storage))


def test_a_recipe_that_no_config_map_holds_is_refused():
    with pytest.raises(UserError, match="longer than 900,000 bytes"):
        render("kuberay", job(recipe="#" * 1_000_000))


def test_a_selector_without_a_value_is_refused():
    with pytest.raises(UserError, match='node_selector: expected key=value in each, got "a100"'):
        render("kuberay", job(), node_selector=("a100",))


def test_runs_that_are_kept_at_an_address_need_no_claim():
    _, ray_job = check(render("kuberay", job(storage="s3://bucket/runs"), env_secret="keys"))
    text = json.dumps(ray_job)
    assert "persistentVolumeClaim" not in text
    assert "IMGCLS_CACHE" not in text
    _, ray_job = check(render("kuberay", job(storage="s3://bucket/runs"), data_claim="pictures"))
    assert text.count("imgcls-storage") == 0
    assert "pictures" in json.dumps(ray_job)
