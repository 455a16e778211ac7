"""``imgcls submit``: recipe -> what travels -> a job, which is followed."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from imgcls.errors import UserError
from imgcls.storage.places import is_address
from imgcls_cluster.jobs.job import Description, Job
from imgcls_cluster.jobs.shipment import Included, digest, included, stage, without_ignoring
from imgcls_cluster.jobs.watching import say, watch

if TYPE_CHECKING:
    from imgcls.recipe import Recipe
    from imgcls_cluster.jobs.client import Jobs

# of a dataset: what names a place
_PLACES = ("root", "file")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What ``imgcls submit`` was asked for.

    Attributes:
        recipe: read and checked.
        run: name of the run's folder.
        storage: folder or address of runs, as the cluster's nodes see it.
        include: paths that travel.
        detach: the job is not followed.
        plain: no live view.
    """

    recipe: "Recipe"
    run: str
    storage: str
    include: Sequence[str]
    detach: bool
    plain: bool

    def carry_out(self, address: str | None) -> int:
        """Submit, or find the run's job; return the exit code of the command.

        Raises:
            UserError: something to mend first; nothing was sent, or the cluster did not take it.
        """
        from imgcls_cluster.jobs.client import Jobs

        files, left_out = included(self.include, Path.cwd())
        for file in left_out:
            say(f"note: --include leaves out {file}, which looks like a secret")
        refuse_places(self.recipe, files)
        jobs = Jobs(address)
        text = shipped_text(self.recipe)
        about = self._about(text)
        name = running(jobs, about) or self._submit(jobs, about, text, files)
        if self.detach:
            say(come_back(jobs, name))
            return 0
        return watch(jobs, name, about.title, self.plain)

    def _about(self, text: str) -> Description:
        from imgcls import __version__
        from imgcls.cli.launching import title_of

        workers = self.recipe.workers
        count = f"{workers.least}..{workers.count}" if workers.elastic else str(workers.count)
        return Description(
            run=self.run,
            storage=self.storage,
            recipe=digest(text),
            title=title_of(self.recipe),
            workers=count,
            version=__version__,
        )

    def _submit(self, jobs: "Jobs", about: Description, text: str, files: Sequence[Included]) -> str:
        from imgcls_cluster.jobs.wheels import packages

        without_ignoring()
        file = f"{self.recipe.name}.toml"
        with TemporaryDirectory(prefix="imgcls-") as temporary:
            folder, wheels = Path(temporary) / "job", Path(temporary) / "wheels"
            folder.mkdir()
            wheels.mkdir()
            plugins = packages(self.recipe, wheels)
            launch = [f"./{file}", "--name", about.run, "--storage", about.storage, "--address", "auto", "--json"]
            job = {
                "imgcls": about.version,
                "needs": plugins.needs,
                "launch": launch,
                "command": self._again(jobs.url),
            }
            shipment = stage(folder, text, file, files, plugins, job)
            name = jobs.submit(about.run, shipment.entrypoint, shipment.runtime_env, about.to_metadata())
        carried = "".join(f", with {wheel.name.split('-')[0]}" for wheel in shipment.wheels)
        say(f"submitted {name} to {jobs.url}: {about.workers_in_words}, results in {about.folder}{carried}")
        return name

    def _again(self, url: str) -> str:
        """Return the command that continues the run, whatever the environment has."""
        words = ["imgcls", *sys.argv[1:]]
        for option, value in (("--address", url), ("--storage", self.storage)):
            if not any(word.startswith(option) for word in words):
                words += [option, value]
        return shlex.join(words)


def shipped_text(recipe: "Recipe") -> str:
    """Return the whole recipe, every value written out, as it is launched on the cluster."""
    from imgcls.recipe import to_toml

    # what the recipe is expected to reach says nothing of one that the command line changed
    return to_toml(replace(recipe, expect=None) if recipe.overridden else recipe)


def refuse_places(recipe: "Recipe", files: Sequence[Included]) -> None:
    """See that no path of a recipe is relative, which on the cluster is relative to nothing.

    Raises:
        UserError: one is, and ``--include`` does not bring it.
    """
    carried = {place for file in files for place in (file.name, *map(str, Path(file.name).parents))}
    options = {key: getattr(recipe.data.options, key, None) for key in _PLACES}
    if options["root"]:
        del options["file"]  # it may lie below root
    places = [("data", key, value) for key, value in options.items()]
    places += [("weights", "source", recipe.weights.source), ("distill", "teacher", recipe.distill.teacher)]
    for table, key, value in places:
        if not isinstance(value, str) or value in ("", "~") or "://" in value or value.startswith(("/", "~/")):
            continue
        if Path(value).as_posix() not in carried:
            raise recipe.error(
                (table, key),
                f"'{value}' is relative, and on the cluster's nodes there is no folder that it begins in; give "
                f"the path as every node has it (--set {table}.{key}=/...), or bring it: --include {value}",
            )


def running(jobs: "Jobs", about: Description) -> str | None:
    """Return the job in which the run goes on now; None where there is none.

    Raises:
        UserError: it runs with another recipe.
    """
    mine = [job for job in jobs.all()[0] if not job.is_ended and job.about.folder == about.folder]
    if not mine:
        return None
    job: Job = mine[0]
    if job.about.recipe != about.recipe:
        raise UserError(
            f"{about.folder} is being trained by {job.name}, with another recipe or other options; "
            f"wait for it, end it with `imgcls stop {job.name}`, or give this run another --name"
        )
    say(f"{job.name} trains this already; it is followed")
    return job.name


def come_back(jobs: "Jobs", name: str) -> str:
    """Say how to see a job again."""
    return f"to follow it: imgcls logs {name} -f --address {jobs.url}"


def storage_of(text: str) -> str:
    """Return ``--storage`` as the cluster takes it.

    Raises:
        UserError: it means no place on a cluster.
    """
    found = text.removeprefix("file://").rstrip("/")
    if is_address(found) or found.startswith("/"):
        return found
    raise UserError(
        f"--storage {text}: is relative, and the cluster's nodes are elsewhere; give the folder of runs as every "
        "node sees it, such as /mnt/runs"
    )
