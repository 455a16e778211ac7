"""A RayJob for Kubernetes with the KubeRay operator, which makes a Ray cluster for the job and takes it away."""

from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt

from imgcls import Component, Job, UserError, __version__, options
from imgcls.storage.places import is_address
from imgcls_cluster.render._job import (
    about,
    fewest_nodes,
    label,
    launch_script,
    node_cpus,
    nodes,
    pairs,
    ray_version,
    stored_below,
)
from imgcls_cluster.render._yaml import document

_SCRIPTS = "/etc/imgcls"
_MOST_BYTES = 900_000  # of a ConfigMap, which Kubernetes limits to 1 MiB with all that is said about it
_USER = 1000  # of the image


@options
class KubeRay:
    """What the manifest says beyond the job."""

    image: Annotated[str, "container image, as `imgcls cluster image` builds it"] = f"imgcls:{__version__}"
    namespace: Annotated[str | None, "where the job lives; unset: kubectl's own"] = None
    workers_per_pod: Annotated[int, Gt(0), "workers, and so GPUs, of a pod"] = 1
    memory_gib: Annotated[int, Gt(0), "of a worker"] = 16
    shm_gib: Annotated[int, Gt(0), "of /dev/shm in a pod, in memory beside that"] = 4
    head_cpus: Annotated[int, Gt(0), "of the head, which trains nothing"] = 2
    head_memory_gib: Annotated[int, Gt(0), "of the head"] = 8
    storage_claim: Annotated[
        str,
        "PersistentVolumeClaim, ReadWriteMany, of the runs, unless --storage is an address",
    ] = "imgcls-storage"
    storage_mount: Annotated[str, "where it is in every pod; --storage lies below"] = "/storage"
    data_claim: Annotated[str | None, "PersistentVolumeClaim of the data, which is only read"] = None
    data_mount: Annotated[str, "where it is in every pod"] = "/data"
    env_secret: Annotated[str | None, "Secret whose keys become variables, such as AWS_ACCESS_KEY_ID"] = None
    pull_secret: Annotated[str | None, "Secret of the image's registry"] = None
    auth: Annotated[Literal["token", "none"], "whether Ray asks for a token; KubeRay 1.5.1 or later has it"] = (
        "token"
    )
    token_secret: Annotated[
        str | None, "Secret with the key auth_token, from KubeRay 1.6 on; unset: KubeRay makes one"
    ] = None
    node_selector: Annotated[tuple[str, ...], "labels of the workers' nodes, each key=value"] = ()
    retries: Annotated[int, Ge(0), "new clusters after a failure, each continues the run"] = 3
    deadline_seconds: Annotated[int | None, Gt(0), "after which the job is ended; unset: never"] = None
    keep_seconds: Annotated[int, Ge(0), "that the cluster stays when the job has ended"] = 600
    wait_seconds: Annotated[int, Gt(0), "that all nodes have to come, once the job has begun"] = 900


def build(options: KubeRay, job: Job) -> str:
    """Return a ConfigMap of the recipe and a RayJob.

    Raises:
        UserError: the recipe is too long for a ConfigMap; the storage is not on the claim.
    """
    job = stored_below(job, options.storage_mount)
    name = label(job.name)
    recipe, script = f"{_SCRIPTS}/recipe.toml", f"{_SCRIPTS}/launch.sh"
    files = {
        "recipe.toml": job.recipe,
        "launch.sh": launch_script(job, recipe, options.workers_per_pod, options.wait_seconds),
    }
    if sum(len(text.encode()) for text in files.values()) > _MOST_BYTES:
        raise UserError(
            f"the recipe is longer than {_MOST_BYTES:,} bytes, more than a ConfigMap of Kubernetes holds"
        )
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(name, options), "data": files}
    spec = {
        # the script's own words would be read by two shells; this has none to quote
        "entrypoint": f"bash {script}",
        "submissionMode": "K8sJobMode",
        "backoffLimit": options.retries,
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": options.keep_seconds,
        **({"activeDeadlineSeconds": options.deadline_seconds} if options.deadline_seconds else {}),
        "rayClusterSpec": _cluster(options, job, name),
    }
    ray_job = {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": _metadata(name, options), "spec": spec}
    return document(_comments(options, job, name), config, ray_job)


def _metadata(name: str, options: KubeRay) -> dict[str, Any]:
    return {"name": name, **({"namespace": options.namespace} if options.namespace else {})}


def _cluster(options: KubeRay, job: Job, name: str) -> dict[str, Any]:
    each = options.workers_per_pod
    count = nodes(job.workers, each)
    token = {"mode": "token", **({"secretName": options.token_secret} if options.token_secret else {})}
    cpus = node_cpus(job, each)
    worker = _container(options, job, "ray-worker", cpus, options.memory_gib * each, job.gpus * each)
    head = _container(options, job, "ray-head", options.head_cpus, options.head_memory_gib, 0)
    head["ports"] = [
        {"containerPort": port, "name": what}
        for what, port in (("gcs-server", 6379), ("dashboard", 8265), ("client", 10001))
    ]
    start = {"disable-usage-stats": "true", "object-store-memory": "200000000"}
    return {
        "rayVersion": ray_version(),
        **({"authOptions": token} if options.auth == "token" else {}),
        "headGroupSpec": {
            "rayStartParams": {**start, "num-cpus": "0", "dashboard-host": "0.0.0.0"},  # noqa: S104
            "template": _pod(options, job, name, head, {"restartPolicy": "Never"}),
        },
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                "replicas": count,
                "minReplicas": fewest_nodes(job, each),
                "maxReplicas": count,
                "rayStartParams": {**start, "num-cpus": str(cpus)},
                "template": _pod(options, job, name, worker, _placed(options, job)),
            }
        ],
    }


