"""``imgcls doctor --address`` on clusters of one node."""

from __future__ import annotations

import json
import os
import time

import pytest
from tests.faults.processes import imgcls
from tests.faults.ray_nodes import cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_node_with_another_imgcls_is_named_with_the_command_that_mends_it_and_no_token_is_shown(
    monkeypatch, tmp_path
):
    older = tmp_path / "older/imgcls-0.0.9.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: imgcls\nVersion: 0.0.9\n")
    with cluster(monkeypatch.setenv, nodes=0, path=older.parent) as found:
        began = time.monotonic()
        ended = imgcls("doctor", "--address", found.address, "--json", cwd=tmp_path, path=tmp_path / "none")
        took = time.monotonic() - began
    token = os.environ["RAY_AUTH_TOKEN"]
    assert ended.code == 1, ended
    assert "Traceback" not in ended.err, ended
    assert token not in ended.out + ended.err, "a token is never printed"
    (finding,) = [each for each in json.loads(ended.out) if each["check"] == "node"]
    assert finding["status"] == "error"
    assert finding["detail"] == "imgcls 0.0.9 there, 0.1.0 here"
    assert "-m pip install 'imgcls==0.1.0'" in finding["mend"]
    assert not list(tmp_path.glob("runs")), "a storage that was not there is not there afterwards"
    assert took < 120
