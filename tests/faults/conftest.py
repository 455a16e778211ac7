"""Runs that nothing happened to, for comparison."""

from pathlib import Path

import pytest
from tests.faults.processes import imgcls
from tests.faults.recipes import small_steps


def _undisturbed(folder: Path, workers: int) -> Path:
    small_steps(folder)
    ended = imgcls("launch", "small_steps.toml", "--workers", workers, "--name", "undisturbed", cwd=folder)
    assert ended.code == 0, ended
    return folder


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipe and a finished run of it, ``undisturbed``, without Ray."""
    return _undisturbed(tmp_path_factory.mktemp("alone"), 0)


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipe and a finished run of it, ``undisturbed``, on two workers."""
    return _undisturbed(tmp_path_factory.mktemp("two"), 2)
