"""Arguments that the commands of jobs share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def address_option(command: F) -> F:
    """--address URL: the dashboard."""
    return click.option(
        "--address",
        envvar="IMGCLS_ADDRESS",
        show_envvar=True,
        metavar="URL",
        help="The dashboard of the cluster's head, http://HOST:8265. RAY_ADDRESS does not count.",
    )(command)


def job_argument(command: F) -> F:
    """JOB: as `imgcls jobs` lists it."""
    return click.argument("job", metavar="JOB")(command)


def json_option(command: F) -> F:
    """--json: for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
