"""A file for Ray's cluster launcher, ``ray up``: machines of AWS or GCP, with the job's script on the head."""

import base64
import shlex
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt

from imgcls import Component, Job, UserError, options
from imgcls_cluster.render._job import (
    RAY_START,
    about,
    label,
    launch_script,
    node_cpus,
    nodes,
    plain_word,
    stored_below,
)
from imgcls_cluster.render._yaml import document

_SCRIPTS = "/home/imgcls/job"  # below the home of the image's user
_HEADS = {"aws": "m6i.xlarge", "gcp": "n2-standard-4"}
_WORKERS = {"aws": ("m6i.4xlarge", "g6.4xlarge"), "gcp": ("n2-standard-16", "g2-standard-16")}
_REGIONS = {"aws": ("us-west-2", "us-west-2a,us-west-2b"), "gcp": ("us-central1", "us-central1-a")}
_MOUNTS = {"aws": "-t nfs4 -o nfsvers=4.1,hard,noresvport", "gcp": "-t nfs -o hard"}
_PORTS = "--object-manager-port=8076 --disable-usage-stats"


@options
class RayUp:
    """What the file says beyond the job."""

    provider: Annotated[Literal["aws", "gcp"], "whose machines"]
    image: Annotated[str, "container image in a registry that the machines reach"]
    machine_image: Annotated[str, "AMI, or source image of GCP, with Docker and a driver for the GPU"]
    nfs: Annotated[str, "HOST:/PATH that all machines mount at /storage, such as of EFS or Filestore"]
    project: Annotated[str | None, "of GCP, which needs it"] = None
    region: Annotated[str | None, "unset: us-west-2 of AWS, us-central1 of GCP"] = None
    zones: Annotated[str | None, "separated by commas; with a region they must be said too"] = None
    worker_machine: Annotated[str | None, "type of the workers' machines; unset: 16 CPUs, and an L4 for a GPU"] = (
        None
    )
    head_machine: Annotated[str | None, "type of the head, which trains nothing; unset: 4 CPUs"] = None
    gpu_type: Annotated[str | None, "of GCP, where the machine type has none itself, such as nvidia-tesla-t4"] = (
        None
    )
    workers_per_machine: Annotated[int, Gt(0), "workers, and so GPUs, of a machine"] = 1
    disk_gib: Annotated[int, Gt(0), "of each machine"] = 200
    shm_gib: Annotated[int, Gt(0), "of /dev/shm in the container"] = 8
    spot: Annotated[bool, "cheaper workers, which may be taken away"] = False
    ssh_user: Annotated[str, "of the machine image"] = "ubuntu"
    retries: Annotated[int, Ge(0), "launches after one that failed; each continues the run"] = 3
    wait_seconds: Annotated[int, Gt(0), "that all machines have to come"] = 1800


def build(options: RayUp, job: Job) -> str:
    """Return the file.

    Raises:
        UserError: GCP without a project, a region without zones, storage that is not below /storage.
    """
    job = stored_below(job, "/storage")
    for option in ("image", "nfs", "ssh_user"):
        plain_word(option, getattr(options, option))  # a shell on each machine reads them
    each = options.workers_per_machine
    count = nodes(job.workers, each)
    worker = {
        "min_workers": count,
        "max_workers": count,
        "resources": {"CPU": node_cpus(job, each), **({"GPU": each} if job.gpus else {})},
        "node_config": _machine(options, _worker_type(options, job), job.gpus * each, options.spot),
    }
    head = _machine(options, options.head_machine or _HEADS[options.provider], 0, spot=False)
    ray = f"ray start {_PORTS} {RAY_START[1]}"
    tree = {
        "cluster_name": label(job.name),
        "max_workers": count,
        "idle_timeout_minutes": 15,
        "provider": _provider(options),
        "auth": {"ssh_user": options.ssh_user},
        "docker": _docker(options, job),
        "head_node_type": "head",
        "available_node_types": {
            "head": {"max_workers": 0, "resources": {"CPU": 0}, "node_config": head},
            "worker": worker,
        },
        "file_mounts": {},
        "initialization_commands": _mounting(options),
        "setup_commands": [],
        "head_setup_commands": _files(options, job),
        "worker_setup_commands": [],
        "head_start_ray_commands": [
            "ray stop",
            f"{ray} --head --port=6379 --autoscaling-config=~/ray_bootstrap_config.yaml",
        ],
        "worker_start_ray_commands": ["ray stop", f"{ray} --address=$RAY_HEAD_IP:6379"],
    }
    return document(_comments(options, job), tree)


def _worker_type(options: RayUp, job: Job) -> str:
    return options.worker_machine or _WORKERS[options.provider][job.gpus if options.gpu_type is None else 0]


