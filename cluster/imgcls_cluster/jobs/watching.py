"""Following a job from a terminal, which may be left at any time: the run goes on."""

from typing import TYPE_CHECKING

import click

from imgcls.interrupts import INTERRUPTED, RUN_ME_AGAIN

if TYPE_CHECKING:
    from imgcls.report.terminal import Terminal
    from imgcls_cluster.jobs.client import Jobs


def say(text: str) -> None:
    """Print a line that is not of the run, on standard error."""
    click.echo(text, err=True)


def complain(text: str) -> None:
    """Print a line of a job's that is no event, such as one of an error's."""
    click.echo(text, err=True)


def terminal(title: str, plain: bool) -> "Terminal":
    """Return a view of a run."""
    from rich.console import Console

    from imgcls.report.terminal import Terminal

    return Terminal(Console(force_terminal=False if plain else None), title)


def watch(jobs: "Jobs", name: str, title: str, plain: bool) -> int:
    """Follow a job to its end, or until Ctrl-C; return the exit code of the command: the launch's own."""
    from imgcls_cluster.jobs.follow import Lost, Shown, follow

    view = terminal(title, plain)
    try:
        job = follow(jobs, name, Shown(view, complain), view.line)
    except Lost as lost:
        view.close()
        say(str(lost))
        return RUN_ME_AGAIN
    except KeyboardInterrupt:
        view.close()
        say(f"left {name}, which goes on; to follow it again: imgcls logs {name} -f --address {jobs.url}")
        say(f"to end it with a checkpoint: imgcls stop {name} --address {jobs.url}")
        return INTERRUPTED
    finally:
        view.close()
    return job.code
