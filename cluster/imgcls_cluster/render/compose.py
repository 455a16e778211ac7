"""A file for Docker Compose: a head, workers and the launch, each started again where it ends before its time."""

from typing import Annotated, Any

from annotated_types import Ge, Gt

from imgcls import Component, Job, __version__, options
from imgcls_cluster.render._job import (
    RAY_START,
    about,
    label,
    launch_script,
    node_cpus,
    nodes,
    stored_below,
    words,
)
from imgcls_cluster.render._yaml import Merge, document

_SCRIPTS = "/etc/imgcls"
# the head's address, found here: gRPC does not look everywhere where a host's name can be
_HEAD = ["read -r head _ < <(getent ahostsv4 head)", 'address="--address=$head:6379"']
_TOKEN = "/run/secrets/ray-token"  # noqa: S105 (a path)


@options
class Compose:
    """What the file says beyond the job."""

    image: Annotated[str, "container image, as `imgcls cluster image` builds it"] = f"imgcls:{__version__}"
    workers_per_container: Annotated[int, Gt(0), "workers, and so GPUs, of a container"] = 1
    memory_gib: Annotated[int | None, Gt(0), "most that a worker may have; unset: all there is"] = None
    shm_gib: Annotated[int, Gt(0), "of /dev/shm in a container"] = 4
    storage: Annotated[str, "volume that runs are kept on, or a folder such as ./runs; it is /storage there"] = (
        "storage"
    )
    data: Annotated[str | None, "folder of the data, which is only read; it is /data there"] = None
    token_file: Annotated[str | None, "file with a token that Ray then asks for; unset: it asks for none"] = None
    restarts: Annotated[int, Ge(0), "how often the launch is started again after a failure"] = 10
    stop_seconds: Annotated[int, Gt(0), "that the launch has for its last checkpoint when it is stopped"] = 120
    wait_seconds: Annotated[int, Gt(0), "that all workers have to come"] = 600


def build(options: Compose, job: Job) -> str:
    """Return the file.

    Raises:
        UserError: the storage is not below /storage.
    """
    job = stored_below(job, "/storage")
    each = options.workers_per_container
    node = _node(options, job)
    workers = {f"worker-{n}": _worker(options, job, node, n) for n in range(nodes(job.workers, each))}
    head = ["ray", "start", "--head", "--block", "--port=6379", "--num-cpus=0", "--include-dashboard=false"]
    tree = {
        "name": label(job.name),
        "x-node": node,
        "services": {
            "head": {
                Merge(): node,
                "command": [*head, *RAY_START],
                "restart": "unless-stopped",
                "healthcheck": _answers(),
            },
            **workers,
            "launch": _launch(options, node),
        },
        "configs": _configs(options, job),
        **({"volumes": {options.storage: {}}} if _is_volume(options.storage) else {}),
        **({"secrets": {"ray-token": {"file": options.token_file}}} if options.token_file else {}),
    }
    return document(_comments(options, job), _escaped(tree))


def _is_volume(source: str) -> bool:
    return not source.startswith(("/", ".", "~"))


def _node(options: Compose, job: Job) -> dict[str, Any]:
    """Return what all containers have alike."""
    # said in any case: else Ray looks whether there is a token in the home of the image's user
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": _TOKEN}
    auth = token if options.token_file else {"RAY_AUTH_MODE": "disabled"}
    data = [{"type": "bind", "source": options.data, "target": "/data", "read_only": True}] if options.data else []
    kind = "volume" if _is_volume(options.storage) else "bind"
    return {
        "image": options.image,
        "init": True,
        "shm_size": f"{options.shm_gib}gb",
        "environment": {"IMGCLS_CACHE": "/storage/.cache", **auth, **job.environment},
        "volumes": [{"type": kind, "source": options.storage, "target": "/storage"}, *data],
        **({"secrets": ["ray-token"]} if options.token_file else {}),
    }


