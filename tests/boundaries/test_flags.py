"""The whole command line. It grows on purpose, or not at all."""

import click
import pytest

from imgcls.cli import cli

COMPONENTS = ["[WHAT]...", "--json"]
COMMANDS = {
    "": ["--version"],
    "launch": [
        "RECIPE", "--set", "--workers", "--address", "--cpus-per-worker", "--name", "--storage", "--plain",
        "--timings", "--json",
    ],
    "tune": [],
    "tune run": [
        "RECIPE", "--set", "--trials", "--workers-per-trial", "--max-concurrent", "--cpus-per-worker", "--address",
        "--confirm", "--best", "--name", "--storage", "--plain",
    ],
    "tune show": ["RUN", "--json", "--top", "--html", "--force"],
    "rerun": ["RUN", "--name", "--storage", "--workers", "--anyway"],
    "verify-resume": [
        "RECIPE", "--set", "--kill-at", "--times", "--workers", "--what", "--during", "--seed", "--storage",
    ],
    "recipe": [],
    "recipe show": ["RECIPE", "--set"],
    "recipe check": ["RECIPE", "--set"],
    "data": [],
    "data index": ["RECIPE", "--set", "--storage"],
    "data check": ["RECIPE", "--set", "--storage", "--threads", "--max-pixels", "--report"],
    "preview": ["RECIPE", "--set", "--storage", "--rows", "--epoch", "--out", "--force"],
    "parity": ["RECIPE", "--set", "--storage", "--images", "--weights"],
    "bench": [],
    "bench data": ["RECIPE", "--set", "--storage", "--seconds"],
    "doctor": ["RECIPE", "--set", "--workers", "--address", "--storage", "--json"],
    "evaluate": [
        "RUN_OR_CHECKPOINT", "--data", "--set", "--split", "--json", "--force", "--batch-size", "--all-classes",
    ],
    "predict": [
        "RUN_OR_CHECKPOINT", "[IMAGES]...", "--top", "--format", "--out", "--force", "--batch-size",
    ],
    "lr-find": ["RECIPE", "--set", "--storage", "--steps", "--from", "--to", "--out", "--force"],
    "export": ["RUN_OR_CHECKPOINT", "--to", "--out", "--force", "--batch-size"],
    "average": ["RUN", "--last", "--steps", "--statistics", "--out", "--force"],
    "submit": [
        "RECIPE", "--set", "--address", "--workers", "--cpus-per-worker", "--name", "--storage", "--include",
        "--detach", "--plain",
    ],
    "jobs": ["--address", "--json"],
    "logs": ["JOB", "--address", "-f/--follow", "--plain"],
    "status": ["JOB", "--address", "--json"],
    "stop": ["JOB", "--address"],
    "fetch": ["JOB", "--address", "--out"],
    "plugins": ["--json"],
    "models": ["[WHAT]...", "--sort", "--json", "--batch-size", "--depth"],
    "datasets": COMPONENTS,
    "augmentations": COMPONENTS,
    "optimizers": COMPONENTS,
    "schedules": COMPONENTS,
    "losses": COMPONENTS,
    "trackers": COMPONENTS,
    "callbacks": COMPONENTS,
    "clusters": COMPONENTS,
    "cluster": [],
    "cluster render": [
        "KIND", "RECIPE", "--set", "--workers", "--cpus-per-worker", "--gpus-per-worker", "--name", "--storage", "--option",
    ],
    "cluster image": [],
    "cluster wait": ["NODES", "--address", "--seconds"],
    "plan": [
        "RECIPE", "--set", "--workers", "--bandwidth", "--latency", "--workers-per-host", "--host-bandwidth",
        "--input-speed", "--speed", "--measure", "--seconds", "--measurements", "--json",
    ],
}  # fmt: skip


def walk(command, path=()):
    yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), (*path, name))


FOUND = dict(walk(cli))


def written(parameter):
    if isinstance(parameter, click.Option):
        return "/".join([*parameter.opts, *parameter.secondary_opts])
    name = parameter.name.upper()
    return f"[{name}]..." if parameter.nargs == -1 else name


def test_there_are_these_commands_and_no_others():
    assert FOUND.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_these_options_and_no_others(name):
    assert [written(parameter) for parameter in FOUND[name].params] == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_options_say_what_they_do(name):
    assert FOUND[name].help
    for parameter in FOUND[name].params:
        assert not isinstance(parameter, click.Option) or parameter.help
