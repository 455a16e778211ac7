from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest


@pytest.fixture
def run_imgcls(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The real command in a process of its own; `env` is laid over this process's environment."""

    def run(
        *args: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "imgcls", *map(str, args)],
            cwd=cwd or tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "x.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write