def _worker(options: Compose, job: Job, node: dict[str, Any], number: int) -> dict[str, Any]:
    each = options.workers_per_container
    cpus, gpus = node_cpus(job, each), job.gpus * each
    memory = {"memory": f"{options.memory_gib * each}g"} if options.memory_gib else {}
    mine = [str(gpu) for gpu in range(number * gpus, (number + 1) * gpus)]
    devices = [{"driver": "nvidia", "device_ids": mine, "capabilities": ["gpu"]}]
    start = ["bash", f"{_SCRIPTS}/worker.sh", f"--num-cpus={cpus}", f"--num-gpus={gpus}"]
    return {
        Merge(): node,
        "command": [*start, *RAY_START],
        "restart": "unless-stopped",
        "depends_on": {"head": {"condition": "service_healthy"}},
        "configs": [_script("worker.sh")],
        "deploy": {
            "resources": {
                "limits": {"cpus": str(cpus), **memory},
                **({"reservations": {"devices": devices}} if gpus else {}),
            }
        },
    }


def _launch(options: Compose, node: dict[str, Any]) -> dict[str, Any]:
    return {
        Merge(): node,
        "command": ["bash", f"{_SCRIPTS}/launch.sh"],
        "restart": f"on-failure:{options.restarts}" if options.restarts else "no",
        "stop_grace_period": f"{options.stop_seconds}s",
        "depends_on": {"head": {"condition": "service_healthy"}},
        "configs": [_script("recipe.toml"), _script("launch.sh")],
    }


def _script(file: str) -> dict[str, str]:
    return {"source": file, "target": f"{_SCRIPTS}/{file}"}


def _configs(options: Compose, job: Job) -> dict[str, Any]:
    # a launch runs on a node of the cluster: this one has no CPUs
    join = words(["--num-cpus=0", "--num-gpus=0", *RAY_START])
    script = launch_script(
        job,
        f"{_SCRIPTS}/recipe.toml",
        options.workers_per_container,
        options.wait_seconds,
        [*_HEAD, f'ray start "$address" {join} || exit'],
    )
    worker = "\n".join(["#!/bin/bash", *_HEAD, 'exec ray start --block "$address" "$@"', ""])
    texts = {"recipe.toml": job.recipe, "launch.sh": script, "worker.sh": worker}
    return {file: {"content": text} for file, text in texts.items()}


def _answers() -> dict[str, Any]:
    return {
        "test": ["CMD", "ray", "health-check"],  # of the cluster that this container is the head of
        "interval": "30s",
        "timeout": "30s",
        "retries": 3,
        "start_period": "120s",
        "start_interval": "3s",
    }


def _escaped(tree: Any, seen: dict[int, Any] | None = None) -> Any:
    """Return a tree in which Compose finds no variable to replace; what is shared stays so."""
    seen = {} if seen is None else seen
    if isinstance(tree, str):
        return tree if isinstance(tree, Merge) else tree.replace("$", "$$")
    if isinstance(tree, dict):
        if id(tree) not in seen:
            seen[id(tree)] = {_escaped(key): _escaped(value, seen) for key, value in tree.items()}
        return seen[id(tree)]
    return [_escaped(item, seen) for item in tree] if isinstance(tree, list) else tree


def _comments(options: Compose, job: Job) -> list[str]:
    token = (
        f"First a token: (umask 077; openssl rand -hex 32 > {options.token_file!r}), readable for the image's user"
    )
    return [
        *about(job),
        *([token] if options.token_file else []),
        "docker compose -f FILE up -d; docker compose -f FILE logs -f launch; docker compose -f FILE down",
        "It needs Compose 2.23.1 or later. Started again, it continues the run, or says that it is finished.",
    ]


COMPONENT = Component(
    name="compose",
    build=f"{__name__}:build",
    options=Compose,
    summary="Docker Compose: a head, workers and the launch on one machine, each under supervision",
)
