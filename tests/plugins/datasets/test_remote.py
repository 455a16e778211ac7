"""Datasets on an object store: a real S3 server (moto's) on this machine, over HTTP."""

import csv
import io
import json
import socket
import sys
import tarfile
from importlib.util import find_spec

import pytest
from moto.server import ThreadedMotoServer

from imgcls import UserError
from imgcls_datasets import csv_file, image_folder, imagenet, remote, webdataset
from imgcls_datasets.options import CsvFile, ImageFolder, ImageNet, WebDataset

BUCKET = "pictures"


@pytest.fixture(scope="module")
def server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def store(server, tmp_path, monkeypatch):
    """A boto3 client of an empty bucket; the environment is what a user sets."""
    import boto3
    import s3fs

    for name, value in {"AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y",
                        "AWS_DEFAULT_REGION": "us-east-1", "IMGCLS_CACHE": str(tmp_path / "cache"), "no_proxy": "*"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    remote._fetched.cache_clear()
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)


def put(store, files):
    for name, data in files.items():
        store.put_object(Bucket=BUCKET, Key=name, Body=data)


def again(address):
    remote._fetched.cache_clear()  # as a new process
    return remote.local(address)


def kept(folder):
    return {
        str(f.relative_to(folder)): f.read_bytes()
        for f in folder.rglob("*")
        if f.is_file() and f.name != remote._LOG
    }


@pytest.fixture
def fetched(monkeypatch):
    """The names of the files that are fetched, in order of their ends."""
    names, whole = [], remote._fetch

    def fetch(store, name, file, size):
        whole(store, name, file, size)
        names.append(name)

    monkeypatch.setattr(remote, "_fetch", fetch)
    return names


FILES = {
    "set/a/1.jpg": b"1" * 10, "set/a b,c/2.jpg": b"2" * 20, "set/文/ü.jpg": b"3" * 30, "set/plus+per%20cent/#?.jpg": b"4",
    "set/deep/er/still/5.jpg": b"", "setting/other.jpg": b"not below set",
}  # fmt: skip
BELOW = {name.removeprefix("set/"): data for name, data in FILES.items() if name.startswith("set/")}


def test_local_paths_come_back_unchanged(tmp_path, monkeypatch):
    assert remote.local(str(tmp_path)) == remote.local(f"file://{tmp_path}") == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert remote.local("~/x") == tmp_path / "x"


def test_all_files_below_an_address_are_fetched_under_their_names(store, tmp_path):
    put(store, FILES)
    store.put_object(Bucket=BUCKET, Key="set/folder/", Body=b"")  # how the console makes a folder
    folder = remote.local(f"s3://{BUCKET}/set")
    assert folder.parent == tmp_path / "cache/remote"
    assert kept(folder) == BELOW
    assert again(f"s3://{BUCKET}/set/") == folder


def test_only_what_is_new_or_changed_is_fetched_again(store, fetched):
    put(store, FILES)
    folder = remote.local(f"s3://{BUCKET}/set")
    assert sorted(fetched) == sorted(f"{BUCKET}/set/{name}" for name in BELOW)
    fetched.clear()
    again(f"s3://{BUCKET}/set")
    assert fetched == []
    put(store, {"set/a/1.jpg": b"9" * 10, "set/new.jpg": b"n"})  # the first has the same size: its ETag is another
    store.delete_object(Bucket=BUCKET, Key="set/文/ü.jpg")
    (folder / "a b,c/2.jpg").write_bytes(b"cut")
    again(f"s3://{BUCKET}/set")
    assert sorted(name.removeprefix(f"{BUCKET}/set/") for name in fetched) == ["a b,c/2.jpg", "a/1.jpg", "new.jpg"]
    assert kept(folder) == {name: data for name, data in BELOW.items() if name != "文/ü.jpg"} | {
        "a/1.jpg": b"9" * 10,
        "new.jpg": b"n",
    }


def test_the_store_is_asked_once_in_a_process(store, monkeypatch):
    put(store, FILES)
    folder = remote.local(f"s3://{BUCKET}/set")
    monkeypatch.setattr(remote, "_listing", None)
    assert remote.local(f"s3://{BUCKET}/set/") == folder


def test_what_was_fetched_before_an_end_is_not_fetched_again(store, monkeypatch, fetched):
    put(store, {f"many/{n}.jpg": bytes([n]) * 50 for n in range(40)})
    counted = remote._fetch

    def dies(store, name, file, size):
        if len(fetched) >= 15:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.with_name(".x.part").write_bytes(b"half")
            raise KeyboardInterrupt
        counted(store, name, file, size)

    monkeypatch.setattr(remote, "_AT_ONCE", 2)
    monkeypatch.setattr(remote, "_fetch", dies)
    with pytest.raises(KeyboardInterrupt):
        remote.local(f"s3://{BUCKET}/many")
    first = set(fetched)
    assert 15 <= len(first) <= 17
    fetched.clear()
    monkeypatch.setattr(remote, "_fetch", counted)
    folder = again(f"s3://{BUCKET}/many")
    assert first.isdisjoint(fetched)
    assert len(first) + len(fetched) == 40
    assert {name: data for name, data in kept(folder).items() if name != ".x.part"} == {
        f"{n}.jpg": bytes([n]) * 50 for n in range(40)
    }


