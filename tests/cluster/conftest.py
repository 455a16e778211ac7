"""A head with a dashboard, for the tests of a module."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.jobs.head import Head
from tests.cluster.jobs.head import head as started


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A Ray head of two CPUs with a dashboard and a token, which this process's environment has."""
    # not below pytest's folder: the paths of sockets must be short
    with (
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
        started(patch.setenv, Path(folder)) as found,
    ):
        yield found
