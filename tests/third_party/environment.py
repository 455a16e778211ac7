"""Wheels, and an environment in which they are installed as on a user's machine."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(source: Path, to: Path, *options: str) -> Path:
    """Build a distribution of a source tree without a network, and return the wheel."""
    # a copy, so that nothing is left in the tree, and nobody's edits come in between
    copy = to / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "runs", "dist", "build", "__pycache__", ".*_cache")
    shutil.copytree(source, copy, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", str(to / "dist"), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (to / "dist").glob("*.whl")
    return wheel


def fresh(folder: Path, *wheels: Path) -> Path:
    """Make a virtual environment with the wheels, and return its folder of programs.

    What they depend on is borrowed from this environment: everything in it but imgcls itself, which is
    installed here as an editable clone, and would be a second distribution of the same name.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    own = next((folder / "lib").glob("python*")) / "site-packages"
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith(("imgcls", "_editable_impl_imgcls", "__editable__", "pip")):
            (borrowed / entry.name).symlink_to(entry)
    (own / "borrowed.pth").write_text(f"{borrowed}\n")
    program = str(folder / "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", program, "install", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, *map(str, wheels)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "bin"