def test_a_log_that_was_cut_off_costs_one_file(store, fetched):
    put(store, FILES)
    folder = remote.local(f"s3://{BUCKET}/set")
    log = folder / remote._LOG
    log.write_bytes(log.read_bytes()[:-5])
    fetched.clear()
    for _ in range(2):
        again(f"s3://{BUCKET}/set")
    assert len(fetched) == 1
    assert kept(folder) == BELOW


def test_a_file_that_comes_short_is_not_kept(store, tmp_path, monkeypatch):
    import s3fs

    put(store, {"set/a.jpg": b"x" * 100})

    def short(self, remote_name, local_name):
        with open(local_name, "wb") as file:
            file.write(b"x" * 99)

    monkeypatch.setattr(s3fs.S3FileSystem, "get_file", short)
    with pytest.raises(UserError, match=r"pictures/set/a.jpg: 99 bytes came, not 100"):
        remote.local(f"s3://{BUCKET}/set")
    assert [f.name for f in (tmp_path / "cache/remote").rglob("*") if f.is_file()] == [remote._LOG]


@pytest.mark.parametrize(("address", "message"), [
    ("s3://pictures/none", "s3://pictures/none: there are no files; correct data.root"),
    ("s3://no-such-bucket/x", "s3://no-such-bucket/x: "),
    ("s3://pictures/set/a/1.jpg", "is a file; give the address of its folder"),
    ("gs://bucket/x", r"gs://bucket/x: .*; pip install 'imgcls\[gcs\]'"),
    ("nonsense://x/y", r"nonsense://x/y: .*; known are s3://, gs://"),
])  # fmt: skip
def test_addresses_that_lead_nowhere_are_said(store, address, message):
    if "gcs" in message and find_spec("gcsfs"):
        pytest.skip("gcsfs is installed")
    put(store, FILES)
    with pytest.raises(UserError, match=message):
        remote.local(address)


def test_without_the_package_the_extra_is_named(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3")
    with pytest.raises(UserError, match=r"s3://pictures/set: .*s3fs.*; pip install 'imgcls\[s3\]'"):
        remote.local("s3://pictures/set")


def test_a_store_that_does_not_answer_is_said(store, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, but not listening
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(UserError, match=r"s3://pictures/set: cannot be fetched: \w+: "):
            remote.local("s3://pictures/set")


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, monkeypatch):
    import fsspec

    monkeypatch.setenv("IMGCLS_CACHE", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(
        type(memory), "find", lambda self, base, detail: {f"{base}/../../x": {"size": 1, "name": "x"}}
    )
    with pytest.raises(UserError, match=r"the name '../../x' cannot be kept in a folder"):
        again("memory://set")


def test_class_folders_on_a_store(store, encoded, images_of):
    put(
        store,
        {
            f"set/{split}/{name}/{n} ü.jpg": encoded(n)
            for split in ("train", "val")
            for n, name in enumerate(["ant, red", "熊"])
        },
    )
    source = image_folder.build(ImageFolder(root=f"s3://{BUCKET}/set"), "train")
    assert source.classes == ("ant, red", "熊")
    assert images_of(source) == [encoded(0), encoded(1)]
    put(store, {f"net/{split}/n{n}/{n}.JPEG": encoded(n) for split in ("train", "val") for n in range(3)})
    source = imagenet.build(ImageNet(root=f"s3://{BUCKET}/net", classes=3), "validation")
    assert images_of(source) == [encoded(n) for n in range(3)]


def test_a_csv_file_on_a_store(store, encoded, images_of):
    text = io.StringIO()
    csv.writer(text).writerows([["path", "label"], ["a, b.jpg", "x"], ["ü/c.jpg", "y"]])
    put(store, {"set/all.csv": text.getvalue().encode(), "set/a, b.jpg": encoded(0), "set/ü/c.jpg": encoded(1)})
    source = csv_file.build(CsvFile(file="all.csv", root=f"s3://{BUCKET}/set"), "train")
    assert images_of(source) == [encoded(0), encoded(1)]
    assert source.classes == ("x", "y")


def test_shards_on_a_store(store, encoded, images_of):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for n in range(4):
            for ending, data in (("jpg", encoded(n)), ("json", json.dumps({"label": n % 2}).encode())):
                info = tarfile.TarInfo(f"{n}.{ending}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    put(store, {"set/train-0.tar": stream.getvalue()})
    source = webdataset.build(WebDataset(root=f"s3://{BUCKET}/set", label="json"), "train")
    assert images_of(source) == [encoded(n) for n in range(4)]
    assert source.labels.tolist() == [0, 1, 0, 1]
