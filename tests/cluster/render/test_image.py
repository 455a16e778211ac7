"""The file of the container image: what it copies is there, and what it says agrees with the rest."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet
from tests.cluster.render.rendered import job, render

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TEXT = files("imgcls_cluster.render").joinpath("Dockerfile").read_text()
# one instruction each, whatever lines it has
STEPS = [
    line.partition(" ")[::2] for line in re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", TEXT)).splitlines() if line
]


def of(instruction: str) -> list[str]:
    return [rest for name, rest in STEPS if name == instruction]


def test_the_command_prints_it(run_imgcls):
    ended = run_imgcls("cluster", "image")
    assert (ended.returncode, ended.stdout) == (0, TEXT)


def test_only_instructions_of_docker_are_in_it():
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ARG", "ENV", "USER", "CMD"}
    assert {name for name, _ in STEPS} == known


def test_what_it_copies_is_what_the_wheel_is_built_from():
    sources = [word for rest in of("COPY") if "--from" not in rest for word in rest.split()[:-1]]
    assert all((ROOT / source).exists() for source in sources)
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    roots = {package.partition("/")[0] for package in (*wheel["packages"], *wheel["force-include"])}
    named = {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], "pyproject.toml"}
    assert set(sources) == roots | named
    (copied,) = [rest.split()[0] for rest in of("COPY") if "--from" in rest]
    assert f" AS {copied.partition('=')[2]}" in TEXT


def test_its_python_is_one_that_imgcls_runs_on_and_the_same_in_both_stages():
    versions = set(re.findall(r"FROM python:(\d+\.\d+)-slim", TEXT))
    assert len(versions) == 1
    assert len(of("FROM")) == 2
    assert versions.pop() in SpecifierSet(PROJECT["project"]["requires-python"])


def test_its_name_and_its_extras_are_those_of_this_version():
    assert f"-t imgcls:{PROJECT['project']['version']} " in TEXT
    (extras,) = [rest.partition("=")[2] for rest in of("ARG") if rest.startswith("EXTRAS=")]
    assert set(extras.split(",")) <= PROJECT["project"]["optional-dependencies"].keys()
    assert "cluster" in extras.split(",")
    tree = yaml.safe_load(render("compose", job()))
    assert tree["services"]["head"]["image"] == f"imgcls:{PROJECT['project']['version']}"


def test_it_runs_as_the_user_that_kubernetes_runs_it_as():
    (uid,) = re.findall(r"useradd .*--uid (\d+) imgcls", TEXT)
    assert of("USER") == ["imgcls"]
    _, ray_job = yaml.safe_load_all(render("kuberay", job()))
    context = ray_job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["securityContext"]
    assert context == {"runAsUser": int(uid), "runAsNonRoot": True, "fsGroup": int(uid)}
    # the home that the files of `ray up` are written below
    assert of("WORKDIR")[-1] == "/home/imgcls"


def test_nothing_in_it_is_a_secret_and_no_secret_is_asked_for():
    assert not re.search(r"(?i)token|secret|password|_key|credential", TEXT)


def test_commands_are_found_in_login_shells_too():
    # `ray up` and KubeRay start them, and Debian's /etc/profile sets PATH anew
    assert "/etc/profile.d/" in TEXT
    assert re.search(r"PATH=/opt/imgcls/bin:\$PATH", of("ENV")[0])
