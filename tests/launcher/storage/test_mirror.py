"""What is in the store is at every moment a state to continue from, and a copy of it is what is there."""

import hashlib
import json
import os
import shutil

import pytest
from tests.faults.s3 import STORAGE

from imgcls import UserError
from imgcls.run_folder import RunFolder
from imgcls.storage.mirror import Mirror, is_whole
from imgcls.storage.publisher import Publisher, remember
from imgcls.storage.store import Store

RUN = f"{STORAGE}/a"


def checkpoint(folder, step, salt=""):
    """A checkpoint's folder as training leaves it: files, and a manifest of their SHA-256."""
    where = folder.checkpoints / f"step-{step:08d}"
    where.mkdir(parents=True, exist_ok=True)
    files = {name: f"{name} {step} {salt}".encode() * 50 for name in ("model.safetensors", "state.json")}
    for name, data in files.items():
        (where / name).write_bytes(data)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    (where / "manifest.json").write_text(json.dumps({"sha256": sums}))
    folder.metrics.write_text("".join(f'{{"step": {made}}}\n' for made in range(1, step + 1)))
    return where


def drop(folder, step):
    shutil.rmtree(folder.checkpoints / f"step-{step:08d}")


def run_at(path):
    folder = RunFolder(path, RUN)
    folder.create()
    return folder


@pytest.fixture
def here(tmp_path, s3):
    return run_at(tmp_path / "here")


def copied(tmp_path, name="there"):
    folder = run_at(tmp_path / name)
    Mirror(folder, Store(RUN)).bring_down()
    return folder


def steps(folder):
    return {path.name: is_whole(path) for path in folder.checkpoints.glob("step-*")}


def content(folder):
    files = [path for path in folder.path.rglob("*") if path.is_file() and path.name != ".mirror.lock"]
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in files}


def test_a_copy_has_what_was_published_and_nothing_else(here, tmp_path):
    checkpoint(here, 1)
    checkpoint(here, 2)
    here.result.write_text("{}")
    Publisher(here, "").publish()
    stale = run_at(tmp_path / "there")
    checkpoint(stale, 7)
    stale.left_out.write_text("{}\n")
    there = copied(tmp_path)
    (here.checkpoints / "latest").write_text("step-00000002")
    assert content(there) == content(here)
    assert steps(there) == {"step-00000001": True, "step-00000002": True}


def test_what_trackers_write_comes_along_and_what_is_of_one_launch_does_not(here, tmp_path, s3):
    checkpoint(here, 1)
    (here.path / "run-epoch.csv").write_text("epoch,loss\n")
    (here.path / "board").mkdir()
    (here.path / "board/events").write_bytes(b"1")
    (here.path / "board/.part").write_bytes(b"half")
    here.stop.touch()
    (here.logs / "worker-0.log").write_text("hello")
    Publisher(here, "").publish()
    names = [name for name in s3.names("runs/a/") if not name.startswith("checkpoints")]
    assert sorted(names) == ["board/events", "metrics.jsonl", "run-epoch.csv"]
    there = copied(tmp_path)
    assert (there.path / "board/events").read_bytes() == b"1"
    assert (there.path / "run-epoch.csv").read_text() == "epoch,loss\n"


@pytest.mark.parametrize(
    "name",
    [
        "/outside",
        "../outside",
        "x/../../outside",
        "checkpoints/step-00000001/../../../outside",
        "checkpoints/../../outside",
    ],
)
def test_a_name_that_leads_out_of_the_folder_is_not_followed(here, tmp_path, s3, name):
    checkpoint(here, 1)
    Publisher(here, "").publish()
    s3.client().put_object(Bucket="bucket", Key=f"runs/a/{name}", Body=b"escaped")
    Mirror(run_at(tmp_path / "deep/there"), Store(RUN)).bring_down()
    assert not list(tmp_path.rglob("outside"))
    assert not os.path.exists("/outside")


def test_a_copy_of_a_run_that_had_the_name_before_is_left(here, tmp_path):
    old = run_at(tmp_path / "there")
    (old.path / ".origin").write_text("old")
    (old.path / "old-epoch.csv").touch()
    checkpoint(old, 9)
    (old.logs / "worker-0.log").write_text("of this launch")
    checkpoint(here, 1)
    Mirror(here, Store(RUN)).name_origin()
    Publisher(here, "").publish()
    there = copied(tmp_path)
    assert steps(there) == {"step-00000001": True}
    assert not (there.path / "old-epoch.csv").exists()
    assert (there.logs / "worker-0.log").read_text() == "of this launch"


def test_what_was_tidied_away_here_goes_there_and_only_after_the_newer_one_has_come(here, s3, tmp_path):
    publisher = Publisher(here, "")
    checkpoint(here, 1)
    publisher.publish()
    drop(here, 1)
    checkpoint(here, 2)
    publisher.publish()
    assert {name.split("/")[0] for name in s3.names("runs/a/checkpoints/")} == {"step-00000002", "latest"}
    assert publisher.newest() == "step-00000002"
    assert s3.read("runs/a/checkpoints/latest") == b"step-00000002"


