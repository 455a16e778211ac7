"""P2 and P3 on several hosts: one dies, or is cut off, with the time until the run trains again.

Nothing is set that a user would have to set, for Ray neither.
"""

import time

import pytest
from tests.faults import gated
from tests.faults.processes import Launch, assert_same_end, result
from tests.faults.recipes import EPOCHS, STEPS
from tests.hosts.conftest import begun_again, no_workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HEAD_CPUS = 0
_SAMPLES = 1438
_FAULT = STEPS + 40  # in the middle of the second epoch
_CUT = 30.0  # seconds


def _assert_each_once(launch: Launch) -> None:
    gated.assert_each_sample_once(launch.folder, STEPS, EPOCHS, _SAMPLES)


def test_a_host_whose_raylet_is_killed_is_waited_for_and_the_weights_are_those_of_an_undisturbed_run(
    site, three_on_one_host
):
    with site.launch("3", "killed-fixed") as launch:
        gate = gated.gate(launch.folder, 3, _FAULT)
        gated.waits_at(launch, 3, _FAULT)
        site.hosts.workers[1].kill_raylet()
        gate.unlink()
        killed = time.monotonic()
        site.hosts.workers[1].start_again()
        took = begun_again(launch, killed, within=120)
        print(f"a raylet is killed and started again: trains after {took:.1f} s")
        ended = launch.ended()
        launch.nothing_left(within=15)
    assert ended.code == 0, ended
    assert [event["workers"] for event in launch.events("run")] == [3, 3]
    assert_same_end(three_on_one_host, launch.folder)
    _assert_each_once(launch)


def test_with_a_range_the_others_go_on_when_a_raylet_is_killed(site):
    lost = site.hosts.workers[1]
    with site.launch("2..3", "killed-range") as launch:
        gate = gated.gate(launch.folder, 3, _FAULT)
        gated.waits_at(launch, 3, _FAULT)
        lost.kill_raylet()
        killed = time.monotonic()
        took = begun_again(launch, killed, within=90)
        gate.unlink()
        print(f"a raylet is killed: two of three train after {took:.1f} s")
        ended = launch.ended()
        launch.nothing_left(within=15)
    lost.start_again()
    assert ended.code == 0, ended
    assert [event["workers"] for event in launch.events("run")] == [3, 2]
    _assert_each_once(launch)
    assert result(launch.folder)["top1"] > 85


def test_with_a_range_the_others_go_on_when_a_host_is_cut_off_and_all_do_when_it_is_back(site):
    cut = site.hosts.workers[2]
    with site.launch("2..3", "cut") as launch, cut.looked_after():
        three, two = gated.gate(launch.folder, 3, _FAULT), gated.gate(launch.folder, 2, _FAULT + 20)
        gated.waits_at(launch, 3, _FAULT)
        cut.host.cut()
        began = time.monotonic()
        three.unlink()
        took = begun_again(launch, began, within=120)
        print(f"a host is cut off: two of three train after {took:.1f} s")
        gated.waits_at(launch, 2, _FAULT + 20)
        time.sleep(max(0.0, began + _CUT - time.monotonic()))
        cut.host.mend()
        mended = time.monotonic()
        launch.wait_for("the request for a checkpoint", (launch.folder / "save").exists)
        gated.looked(launch, 2)
        two = gated.go_on_until(launch, two, lambda: launch.events("warning"))
        launch.wait_for("three workers again", lambda: len(launch.events("run")) == 3)
        two.unlink()
        print(f"its cable is in again: three train after {time.monotonic() - mended:.1f} s")
        ended = launch.ended()
        launch.nothing_left(within=15)
        assert no_workers(launch, within=15)
    assert ended.code == 0, ended
    assert f"{cut.host.address} has not answered for 10 s; starting again" in ended.out, ended
    assert [event["workers"] for event in launch.events("run")] == [3, 2, 3]
    _assert_each_once(launch)
    assert result(launch.folder)["top1"] > 85


def test_a_host_that_is_cut_off_is_waited_for_and_the_weights_are_those_of_an_undisturbed_run(
    site, three_on_one_host
):
    cut = site.hosts.workers[2]
    with site.launch("3", "cut-fixed") as launch, cut.looked_after():
        gate = gated.gate(launch.folder, 3, _FAULT)
        gated.waits_at(launch, 3, _FAULT)
        cut.host.cut()
        began = time.monotonic()
        gate.unlink()
        told = f"{cut.host.address} has not answered for 10 s; workers there are waited for"
        launch.wait_for("a word about it", lambda: told in launch.out, limit=30)
        time.sleep(max(0.0, began + _CUT - time.monotonic()))
        gate = gated.gate(launch.folder, 3, _FAULT + 20)
        cut.host.mend()
        mended = time.monotonic()
        gated.waits_at(launch, 3, _FAULT + 20)
        took = time.monotonic() - mended
        launch.wait_for("a word about its return", lambda: f"{cut.host.address} answers again" in launch.out)
        gate.unlink()
        print(f"a host is cut off for {_CUT:.0f} s: all train on {took:.1f} s after its return")
        ended = launch.ended()
        launch.nothing_left(within=15)
        assert no_workers(launch, within=15)
    assert ended.code == 0, ended
    assert_same_end(three_on_one_host, launch.folder)
    _assert_each_once(launch)


def test_ctrl_c_while_a_host_is_cut_off_ends_with_130_and_leaves_nothing(site):
    cut = site.hosts.workers[2]
    with site.launch("2..3", "interrupted") as launch, cut.looked_after():
        gate = gated.gate(launch.folder, 3, _FAULT)
        gated.waits_at(launch, 3, _FAULT)
        cut.host.cut()
        gate.unlink()
        launch.interrupt()
        interrupted = time.monotonic()
        ended = launch.ended(limit=90)
        print(f"Ctrl-C while a host is cut off: ends after {time.monotonic() - interrupted:.1f} s")
        launch.nothing_left(within=15)
        cut.host.mend()
        assert no_workers(launch, within=60)
    assert ended.code == 130, ended
    assert "to continue:" in ended.out, ended
