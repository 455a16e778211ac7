"""A checkpoint is asked for once, and known to be there when it is."""

from pathlib import Path

import pytest

from imgcls.on_ray.saving import Request, requests
from imgcls.run_folder import RunFolder, write_whole


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    found = RunFolder(tmp_path / "run")
    found.create()
    return found


def _checkpoint(folder: RunFolder, step: int) -> None:
    write_whole(folder.checkpoints / "latest", f"step-{step:08d}")


def test_workers_hear_of_each_request_once(folder):
    asked, request = requests(folder), Request(folder)
    assert asked() == ""
    request.ask("one")
    assert [asked(), asked()] == ["one", ""]
    request.withdraw()
    assert asked() == ""
    request.ask("another")
    assert [asked(), asked()] == ["another", ""]


@pytest.mark.parametrize("earlier", [None, 7])
def test_only_a_checkpoint_that_comes_after_the_request_grants_it(folder, earlier):
    if earlier is not None:
        _checkpoint(folder, earlier)
    request = Request(folder)
    assert not request.is_granted
    request.ask("why")
    assert request.pending
    assert not request.is_granted
    _checkpoint(folder, 7)  # of the same step too: it may be written anew after a roll-back
    assert request.is_granted
    request.withdraw()
    assert not request.pending
    assert not request.is_granted
    request.ask("why")
    assert not request.is_granted


def test_a_request_that_a_killed_run_left_is_forgotten_when_the_run_is_launched_again(folder):
    Request(folder).ask("why")
    folder.begin()
    assert requests(folder)() == ""


def test_storage_that_cannot_take_the_request_says_so_and_nothing_is_pending(tmp_path):
    request = Request(RunFolder(tmp_path / "gone"))
    with pytest.raises(FileNotFoundError):
        request.ask("why")
    assert not request.pending
    request.withdraw()
