"""``imgcls cluster render`` as a user has it: its options, its messages, and kinds of other packages."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import yaml

from imgcls.cli import cli
from imgcls.errors import UserError
from imgcls.plugins import installed

OWN = ("compose", "kuberay", "ray-up", "slurm")
NEEDED = {"ray-up": {"provider": "aws", "image": "x", "machine_image": "ami-0", "nfs": "fs:/"}}
NOMAD = '''
"""A kind of cluster that another package brings."""

from typing import Annotated

from annotated_types import Ge

from imgcls import Component, hookimpl, options


@options
class Nomad:
    region: Annotated[str, "where it runs"]
    priority: Annotated[int, Ge(1), "which job goes first"] = 50


def build(options, job):
    return f"{options.region} {options.priority} {job.workers} {job.name} {job.packages}\\n{job.recipe}"


@hookimpl
def imgcls_clusters():
    return [Component("nomad", "acme:build", Nomad, summary="Nomad of HashiCorp")]
'''


@pytest.fixture
def acme(tmp_path: Path) -> dict[str, str]:
    """The environment in which a made-up package is installed that brings the kind of cluster ``acme:nomad``."""
    (tmp_path / "acme.py").write_text(NOMAD)
    info = tmp_path / "acme-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text("[imgcls]\nacme = acme\n")
    return {"PYTHONPATH": str(tmp_path)}


def test_these_kinds_are_imgclss_own():
    assert tuple(installed().components("clusters")) == OWN


def test_a_kind_of_another_package_is_used_like_our_own(run_imgcls, acme):
    assert "acme:nomad  Nomad of HashiCorp" in run_imgcls("clusters", env=acme).stdout
    told = run_imgcls("clusters", "show", "acme:nomad", env=acme).stdout
    assert "region  (str, required) where it runs" in told
    command = ("cluster", "render", "acme:nomad", "digits_lenet", "--workers", "3", "--option")
    ended = run_imgcls(*command, "region=eu", "--option", "priority=7", env=acme)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("eu 7 3 digits_lenet ('imgcls 0.1.0',)\nabout = ")
    ended = run_imgcls(*command, "priority=0", env=acme)
    assert ended.returncode == 2
    assert "--option region: missing; it has no default\n" in ended.stderr
    assert "--option priority: must be at least 1, got 0\n" in ended.stderr


@pytest.mark.parametrize("kind", OWN)
def test_the_same_job_gives_the_same_text(kind, run_imgcls):
    options = [word for key, value in NEEDED.get(kind, {}).items() for word in ("--option", f"{key}={value}")]
    command = ("cluster", "render", kind, "digits_lenet", "--workers", "4..16", *options)
    first, second = (run_imgcls(*command, env={"PYTHONHASHSEED": seed}) for seed in ("1", "2"))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == second.stdout


def test_the_recipe_is_whole_and_is_the_one_that_was_asked_for(run_imgcls, tmp_path):
    ended = run_imgcls(
        *("cluster", "render", "kuberay", "digits_lenet", "--workers", "16", "--cpus-per-worker", "6"),
        *("--set", "optimizer.lr=0.25", "--gpus-per-worker", "0", "--name", "mine", "--storage", "vision/runs"),
    )
    assert ended.returncode == 0, ended.stderr
    config, _ = yaml.safe_load_all(ended.stdout)
    recipe = tomllib.loads(config["data"]["recipe.toml"])
    assert recipe["optimizer"]["lr"] == 0.25
    assert (recipe["workers"]["count"], recipe["workers"]["cpus"]) == (16, 6)
    assert "extends" not in recipe
    launch = config["data"]["launch.sh"]
    assert "--name mine --storage /storage/vision/runs --workers 16 --cpus-per-worker 6 --address auto" in launch
    assert "nvidia" not in ended.stdout
    # it is a recipe that is launched: the same once more
    (tmp_path / "again.toml").write_text(config["data"]["recipe.toml"])
    again = run_imgcls("cluster", "render", "kuberay", "again.toml", "--gpus-per-worker", "0", "--name", "mine")
    assert next(yaml.safe_load_all(again.stdout))["data"]["recipe.toml"] == config["data"]["recipe.toml"]


BAD = {
    "unknown kind of cluster 'slrum'; did you mean 'slurm'?": ("slrum", "digits_lenet"),
    "'sgd' is an optimizer, not a kind of cluster": ("sgd", "digits_lenet"),
    "there is no such file, and no shipped recipe of that name": ("slurm", "digits_lent"),
    "optimizer.momentun: unknown option; did you mean 'momentum'?": ("slurm", "digits_lenet", "--set", "optimizer.momentun=1"),
    "--option partion: unknown option; did you mean 'partition'?": ("slurm", "digits_lenet", "--option", "partion=gpu"),
    "--option memory_gib: expected an integer, got the string \"8G\"": ("slurm", "digits_lenet", "--option", "memory_gib=8G"),
    "--option signal_seconds: must be at least 10, got 1": ("slurm", "digits_lenet", "--option", "signal_seconds=1"),
    "--option setup: expected a list, got the string \"module\"": ("slurm", "digits_lenet", "--option", "setup=module"),
    "--option auth: \"off\" is not one of 'token', 'none'": ("kuberay", "digits_lenet", "--option", "auth=off"),
    "--option provider: missing; it has no default": ("ray-up", "digits_lenet"),
    "--option qos: is given twice": ("slurm", "digits_lenet", "--option", "qos=a", "--option", "qos=b"),
    '--option "qos": expected key=value': ("slurm", "digits_lenet", "--option", "qos"),
    "`imgcls clusters show slurm` lists the options": ("slurm", "digits_lenet", "--option", "x=1"),
    "0 workers train without Ray": ("slurm", "digits_lenet", "--workers", "0"),
    "--name 'a/b' cannot be the name of a folder": ("slurm", "digits_lenet", "--name", "a/b"),
    '--name "a\\nb": has letters that cannot be printed': ("slurm", "digits_lenet", "--name", "a\nb"),
    "an address with a password would be in the text": ("slurm", "digits_lenet", "--storage", "s3://user:word@b/c"),
    "--storage /elsewhere: is not below /storage": ("compose", "digits_lenet", "--storage", "/elsewhere"),
}  # fmt: skip


@pytest.mark.parametrize(("message", "words"), BAD.items())
def test_what_is_wrong_is_said_and_nothing_is_written(message, words, capsys):
    with pytest.raises(UserError) as raised:
        cli.main(["cluster", "render", *words], standalone_mode=False)
    assert message in str(raised.value)
    assert capsys.readouterr().out == ""


def test_the_exit_code_of_bad_input_is_2_without_a_traceback(run_imgcls):
    ended = run_imgcls("cluster", "render", "slurm", "digits_lenet", "--option", "partion=gpu")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "--option partion: unknown option; did you mean 'partition'?",
        "`imgcls clusters show slurm` lists the options",
    ]


@pytest.mark.parametrize(
    ("text", "value"), [("12:00:00", "12:00:00"), ("90", "90"), ('"1-0"', "1-0"), ("1-12:00:00", "1-12:00:00")]
)
def test_a_word_that_toml_would_take_for_a_number_or_a_time_is_a_word(text, value, capsys):
    cli.main(["cluster", "render", "slurm", "digits_lenet", "--option", f"time={text}"], standalone_mode=False)
    assert f"#SBATCH --time={value}\n" in capsys.readouterr().out


@pytest.mark.parametrize("kind", OWN)
def test_every_option_has_a_line_of_help(kind):
    hints = get_type_hints(installed().find("clusters", kind).component.options, include_extras=True)
    assert len(hints) >= 10
    for name, hint in hints.items():
        assert any(isinstance(note, str) and note for note in get_args(hint)[1:]), name


def test_rendering_imports_no_framework():
    code = (
        "import sys; from imgcls.cli import cli\n"
        "cli.main(['cluster', 'render', 'kuberay', 'digits_lenet'], standalone_mode=False)\n"
        "sys.exit(', '.join({'torch', 'ray', 'nvidia', 'sklearn'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.stderr, "kind: RayJob" in ended.stdout) == ("\n", True)
