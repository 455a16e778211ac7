"""The batch script of ``imgcls cluster render slurm``: what a shell makes of it, with stand-ins for what it calls."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.render.rendered import HOSTILE, HOSTILE_RECIPES, executable, job, render
from tests.cluster.render.slurm_stand_in import SlurmJob

from imgcls import UserError

# note what they are called with; no cluster comes of it
_IMGCLS = """#!/bin/bash
[ "$1" = launch ] || exit 0
printf '%s\\0' "$@" > launch
cat -- "$2" > recipe
trap 'exit 75' TERM
if [ -n "$STAND_IN_CODE" ]; then exit "$STAND_IN_CODE"; fi
touch trains
while true; do sleep 0.05; done
"""
_RAY = """#!/bin/bash
printf '%s ' "$SLURMD_NODENAME" "$@" >> rays
echo >> rays
stat -c %a "$RAY_AUTH_TOKEN_PATH" >> modes
cat "$RAY_AUTH_TOKEN_PATH" >> tokens
echo >> tokens
if [ "$SLURMD_NODENAME" = "$STAND_IN_DOWN" ]; then echo "no room on this node"; exit 1; fi
echo "Ray runtime started."
if [ "$SLURMD_NODENAME" = "$STAND_IN_LOST" ] && [ "$(grep -c "^$SLURMD_NODENAME " rays)" = 1 ]; then exit 1; fi
trap 'exit 0' TERM
while true; do sleep 0.05; done
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator:
    started = []

    def run(
        script: str, nodes: tuple[str, ...] = ("one",), number: int | None = None, **environment: str
    ) -> SlurmJob:
        executable(tmp_path / "slurm/imgcls", _IMGCLS)
        executable(tmp_path / "slurm/ray", _RAY)
        variables = {"STAND_IN_CODE": "", "STAND_IN_DOWN": "", "STAND_IN_LOST": "", **environment}
        started.append(SlurmJob(script, tmp_path, nodes, variables, number))
        return started[-1]

    yield run
    for each in started:
        each.kill()


def wait_for(path: Path, job: SlurmJob, text: str = "") -> None:
    end = time.monotonic() + 60
    while not path.exists() or text not in path.read_text():
        assert job.process.poll() is None, job.out
        assert time.monotonic() < end, job.out
        time.sleep(0.02)


def directives(script: str) -> dict[str, str]:
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH ")]
    # Slurm reads none after the first command
    assert script.startswith("#!/bin/bash\n" + "\n".join(lines))
    return {key: value for key, _, value in (line.removeprefix("#SBATCH --").partition("=") for line in lines)}


FULL = {
    "partition": "gpu",
    "account": "vision",
    "qos": "long",
    "constraint": "a100&nvlink",
    "time": "1-12:00:00",
    "memory_gib": 32,
    "gpu_type": "a100",
    "workers_per_node": 4,
    "setup": ("module load python", "source 'my venv/bin/activate'"),
    "interface": "ib0",
}


def texts() -> list[str]:
    plain = [render("slurm", job()), render("slurm", job(workers=16, least=4), **FULL)]
    names = [render("slurm", job(name=name, storage=name)) for name in HOSTILE]
    return [*plain, *names, *(render("slurm", job(recipe=text)) for text in HOSTILE_RECIPES)]


