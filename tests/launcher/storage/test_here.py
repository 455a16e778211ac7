"""The data of a plan on a host that is not the one on which it was planned: another folder of copies is another host."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.s3 import BUCKET
from tests.faults.test_s3 import pictures

from imgcls import UserError, cache
from imgcls.cli.preparation import planned
from imgcls.data.here import on_this_host
from imgcls_datasets.remote import _fetched

RECIPE = """
model = "lenet5"
data = {{ name = "image_folder", root = "{root}" }}
optimizer = {{ name = "sgd", lr = 0.1 }}
train = {{ epochs = 1, batch_size = 8 }}
"""


def plan_of(tmp_path, root):
    recipe = tmp_path / "x.toml"
    recipe.write_text(RECIPE.format(root=root))
    return planned(str(recipe), (), tmp_path / "runs")


@pytest.fixture
def fetched(s3, tmp_path):
    """A plan of data that was fetched on another host, and that host's folder of copies."""
    pictures(s3)
    return plan_of(tmp_path, f"s3://{BUCKET}/pictures"), Path(cache.folder(""))


def roots(plan):
    return [Path(file.root) for file in (plan.data.train, plan.data.validation)]


def test_each_host_fetches_once_in_a_launch_and_reads_its_own_files(fetched, tmp_path, monkeypatch):
    plan, there = fetched
    monkeypatch.setenv("IMGCLS_CACHE", str(tmp_path / "here"))
    told = []
    with ThreadPoolExecutor(4) as workers:
        found = list(workers.map(lambda _: on_this_host(plan, there, "launch 1", told.append), range(4)))
    assert len(told) == 1, "one fetches, the others wait"
    assert found == [found[0]] * 4
    assert [root.is_relative_to(tmp_path / "here/remote") for root in roots(found[0])] == [True, True]
    for mine, theirs in zip(roots(found[0]), roots(plan), strict=True):
        names = sorted(str(file.relative_to(theirs)) for file in theirs.rglob("*.png"))
        assert sorted(str(file.relative_to(mine)) for file in mine.rglob("*.png")) == names != []
    assert found[0].identity == plan.identity
    on_this_host(plan, there, "launch 2", told.append)
    assert len(told) == 2, "the next launch looks again"


def test_a_host_whose_folder_of_copies_has_the_same_path_fetches_too(fetched):
    plan, there = fetched
    shutil.rmtree(there / "remote")
    _fetched.cache_clear()  # as in another process
    told = []
    assert on_this_host(plan, there, "launch", told.append) == plan
    assert len(told) == 1
    assert len(list(there.rglob("*.png"))) == 40


def test_data_that_has_changed_in_the_store_meanwhile_is_not_trained_on(fetched, s3, tmp_path, monkeypatch):
    plan, there = fetched
    s3.client().delete_object(Bucket=BUCKET, Key="pictures/train/class0/0.png")
    monkeypatch.setenv("IMGCLS_CACHE", str(tmp_path / "here"))
    with pytest.raises(
        UserError, match=r"1 of 32 files of the data are not what .*class0/0\.png; did the data change"
    ):
        on_this_host(plan, there, "launch", print)


def test_a_host_that_has_not_the_folder_is_named_with_it(fetched, tmp_path, monkeypatch):
    folder = tmp_path / "mounted"
    shutil.copytree(next(fetched[1].glob("remote/*")), folder)
    plan = plan_of(tmp_path, folder)
    assert on_this_host(plan, fetched[1], "launch", print) == plan
    folder.rename(tmp_path / "elsewhere")
    monkeypatch.setattr("socket.gethostname", lambda: "gpu-17")
    with pytest.raises(
        UserError, match=f"gpu-17: the data is not on this host: there is no folder {folder}/train; mount"
    ):
        on_this_host(plan, fetched[1], "launch", print)


def test_data_whose_pixels_are_in_the_index_needs_no_folder(fetched, tmp_path):
    recipe = tmp_path / "digits.toml"
    recipe.write_text(RECIPE.format(root="").replace('{ name = "image_folder", root = "" }', '"digits"'))
    plan = planned(str(recipe), (), tmp_path / "runs")
    gone = replace(plan.data.train, root=str(tmp_path / "of another host"))
    moved = replace(plan, data=replace(plan.data, train=gone))
    assert on_this_host(moved, fetched[1], "launch", print) == moved
