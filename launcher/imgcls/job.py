"""A run as a cluster is asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Job:
    """What ``imgcls cluster render`` hands to a kind of cluster.

    Attributes:
        name: of the run's folder: a name that continues the run.
        recipe: its resolved text in TOML, every value written out, in one file.
        storage: the folder or address of runs, which every node sees.
        workers: how many train.
        least: fewest that train where there is no room for all; 0: always all.
        cpus: of each worker; the recipe has them too.
        gpus: of each worker, 0 or 1.
        environment: variables that the run needs on every node; no secret is among them.
        packages: what the recipe's components are from, as in ``imgcls 0.1.0``: every node must have them.
    """

    name: str
    recipe: str
    storage: str
    workers: int
    least: int = 0
    cpus: float
    gpus: int
    environment: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()

    def command(self, recipe: str, address: str = "auto") -> list[str]:
        """Return the words of the launch on a node of the cluster, which also continues.

        Args:
            recipe: where the recipe's file lies there.
            address: of the cluster, as that node has it.
        """
        elastic = 0 < self.least < self.workers
        launch = ["imgcls", "launch", recipe, "--name", self.name, "--storage", self.storage]
        return [
            *launch,
            "--workers",
            f"{self.least}..{self.workers}" if elastic else str(self.workers),
            "--cpus-per-worker",
            f"{self.cpus:g}",
            "--address",
            address,
        ]
