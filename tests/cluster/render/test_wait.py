"""``imgcls cluster wait``, which every rendered script runs before it launches."""

from __future__ import annotations

import pytest
from tests.faults.ray_nodes import cluster


def test_a_cluster_that_is_not_there_is_given_up_with_the_reason(run_imgcls):
    ended = run_imgcls("cluster", "wait", "2", "--address", "127.0.0.1:1", "--seconds", "0")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(
        "after 0 s there are 0 of 2 nodes for workers; --address 127.0.0.1:1: nothing can"
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nodes_with_cpus_are_waited_for_and_the_head_is_none(tmp_path, run_imgcls, monkeypatch):
    with cluster(monkeypatch.setenv, 1, tmp_path) as nodes:  # with a token of its own
        wait = ("cluster", "wait", "--address", nodes.address)
        assert run_imgcls(*wait, "1", "--seconds", "60").returncode == 0
        ended = run_imgcls(*wait, "2", "--seconds", "1")
        assert (ended.returncode, ended.stderr) == (1, "after 1 s there are 1 of 2 nodes for workers\n")
        ended = run_imgcls(*wait, "1", env={"RAY_AUTH_TOKEN": "f" * 64})
        assert (ended.returncode, "the cluster wants another token" in ended.stderr) == (2, True), ended.stderr
        assert "f" * 64 not in ended.stdout + ended.stderr