@pytest.mark.parametrize("script", texts())
def test_it_is_a_script_of_bash(script):
    ended = subprocess.run(["bash", "-n"], input=script, capture_output=True, encoding="utf-8", check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", texts()[:3])
def test_shellcheck_has_nothing_to_say_but_that_it_has_no_venv(script):
    ended = subprocess.run(
        ["shellcheck", "--shell=bash", "--exclude=SC1091", "-"],
        input=script,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "")


def test_what_slurm_is_asked_for():
    assert directives(render("slurm", job(workers=16, cpus=6), **FULL)) == {
        "job-name": "digits",
        "nodes": "4",
        "ntasks-per-node": "1",
        "cpus-per-task": "24",
        "gpus-per-node": "a100:4",
        "mem": "128G",
        "partition": "gpu",
        "account": "vision",
        "qos": "long",
        "constraint": "a100&nvlink",
        "time": "1-12:00:00",
        "output": "%x-%j.out",
        "open-mode": "append",
        "signal": "B:TERM@300",
        "requeue": "",
    }


def test_without_gpus_none_is_asked_for_and_an_elastic_run_takes_fewer_nodes():
    found = directives(render("slurm", job(gpus=0, workers=16, least=5), workers_per_node=4))
    assert "gpus-per-node" not in found
    assert found["nodes"] == "2-4"


@pytest.mark.parametrize("option", ["partition", "account", "qos", "constraint", "gpu_type", "output"])
@pytest.mark.parametrize("value", ["two words", "a\n#SBATCH --uid=0", "a;b", "$HOME", "`id`", "", "#"])
def test_an_option_that_a_directive_cannot_have_is_refused(option, value):
    with pytest.raises(UserError, match=f"--option {option}="):
        render("slurm", job(), **{option: value})


@pytest.mark.parametrize("time", ["8", "480:00", "1:00:00", "0-1", "2-00:00:00", "0-0:9"])
def test_a_time_limit_that_leaves_time_to_train_is_taken(time):
    assert directives(render("slurm", job(), time=time))["time"] == time


@pytest.mark.parametrize("time", ["7", "7:59", "0:7:00", "0-0:7", "59"])
def test_a_time_limit_that_is_hardly_longer_than_the_last_checkpoint_takes_is_refused(time):
    seconds = 300 if time != "59" else 3500
    with pytest.raises(UserError, match=r"the job is told to stop signal_seconds=\d+ before that"):
        render("slurm", job(), time=time, signal_seconds=seconds)


@pytest.mark.parametrize("time", ["a day", "1h", "1:2:3:4", "-1", "1-2-3"])
def test_a_time_limit_that_is_none_is_refused(time):
    with pytest.raises(UserError, match="expected Slurm's DAYS-HOURS:MINUTES:SECONDS"):
        render("slurm", job(), time=time)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_reaches_the_launch_as_it_is(name, start, tmp_path):
    what = job(name=name, storage=name)
    assert start(render("slurm", what, setup=("true",)), STAND_IN_CODE="0").ended() == 0
    words = (tmp_path / "launch").read_text().split("\0")[:-1]
    assert words == what.command(words[1], words[-1])[1:]
    assert re.fullmatch(r"[0-9.]+:2\d{4}|[0-9.]+:3[01]\d{3}", words[-1])
    assert not (tmp_path / "broken-out").exists()


@pytest.mark.parametrize("text", HOSTILE_RECIPES)
def test_a_hostile_recipe_arrives_as_it_is(text, start, tmp_path):
    assert start(render("slurm", job(recipe=text)), STAND_IN_CODE="0").ended() == 0
    assert (tmp_path / "recipe").read_text() == text.rstrip("\n") + "\n"
    assert not (tmp_path / "broken-out").exists()


def test_a_recipe_that_holds_the_end_of_the_text_is_ended_by_another():
    first = render("slurm", job())
    marker = re.search(r"<< '(RECIPE_\w+)'", first)[1]

    class Twice(str):
        """A recipe that has the mark of its own end in a line, which no digest does by chance."""

        def encode(self, *_: str) -> bytes:
            return job().recipe.encode()

    script = render("slurm", job(recipe=Twice(f"{job().recipe}{marker}\nrm -rf x\n")))
    other = re.search(r"<< '(RECIPE_\w+)'", script)[1]
    assert other.startswith(marker)
    assert len(other) > len(marker)


def test_a_variable_of_the_job_is_there_and_breaks_out_of_nothing(start, tmp_path):
    what = job(environment={"HOSTILE": "$(touch broken-out) 'x'", "a;touch broken-out;": "1"})
    setup = ("true",)
    running = start(render("slurm", what, setup=setup), STAND_IN_CODE="0")
    assert running.ended() == 0
    assert not (tmp_path / "broken-out").exists()


@pytest.mark.parametrize("code", [0, 1, 2, 130, 143])
def test_the_code_of_a_launch_that_was_not_told_to_stop_is_passed_on(code, start):
    running = start(render("slurm", job()), STAND_IN_CODE=str(code))
    assert (running.ended(), running.requeued) == (code, 0)


def test_a_job_that_is_told_to_stop_is_queued_again(start, tmp_path):
    running = start(render("slurm", job()), ("one", "two"))
    wait_for(tmp_path / "trains", running)
    running.told_to_stop()
    assert (running.ended(), running.requeued) == (0, 1)


def test_a_job_that_is_told_to_stop_before_it_trains_is_queued_again(start, tmp_path):
    running = start(render("slurm", job(), setup=("touch begun; sleep 1",)))
    wait_for(tmp_path / "begun", running)
    running.told_to_stop()
    assert (running.ended(), running.requeued) == (0, 1)
    assert not (tmp_path / "launch").exists()


def test_a_job_that_was_cancelled_is_not_queued_again(start, tmp_path):
    running = start(render("slurm", job()), STAND_IN_STATE="CANCELLED")
    wait_for(tmp_path / "trains", running)
    running.told_to_stop()
    assert (running.ended(), running.requeued) == (75, 0)


def test_a_job_is_not_queued_again_for_ever(start, tmp_path):
    running = start(render("slurm", job(), requeues=3), SLURM_RESTART_COUNT="3")
    wait_for(tmp_path / "trains", running)
    running.told_to_stop()
    assert (running.ended(), running.requeued) == (75, 0)


def test_nodes_are_started_one_after_another_the_head_first(start, tmp_path):
    assert start(render("slurm", job(workers=3)), ("one", "two", "three"), STAND_IN_CODE="0").ended() == 0
    rays = [line.split() for line in (tmp_path / "rays").read_text().splitlines()]
    assert [words[0] for words in rays] == ["one", "two", "three"]
    assert ["--head" in words for words in rays] == [True, False, False]
    (address,) = {word for words in rays[1:] for word in words if word.startswith("--address=")}
    port = next(word for word in rays[0] if word.startswith("--port="))
    assert address.rpartition(":")[2] == port.partition("=")[2]
    assert len({word for words in rays for word in words if word.startswith("--temp-dir=")}) == 3


def test_each_job_has_a_token_that_no_argument_and_no_other_user_sees(start, tmp_path):
    script = render("slurm", job())
    for _ in range(2):
        running = start(script, ("one", "two"))
        wait_for(tmp_path / "trains", running)
        tokens = (tmp_path / "tokens").read_text().split()
        lines = running.command_lines()
        assert lines
        assert not any(token.encode() in line for line in lines for token in tokens)
        running.told_to_stop()
        running.ended()
        (tmp_path / "trains").unlink()
    assert len(tokens) == 4
    assert tokens[0] == tokens[1] != tokens[2] == tokens[3]
    assert {len(token) for token in tokens} == {64}
    assert set((tmp_path / "modes").read_text().split()) == {"600"}


def test_a_node_whose_ray_does_not_start_ends_the_job_with_its_reason(start):
    running = start(render("slurm", job()), ("one", "two"), STAND_IN_DOWN="two")
    assert (running.ended(limit=120), running.requeued) == (1, 0)
    assert "imgcls: Ray did not start on two" in running.out
    assert "no room on this node" in running.out


def test_a_worker_whose_ray_ends_joins_anew(start, tmp_path):
    running = start(render("slurm", job()), ("one", "two"), STAND_IN_LOST="two")
    wait_for(tmp_path / "trains", running)
    end = time.monotonic() + 30
    while (tmp_path / "rays").read_text().count("two ") < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    running.told_to_stop()
    assert (running.ended(), running.requeued) == (0, 1)


def test_a_script_without_imgcls_on_the_path_says_what_to_do(start, tmp_path):
    script = render("slurm", job(), setup=("PATH=/usr/bin:/bin",))
    running = start(script)
    assert running.ended() == 1
    assert "imgcls is not on the PATH; render with --option setup=" in running.out


def test_the_ports_of_two_jobs_are_different(start, tmp_path):
    script = render("slurm", job())
    ports = []
    for number in (7, 8):
        running = start(script, number=number, STAND_IN_CODE="0")
        assert running.ended() == 0
        found = re.findall(r"-port=(\d+)", (tmp_path / "rays").read_text())
        ports.append({port for port in found if port != "0"})
        (tmp_path / "rays").unlink()
    assert len(ports[0]) == len(ports[1]) == 3
    assert not ports[0] & ports[1]
