"""What the command line says of addresses that cannot be used, or not by this command."""

import sys

import pytest
from tests.faults.s3 import SECRET, STORAGE

from imgcls import UserError
from imgcls.storage.store import Store


def assert_refused(ended, *words):
    assert ended.returncode == 2, ended
    for word in words:
        assert word in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stderr + ended.stdout


def launched(run_imgcls, storage, **env):
    return run_imgcls("launch", "digits_lenet", "--workers", 0, "--storage", storage, env=env)


def test_a_storage_that_cannot_be_used_is_said_before_anything_is_done(s3, run_imgcls):
    assert_refused(launched(run_imgcls, "s3://none/runs"), "s3://none/runs/digits_lenet", "bucket does not exist")
    assert_refused(launched(run_imgcls, "other://none/runs"), "Protocol not known: other")
    s3.stop()
    assert_refused(launched(run_imgcls, STORAGE), "Could not connect to the endpoint", "does the store answer")


def test_missing_credentials_are_said_in_words(s3, run_imgcls, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}
    assert_refused(launched(run_imgcls, STORAGE, **nowhere), "Unable to locate credentials")


def test_a_package_that_is_missing_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UserError, match=r"what reads s3:// is not installed; pip install 'imgcls\[s3\]'"):
        Store(STORAGE)


@pytest.mark.parametrize(
    "command", [("tune", "digits_lenet"), ("preview", "digits_lenet"), ("verify-resume", "x")]
)
def test_a_command_that_needs_a_folder_says_so_of_an_address(run_imgcls, command):
    assert_refused(run_imgcls(*command, "--storage", STORAGE), STORAGE, "needs a folder")


@pytest.mark.parametrize("command", [("evaluate",), ("average",), ("rerun",), ("export", "--to", "onnx")])
def test_an_address_without_a_run_is_said(s3, run_imgcls, command):
    assert_refused(run_imgcls(*command, f"{STORAGE}/none"), f"{STORAGE}/none: there is no run at this address")


@pytest.mark.parametrize(("command", "option"), [("average", "--out"), ("rerun", "--storage")])
def test_what_is_written_beside_a_run_needs_another_place_where_the_run_is_an_address(
    s3, run_imgcls, command, option
):
    s3.client().put_object(Bucket="bucket", Key="runs/a/plan.json", Body=b"{}")
    assert_refused(run_imgcls(command, f"{STORAGE}/a"), "RUN is an address", option)
