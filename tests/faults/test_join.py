"""A running cluster is joined, or it is said in words why not."""

import os

import pytest
from tests.faults.processes import imgcls
from tests.faults.ray_nodes import cluster
from tests.faults.recipes import small_steps

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_wrong_token_and_workers_that_do_not_fit_are_said_in_words(monkeypatch, tmp_path):
    small_steps(tmp_path)
    with cluster(monkeypatch.setenv, nodes=0, path=tmp_path) as found:
        arguments = ["launch", "small_steps.toml", "--workers", "1..2", "--address", found.address]
        full = imgcls(*arguments, cwd=tmp_path)
        token = os.environ["RAY_AUTH_TOKEN"]
        monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
        refused = imgcls(*arguments, cwd=tmp_path)
    assert full.code == 2, full
    assert "1 worker of 1 CPU each do not fit on the cluster, 0 do (nodes: 1 of 0 CPUs)" in full.err, full
    assert refused.code == 2, refused
    assert f"--address {found.address}: the cluster takes another token than ours" in refused.err, refused
    for ended in (full, refused):
        assert "Traceback" not in ended.err, ended
        assert token not in ended.out + ended.err, "a token is never printed"