def _placed(options: KubeRay, job: Job) -> dict[str, Any]:
    """Return where the pods of workers go, and that their Ray is started again where it ends."""
    selector = pairs("node_selector", options.node_selector)
    taint = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    return {
        "restartPolicy": "Always",
        **({"nodeSelector": selector} if selector else {}),
        **({"tolerations": [taint]} if job.gpus else {}),
    }


def _container(options: KubeRay, job: Job, name: str, cpus: int, memory: int, gpus: int) -> dict[str, Any]:
    amount = {"cpu": str(cpus), "memory": f"{memory + options.shm_gib}Gi"}
    limits = {**amount, **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    # with a token KubeRay sets the mode itself
    auth = {"RAY_AUTH_MODE": "disabled"} if options.auth == "none" else {}
    cache = f"{options.storage_mount.rstrip('/')}/.cache"
    shared = {} if is_address(job.storage) else {"IMGCLS_CACHE": cache}
    environment = {**shared, **auth, **job.environment}
    secret = [{"secretRef": {"name": options.env_secret}}] if options.env_secret else []
    data = [{"name": "data", "mountPath": options.data_mount, "readOnly": True}] if options.data_claim else []
    return {
        "name": name,
        "image": options.image,
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        **({"envFrom": secret} if secret else {}),
        "resources": {"limits": limits, "requests": dict(limits)},
        "volumeMounts": [
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
            {"name": "scripts", "mountPath": _SCRIPTS, "readOnly": True},
            *([{"name": "storage", "mountPath": options.storage_mount}] if shared else []),
            *data,
        ],
    }


def _pod(options: KubeRay, job: Job, name: str, container: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    shm = {"medium": "Memory", "sizeLimit": f"{options.shm_gib}Gi"}
    claims = _claims(options, job)
    spec = {
        **more,
        "securityContext": {"runAsUser": _USER, "runAsNonRoot": True, "fsGroup": _USER},
        **({"imagePullSecrets": [{"name": options.pull_secret}]} if options.pull_secret else {}),
        "containers": [container],
        "volumes": [
            {"name": "shm", "emptyDir": shm},
            {"name": "scripts", "configMap": {"name": name}},
            *({"name": what, "persistentVolumeClaim": {"claimName": claim}} for what, claim in claims.items()),
        ],
    }
    return {"spec": spec}


def _claims(options: KubeRay, job: Job) -> dict[str, str]:
    """Return the claims that pods mount, by the name of the volume."""
    found = {} if is_address(job.storage) else {"storage": options.storage_claim}
    return {**found, **({"data": options.data_claim} if options.data_claim else {})}


def _comments(options: KubeRay, job: Job, name: str) -> list[str]:
    secrets = [secret for secret in (options.env_secret, options.token_secret, options.pull_secret) if secret]
    needed = [f"the claim {claim!r}" for claim in _claims(options, job).values()]
    needed += [f"the Secret {secret!r}" for secret in secrets]
    return [
        *about(job),
        *([f"First: {', '.join(needed)}"] if needed else []),
        f"kubectl apply -f FILE; kubectl logs -f -l job-name={name}; kubectl delete rayjob {name}",
        "Applied again after its end, it continues the run, or says that it is finished.",
    ]


COMPONENT = Component(
    name="kuberay",
    build=f"{__name__}:build",
    options=KubeRay,
    summary="Kubernetes with the KubeRay operator: a ConfigMap and a RayJob",
)
