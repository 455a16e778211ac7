"""P2 where the head of a cluster dies: its control store, its raylet, and what of a run is on it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from tests.faults import gated
from tests.faults.processes import COMMAND, Launch, assert_same_end
from tests.faults.recipes import EPOCHS, STEPS
from tests.hosts.conftest import Site, begun_again, no_workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HEAD_CPUS = 0
DASHBOARD = True
# how long a raylet, and what runs on it, outlives its head: Ray's own choice is 60
SETTINGS = {"RAY_gcs_rpc_server_reconnect_timeout_s": "10"}
_SAMPLES = 1438
_FAULT = STEPS + 40  # in the middle of the second epoch


@contextmanager
def _looked_after(site: Site) -> Iterator[None]:
    with ExitStack() as each:
        for node in site.hosts.workers:
            each.enter_context(node.looked_after())
        yield


def test_a_launch_outlives_its_head_and_the_weights_are_those_of_an_undisturbed_run(site, three_on_one_host):
    with site.launch("3", "headless") as launch, _looked_after(site):
        gate = gated.gate(launch.folder, 3, _FAULT)
        gated.waits_at(launch, 3, _FAULT)
        site.hosts.head.end()
        killed = time.monotonic()
        site.hosts.head.start_again()
        print(f"the head is killed: it is there again after {time.monotonic() - killed:.1f} s")
        # the gate stays shut: workers outlive the head by some seconds, time for many steps
        took = begun_again(launch, killed, within=240)
        gate.unlink()
        print(f"the head is killed: the same launch trains again after {took:.1f} s")
        ended = launch.ended()
        launch.nothing_left(within=15)
        assert no_workers(launch, within=15)
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert "is gone; waiting for it to be started again" in ended.out, ended
    assert [event["workers"] for event in launch.events("run")] == [3, 3]
    assert_same_end(three_on_one_host, launch.folder)
    gated.assert_each_sample_once(launch.folder, STEPS, EPOCHS, _SAMPLES)


def _submit(site: Site) -> Launch:
    """Submit from the head's host, which the head's processes leave alone."""
    storage, url = site.folder / "runs", "http://127.0.0.1:8265"
    arguments = ["submit", "small_steps.toml", "--workers", "3", "--storage", storage, "--address", url]
    return Launch(
        [*arguments, "--name", "job"], site.folder, name="job", command=site.hosts.head.host.command(COMMAND)
    )


def test_the_same_submit_continues_a_job_whose_head_has_died(site, three_on_one_host):
    with _looked_after(site):
        with _submit(site) as submit:
            gate = gated.gate(submit.folder, 3, _FAULT)
            gated.waits_at(submit, 3, _FAULT)
            site.hosts.head.end()
            killed = time.monotonic()
            site.hosts.head.start_again()
            told = submit.ended(limit=300)
        assert told.code == 75, told
        assert "the same `imgcls submit` continues" in told.err, told
        with _submit(site) as again:
            again.wait_for("the next beginning", lambda: [e["step"] for e in again.events("run")] == [200])
            took = time.monotonic() - killed
            gate.unlink()
            print(f"the head is killed: the same submit trains again after {took:.1f} s")
            ended = again.ended(limit=300)
        assert no_workers(again, within=15)
    assert took < 240
    assert ended.code == 0, ended
    assert "continuing after step 200 of 360" in ended.out, ended
    assert_same_end(three_on_one_host, again.folder)
    gated.assert_each_sample_once(again.folder, STEPS, EPOCHS, _SAMPLES)
