"""How this host is known, and who may know its token."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict

import pytest

from imgcls.doctor.facts import DALI_BUILDS, Facts, Request, gather
from imgcls.doctor.names import Token, names, token

SECRET = "5b0c7f2a-a-token-that-nobody-may-see"


@pytest.fixture(autouse=True)
def no_token(monkeypatch, tmp_path):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_this_hosts_interfaces_are_told_with_its_loopback(monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    found = names()
    assert found.hostname == socket.gethostname()
    assert found.interfaces["lo"] == "127.0.0.1"
    assert found.picked == {"GLOO_SOCKET_IFNAME": "lo"}


def test_without_a_token_there_is_none():
    assert token() == Token(on=False)


def open_to(path, *folders, mode):
    path.write_text(SECRET)
    for each in folders:
        each.chmod(0o755)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(("mode", "readers"), [(0o600, ""), (0o640, "group"), (0o644, "group and others")])
def test_who_may_read_the_tokens_file_is_told_but_never_the_token(monkeypatch, tmp_path, mode, readers):
    # pytest's folders above are closed: the file alone decides only where all of them let others through
    monkeypatch.setattr("imgcls.doctor.names._leads_there", lambda _path, _bit: True)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", open_to(tmp_path / "token", mode=mode))
    assert token() == Token(True, str(tmp_path / "token"), readers)


def test_a_file_in_a_folder_that_others_cannot_enter_is_closed_to_them(monkeypatch, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", open_to(closed / "token", mode=0o644))
    assert token().open_to == ""


def test_rays_own_file_is_found(tmp_path):
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text(SECRET)
    assert token().source == str(tmp_path / ".ray/auth_token")


def test_facts_go_through_json_and_hold_no_token(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", SECRET)
    request = Request({"imgcls": ["imgcls"]})
    assert Request.from_json(json.loads(json.dumps(asdict(request)))) == request
    facts = gather(request, "n1")
    text = json.dumps(facts.to_json())
    assert Facts.from_json(json.loads(text)) == facts
    assert SECRET not in text
    assert facts.token == Token(True, "RAY_AUTH_TOKEN")
    assert len(facts.code["imgcls"]) == 64
    assert facts.dali_builds == [build for build in DALI_BUILDS if build in facts.dali_builds] != []
    assert {"python", "imgcls", "torch", "ray", "DALI"} <= facts.versions.keys()
