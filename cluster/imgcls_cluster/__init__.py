"""Clusters: jobs on a running one, manifests for one that is yet to be, and what a run would reach on it."""

from collections.abc import Iterable

import click

from imgcls import Component, hookimpl


@hookimpl
def imgcls_commands() -> Iterable[click.Command]:
    from imgcls_cluster.commands import commands

    return commands()


@hookimpl
def imgcls_clusters() -> Iterable[Component]:
    from imgcls_cluster.render import components

    return components()