def test_a_checkpoint_that_is_made_again_replaces_the_one_before(here, tmp_path):
    publisher = Publisher(here, "")
    checkpoint(here, 1)
    publisher.publish()
    there = copied(tmp_path)
    made_again = checkpoint(here, 1, salt="after a rollback")
    publisher.publish()
    Mirror(there, Store(RUN)).bring_down()
    assert steps(there) == {"step-00000001": True}
    assert (there.checkpoints / "step-00000001/manifest.json").read_text() == (
        made_again / "manifest.json"
    ).read_text()


@pytest.mark.parametrize("again", [False, True], ids=["the next one", "the same step again"])
def test_wherever_publishing_is_cut_off_a_copy_continues_from_a_whole_checkpoint_and_its_metrics(
    here, tmp_path, monkeypatch, again
):
    publisher = Publisher(here, "")
    checkpoint(here, 1)
    checkpoint(here, 2)
    publisher.publish()
    budget = 0
    for name in ("write", "send", "remove"):
        monkeypatch.setattr(Store, name, limited(getattr(Store, name), lambda: budget))
    for allowed in range(40):
        folder = run_at(tmp_path / f"try-{allowed}")
        shutil.copytree(here.path, folder.path, dirs_exist_ok=True)
        checkpoint(folder, 2 if again else 3, salt="new" if again else "")
        if not again:
            drop(folder, 1)
        limited.made, budget = 0, allowed
        cut_off = False
        try:
            Publisher(folder, "").publish()
        except OSError:
            cut_off = True
        budget = 10**6
        there = copied(tmp_path, f"copy-{allowed}")
        found = steps(there)
        assert found, allowed
        assert all(found.values()), (allowed, found)
        newest = int(max(found)[5:])
        assert newest >= (1 if again else 2)
        logged = [json.loads(line)["step"] for line in there.metrics.read_text().splitlines()]
        assert logged[-1] >= newest, (allowed, "continuing would leave out lines of metrics")
        if not cut_off:
            assert allowed > 3
            return
        shutil.rmtree(folder.path)
        limited.made = 0
        Publisher(here, "").publish()  # as it was before
    raise AssertionError("publishing never came to its end")


def limited(call, budget):
    def counted(*arguments):
        if limited.made >= budget():
            raise OSError("the store is away")
        limited.made += 1
        return call(*arguments)

    return counted


def test_what_was_cut_off_is_made_whole_or_removed_by_the_next_launch(here, s3):
    client = s3.client()
    for name in ("step-00000001/model.safetensors", "step-00000003/model.safetensors"):
        client.put_object(Bucket="bucket", Key=f"runs/a/checkpoints/{name}", Body=b"half")
    checkpoint(here, 3)
    Publisher(here, "").publish()
    found = s3.names("runs/a/checkpoints/")
    assert not [name for name in found if name.startswith("step-00000001")]
    data = s3.read("runs/a/checkpoints/step-00000003/model.safetensors")
    assert data == (here.checkpoints / "step-00000003/model.safetensors").read_bytes()


def test_checkpoints_of_another_launch_that_took_over_are_not_touched(here, tmp_path, s3):
    remember(here, "mine")
    mine = Publisher(here, "mine")
    checkpoint(here, 1)
    mine.publish()
    s3.client().put_object(
        Bucket="bucket", Key="runs/a/.lease.json", Body=b'{"id": "theirs", "holder": "process 7 on x"}'
    )
    checkpoint(here, 2)
    with pytest.raises(UserError, match="taken over by process 7 on x"):
        mine.publish()
    assert "step-00000002/manifest.json" not in s3.names("runs/a/checkpoints/")


def test_files_that_are_there_are_not_fetched_again_and_cut_off_ones_are(here, tmp_path, monkeypatch):
    checkpoint(here, 1)
    Publisher(here, "").publish()
    there = copied(tmp_path)
    fetched = []
    whole = Store.fetch
    monkeypatch.setattr(Store, "fetch", lambda self, name, path: (fetched.append(name), whole(self, name, path)))
    Mirror(there, Store(RUN)).bring_down()
    assert fetched == []
    file = there.checkpoints / "step-00000001/model.safetensors"
    os.truncate(file, 3)
    Mirror(there, Store(RUN)).bring_down()
    assert fetched == ["checkpoints/step-00000001/model.safetensors"]
    assert steps(there) == {"step-00000001": True}


def test_only_a_copy_of_the_same_run_is_ahead_of_the_store(here, tmp_path, s3):
    mirror = Mirror(here, Store(RUN))
    mirror.name_origin()
    checkpoint(here, 1)
    Publisher(here, "").publish()
    assert not mirror.is_ahead()
    newer = checkpoint(here, 2)
    assert mirror.is_ahead()
    (newer / "model.safetensors").write_bytes(b"cut off")
    assert not mirror.is_ahead(), "it is not whole"
    checkpoint(here, 2)
    s3.client().put_object(Bucket="bucket", Key="runs/a/.origin", Body=b"another run of this name")
    assert not mirror.is_ahead()


def test_an_error_of_the_store_is_an_oserror_with_its_words_and_without_secrets(s3, monkeypatch):
    store = Store("s3://no-such-bucket/runs")
    with pytest.raises(FileNotFoundError, match="bucket does not exist"):
        store.write("x", b"")
    s3.stop()
    with pytest.raises(OSError, match="Could not connect"):
        Store(STORAGE).read("x")
    s3.start()
