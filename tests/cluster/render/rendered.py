"""Jobs to render, hostile ones too, and what a shell makes of their scripts."""

import os
import subprocess
from pathlib import Path
from typing import Any

from imgcls import Job
from imgcls.component import load
from imgcls.plugins import installed

RECIPE = 'about = "x"\nseed = 0\n\n[model]\nname = "lenet5"\n'
# what a shell, YAML, Docker Compose or a template would take for its own
HOSTILE = (
    "it's",
    'two "words"',
    "$(touch broken-out)",
    "`touch broken-out`",
    "; touch broken-out #",
    "-rf",
    "${HOME} $HOME $$",
    "@@{end} {{x}} %x %s",
    "a: b - [c] &d *e !f |",
    "naïve ☃ 𝔘",
    "back\\slash\\",
    "two\nlines",
)
HOSTILE_RECIPES = (
    'about = "$HOME `touch broken-out` $(touch broken-out) \'"\n',
    "EOF\nRECIPE\nRECIPE_00000000\n'\n\"\n)\n}\n@@{end}\n",
    "# ---\n...\n\ttabs and trailing spaces  \n  indented: {{ }} %s\\n\n",
    "no end of line",
    'about = "naïve ☃ 𝔘"\n\n\n',
)
_NOTING = """#!/bin/bash
if [ "$1" = launch ]; then
    printf '%s\\0' "$@" > "$NOTED/launch"
    cat -- "$2" > "$NOTED/recipe" 2> /dev/null || true
else
    printf '%s\\0' "$@" >> "$NOTED/others"
fi
"""


def job(**changes: Any) -> Job:
    """A run of two workers."""
    plain = {"name": "digits", "recipe": RECIPE, "storage": "runs", "workers": 2, "cpus": 4.0, "gpus": 1}
    return Job(**{**plain, **changes})


def render(kind: str, what: Job, **options: Any) -> str:
    """The text that a kind of cluster makes of a job."""
    component = installed().find("clusters", kind).component
    return load(component.build)(component.options(**options), what)


def executable(path: Path, text: str) -> Path:
    """Write a script that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def launched_by(script: str, folder: Path) -> list[str]:
    """The words of the launch that a script runs, with a stand-in for imgcls that notes them."""
    executable(folder / "bin/imgcls", _NOTING)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    command = ["bash", "-c", script]
    subprocess.run(command, cwd=folder, env={"PATH": path, "NOTED": str(folder)}, check=True, timeout=60)
    assert not (folder / "broken-out").exists()
    return (folder / "launch").read_text().split("\0")[:-1]