def _provider(options: RayUp) -> dict[str, Any]:
    region, zones = _REGIONS[options.provider]
    if options.region not in (None, region) and options.zones is None:
        raise UserError(f"--option region={options.region}: say the zones there too, with --option zones=...")
    found: dict[str, Any] = {
        "type": options.provider,
        "region": options.region or region,
        "availability_zone": options.zones or zones,
    }
    if options.provider == "aws":
        return {**found, "cache_stopped_nodes": False}  # machines that are not needed are given back
    if options.project is None:
        raise UserError("--option project=NAME is needed for provider=gcp")
    return {**found, "project_id": options.project}


def _machine(options: RayUp, kind: str, gpus: int, spot: bool) -> dict[str, Any]:
    if options.provider == "aws":
        disk = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": options.disk_gib, "VolumeType": "gp3"}}
        market = {"InstanceMarketOptions": {"MarketType": "spot"}} if spot else {}
        return {"InstanceType": kind, "ImageId": options.machine_image, "BlockDeviceMappings": [disk], **market}
    source = {"diskSizeGb": options.disk_gib, "sourceImage": options.machine_image}
    added = {"acceleratorType": options.gpu_type, "acceleratorCount": gpus}
    # a machine with a GPU cannot be moved to another host while it runs
    rules: list[dict[str, Any]] = [{"onHostMaintenance": "TERMINATE"}] if gpus else []
    rules += [{"preemptible": True}] if spot else []
    return {
        "machineType": kind,
        "disks": [{"boot": True, "autoDelete": True, "type": "PERSISTENT", "initializeParams": source}],
        **({"guestAccelerators": [added]} if gpus and options.gpu_type else {}),
        **({"scheduling": rules} if rules else {}),
    }


def _docker(options: RayUp, job: Job) -> dict[str, Any]:
    environment = {"IMGCLS_CACHE": "/storage/.cache", "RAY_AUTH_MODE": "disabled", **job.environment}
    run = [
        f"--shm-size={options.shm_gib}g",
        "--ulimit nofile=65536:65536",
        "-v /storage:/storage",
        *(f"--env {shlex.quote(f'{key}={value}')}" for key, value in environment.items()),
    ]
    return {"image": options.image, "container_name": "imgcls", "pull_before_run": True, "run_options": run}


def _mounting(options: RayUp) -> list[str]:
    """Return the commands, outside the container, that mount the storage where it is not yet."""
    mount = f"sudo mount {_MOUNTS[options.provider]} {options.nfs} /storage"
    return [
        "command -v mount.nfs || (sudo apt-get update && sudo apt-get install -y nfs-common)",
        f"sudo mkdir -p /storage && (mountpoint -q /storage || {mount})",
    ]


def _files(options: RayUp, job: Job) -> list[str]:
    """Return the commands that write the recipe and the script; in base64, for several shells read them."""
    recipe = f"{_SCRIPTS}/recipe.toml"
    launch = launch_script(job, recipe, options.workers_per_machine, options.wait_seconds)
    again = "\n".join(
        [
            "#!/bin/bash",
            f"for _ in $(seq {options.retries + 1}); do",
            f"    bash {_SCRIPTS}/launch.sh",
            "    code=$?",
            "    # finished, to be mended first, or ended on purpose",
            '    case $code in 0 | 2 | 75 | 130) exit "$code" ;; esac',
            "    sleep 30",
            "done",
            'exit "$code"',
            "",
        ]
    )
    written = {recipe: job.recipe, f"{_SCRIPTS}/launch.sh": launch, f"{_SCRIPTS}/run.sh": again}
    encoded = {path: base64.b64encode(text.encode()).decode() for path, text in written.items()}
    return [f"mkdir -p {_SCRIPTS}", *(f"echo {text} | base64 -d > {path}" for path, text in encoded.items())]


def _comments(options: RayUp, job: Job) -> list[str]:
    return [
        *about(job),
        f"The image needs {'boto3' if options.provider == 'aws' else 'google-api-python-client'} too, for Ray.",
        "The file system must be writable for user 1000, who is the image's.",
        "ray up -y FILE",
        f"ray exec FILE --tmux --stop 'bash {_SCRIPTS}/run.sh'; ray attach FILE --tmux",
        "At its end the workers' machines are given back; the head's by: ray down -y FILE",
        f"The recipe: ray exec FILE 'cat {_SCRIPTS}/recipe.toml'. Run again, it continues the run.",
    ]


COMPONENT = Component(
    name="ray-up",
    build=f"{__name__}:build",
    options=RayUp,
    summary="Ray's cluster launcher: machines of AWS or GCP that come for the run and go after it",
)
