"""What a lock says of a run, and which differences it finds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from imgcls import lock, surroundings
from imgcls.errors import UserError
from imgcls.run_folder import RunFolder
from imgcls.worker_counts import record

LOCK = lock.Lock(
    recipe="seed = 1\n",
    seed=1,
    workers=2,
    versions={"python": "3.11.7", "torch": "2.13.0", "acme": "1.0"},
    code={"acme": "aa"},
    modules={"acme": ["imgcls_acme"]},
    data={"train": "t0", "validation": "v0"},
    weights=None,
    platform={"cpu": "a CPU", "cpus": 2},
    folder="/somewhere",
)


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "run")
    made.create()
    return made


def test_a_lock_is_read_as_it_was_written(folder):
    folder.provenance.write_text(replace(LOCK, changed=["torch: was 1, is 2"]).to_json())
    assert lock.read(folder) == replace(LOCK, changed=["torch: was 1, is 2"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"seed": 1', '"seed": "one"'),
        lambda text: text.replace('"versions"', '"versiens"'),
        lambda text: "[]",
    ],
)
def test_a_damaged_lock_is_named(folder, damage):
    folder.provenance.write_text(damage(LOCK.to_json()))
    with pytest.raises(UserError, match=r"run\.lock\.json: is damaged"):
        lock.read(folder)


def test_a_folder_without_a_lock_and_a_lock_of_another_layout_are_named(folder):
    with pytest.raises(UserError, match="it is no run's folder"):
        lock.read(folder)
    folder.plan.write_text("{}")
    with pytest.raises(UserError, match="by an imgcls that wrote no lock"):
        lock.read(folder)
    folder.provenance.write_text(LOCK.to_json().replace('"layout": 1', '"layout": 2'))
    with pytest.raises(UserError, match="by another version of imgcls"):
        lock.read(folder)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"seed": 2}, "seed: was 1, is 2"),
        ({"workers": 4}, "workers: was 2, is 4"),
        ({"versions": {**LOCK.versions, "torch": "2.14.0"}}, "torch: was 2.13.0, is 2.14.0"),
        ({"versions": {**LOCK.versions, "python": "3.12.1"}}, "python: was 3.11.7, is 3.12.1"),
        ({"versions": {"python": "3.11.7", "torch": "2.13.0"}}, "acme: was 1.0, is not installed"),
        ({"code": {"acme": "bb"}}, "code of acme: was aa, is bb"),
        ({"data": {"train": "t1", "validation": "v0"}}, "data, train: was t0, is t1"),
        ({"data": {"train": "t0", "validation": "v1"}}, "data, validation: was v0, is v1"),
        ({"weights": "ff"}, "weights: was None, is ff"),
    ],
)
def test_each_difference_is_one_line(change, line):
    assert lock.differences(LOCK, LOCK) == []
    assert lock.differences(LOCK, replace(LOCK, **change)) == [line]


def test_one_worker_of_ray_computes_what_the_driver_does_and_the_platform_is_only_told():
    alone, other = replace(LOCK, workers=0), replace(LOCK, workers=1, platform={"cpu": "another", "cpus": 2})
    assert lock.differences(alone, other) == []
    assert lock.on_another_platform(alone, other) == ["cpu: was a CPU, is another"]


def test_the_number_of_workers_is_what_trained_and_each_change_of_it_is_a_line(folder):
    asked = replace(LOCK, workers=4, changed=["torch: was 1, is 2", "workers: was 4, is 1"])
    assert lock.as_it_ran(folder, asked) == asked
    record(folder.worker_counts, 0, 2)
    assert lock.as_it_ran(folder, asked) == replace(asked, workers=2, changed=["torch: was 1, is 2"])
    record(folder.worker_counts, 50, 1)
    record(folder.worker_counts, 90, 3)
    changed = ["workers: 1 from step 50 on, 2 before", "workers: 3 from step 90 on, 1 before"]
    assert lock.as_it_ran(folder, asked) == replace(asked, workers=2, changed=["torch: was 1, is 2", *changed])


def test_a_run_without_ray_that_stayed_so_is_still_one_without_ray(folder):
    record(folder.worker_counts, 0, 1)
    assert lock.as_it_ran(folder, replace(LOCK, workers=0)) == replace(LOCK, workers=0)


def install(folder, files, editable=False, listed=True):
    """Leave a package ``acme`` in a folder as an installer does, and return its SHA-256."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    info = folder / "acme-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    rows = [f"{name},," for name in (*files, "acme-1.0.dist-info/METADATA", "../../bin/acme")]
    if listed:
        (info / "RECORD").write_text("\n".join(rows) + "\n")
    if editable:
        (info / "direct_url.json").write_text('{"dir_info": {"editable": true}, "url": "file:///x"}')
    return surroundings.code({"acme": ["acme_parts"]})["acme"]


FILES = {"acme_parts/__init__.py": "A = 1\n", "acme_parts/inner/table.json": "[1]\n"}


@pytest.fixture
def site(tmp_path, monkeypatch):
    made = tmp_path / "site"
    made.mkdir()
    monkeypatch.syspath_prepend(made)
    return made


def test_the_code_of_an_installed_package_is_all_that_it_lists(site):
    before = install(site, FILES)
    assert len(before) == 64
    (site / "acme_parts/__pycache__").mkdir()
    (site / "acme_parts/__pycache__/__init__.cpython-311.pyc").write_bytes(b"compiled")
    (site / "acme-1.0.dist-info/INSTALLER").write_text("another")
    assert install(site, FILES) == before
    assert install(site, {**FILES, "acme_parts/inner/table.json": "[2]\n"}) != before
    assert install(site, {**FILES, "acme_parts/__init__.py": "A = 2\n"}) != before
    assert install(site, FILES) == before
    (site / "acme_parts/__init__.py").unlink()
    assert surroundings.code({"acme": ["acme_parts"]})["acme"] != before


@pytest.mark.parametrize("kind", [{"editable": True}, {"listed": False}])
def test_the_code_of_an_editable_package_is_its_python_files(site, kind):
    before = install(site, FILES, **kind)
    text = b"A = 1\n"
    assert before == hashlib.sha256(b"acme_parts/__init__.py\0" + b"6\0" + text).hexdigest()
    assert install(site, {**FILES, "acme_parts/inner/table.json": "[2]\n"}, **kind) == before
    assert install(site, {**FILES, "acme_parts/new.py": ""}, **kind) != before


def test_a_package_that_is_not_installed_has_neither_version_nor_code():
    assert surroundings.code({"no-such-package": ["x"]}) == {}
    assert surroundings.versions(["no-such-package", "click"]).keys() == {"python", "click"}


def test_the_platform_is_said_without_torch():
    found = surroundings.this_platform()
    assert found["cpus"] >= 1
    assert json.loads(json.dumps(found)) == found
