"""Workers of an earlier launch learn that they are not wanted any more."""

from imgcls.on_ray.fence import supersede, superseded
from imgcls.run_folder import RunFolder


def test_a_worker_is_superseded_by_a_later_launch_and_not_by_its_own(tmp_path):
    folder = RunFolder(tmp_path)
    without = superseded(folder)
    assert not without()
    supersede(folder)
    mine = superseded(folder)
    assert without()
    assert not mine()
    supersede(folder)
    assert mine()
    assert not superseded(folder)()


def test_storage_that_is_away_supersedes_nobody(tmp_path):
    folder = RunFolder(tmp_path / "run")
    supersede(folder)  # there is no such folder
    folder.path.mkdir()
    supersede(folder)
    mine = superseded(folder)
    folder.path.rename(tmp_path / "away")
    assert not mine()
