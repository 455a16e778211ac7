"""What made-up facts say of names, interfaces, clocks, tokens and connections."""

from __future__ import annotations

import pytest
from tests.launcher.doctor.made_up import facts

from imgcls.doctor.judge_network import Exchange, Reached, judged_exchange, judged_look_ups, judged_network
from imgcls.doctor.names import Names, Token

INTERFACES = {"lo": "127.0.0.1", "eth0": "10.0.0.2", "eth1": "192.168.0.2"}
FIRST = Reached("n1", "10.0.0.1", facts())


def second(clock=None, **changed):
    names = {"hostname": "n2", "resolves": "10.0.0.2", "interfaces": INTERFACES}
    own = {key: changed.pop(key) for key in list(changed) if key in ("resolves", "interfaces", "picked")}
    return Reached("n2", "10.0.0.2", facts(names=Names(**{**names, **own}), **changed), clock)


def of_second(check, **changed):
    found = [f for f in judged_network([FIRST, second(**changed)]) if (f.node, f.check) == ("n2", check)]
    assert len(found) == 1, found
    return found[0]


def test_of_several_interfaces_the_one_with_rays_address_is_named_and_what_a_run_sets():
    found = of_second("interface")
    assert found.status == "ok"
    assert found.detail.startswith("eth0 has Ray's address; others: eth1")
    assert "a run sets GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME" in found.detail


def test_an_address_that_no_interface_has_is_an_error():
    found = of_second("interface", interfaces={"lo": "127.0.0.1", "eth1": "192.168.0.2"})
    assert found.status == "error"
    assert "none of its interfaces has (lo 127.0.0.1, eth1 192.168.0.2)" in found.detail
    assert "--node-ip-address" in found.mend


@pytest.mark.parametrize(
    ("variable", "value", "is_right"),
    [
        ("GLOO_SOCKET_IFNAME", "eth0", True),
        ("GLOO_SOCKET_IFNAME", "eth", False),
        ("GLOO_SOCKET_IFNAME", "ib0", False),
        ("GLOO_SOCKET_IFNAME", "lo", False),
        ("GLOO_SOCKET_IFNAME", "eth1", True),
        ("NCCL_SOCKET_IFNAME", "eth", True),
        ("NCCL_SOCKET_IFNAME", "=eth", False),
        ("NCCL_SOCKET_IFNAME", "=eth1", True),
        ("NCCL_SOCKET_IFNAME", "^docker0,lo", True),
        ("NCCL_SOCKET_IFNAME", "ib,eth", True),
    ],
)
def test_a_variable_that_picks_an_interface_which_is_not_there_is_an_error(variable, value, is_right):
    found = of_second("interface", picked={variable: value})
    assert found.status == ("ok" if is_right else "error")
    assert is_right or f"unset {variable}" in found.mend


def test_a_hostname_that_is_loopback_names_the_variables_for_other_programs():
    found = of_second("hostname", resolves="127.0.1.1")
    assert found.status == "warning"
    assert "its own name resolves to 127.0.1.1 there" in found.detail
    assert "GLOO_SOCKET_IFNAME=eth0 NCCL_SOCKET_IFNAME=eth0" in found.mend
    picked = {"GLOO_SOCKET_IFNAME": "eth0", "NCCL_SOCKET_IFNAME": "eth0"}
    assert of_second("hostname", resolves="127.0.1.1", picked=picked).status == "ok"


def test_on_one_host_its_name_does_not_matter():
    alone = [second(resolves="127.0.1.1"), second(resolves="127.0.1.1")]
    assert "hostname" not in [finding.check for finding in judged_network(alone)]


@pytest.mark.parametrize(
    ("ahead", "bound", "status"),
    [(0.002, 0.001, "ok"), (-0.9, 0.2, "ok"), (1.5, 0.6, "ok"), (1.7, 0.6, "warning"), (-90.0, 0.1, "error")],
)
def test_a_clock_is_wrong_only_as_far_as_that_is_sure(ahead, bound, status):
    found = of_second("clock", clock=(ahead, bound))
    assert found.status == status
    assert status == "ok" or ("ahead" if ahead > 0 else "behind") in found.detail


def test_a_token_that_others_can_read_is_named_by_its_file_alone():
    found = of_second("token", token=Token(True, "/etc/ray/token", "group and others"))
    assert found.status == "warning"
    assert found.detail == "/etc/ray/token can be read by group and others"
    assert found.mend == "chmod 600 /etc/ray/token"


def test_several_hosts_without_a_token_are_open_to_all():
    assert "RAY_AUTH_MODE=token" in of_second("token", token=Token(False)).mend


def test_connections_that_fail_name_both_ends_and_no_sum_is_told_of():
    why = "no answer from 10.0.0.1, port 4321, within 4 s"
    (found,) = judged_exchange(["n1", "n2"], Exchange([("n2", "n1", why)]))
    assert (found.check, found.node, found.status) == ("connections", "n2", "error")
    assert found.detail == f"cannot reach n1: {why}"


def test_names_that_take_long_to_look_up_are_a_warning_that_says_what_waits():
    (found,) = judged_look_ups({"n1": 0.01, "n2": 10.2})
    assert (found.check, found.node, found.status) == ("hostname", "n2", "warning")
    assert "each start of workers waits" in found.detail
    assert "/etc/hosts" in found.mend


def test_a_sum_that_fails_names_the_node_and_one_that_works_its_speed():
    failed = judged_exchange(["n1", "n2"], Exchange(failures={"n2": "no answer within 20 s"}))
    assert [(f.check, f.status) for f in failed] == [("connections", "ok"), ("all-reduce", "error")]
    worked = judged_exchange(["n1", "n2"], Exchange(speeds={4: 112.4, 64: 117.9}))
    assert worked[1].detail == "4 MB at 112 MB/s, 64 MB at 118 MB/s (gloo, 2 nodes)"
