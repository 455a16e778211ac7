"""A job whose storage is an address: nothing is seen by both, and all comes back by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.jobs.head import Head, run
from tests.faults.s3 import SECRET, STORAGE, Server, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An S3 server that the head, which is started after it, knows."""
    cache = str(tmp_path_factory.mktemp("cache"))
    with pytest.MonkeyPatch.context() as patch, serving(patch.setenv, cache) as found:
        yield found


def test_a_job_keeps_its_run_at_an_address_and_its_results_are_fetched_from_there(
    store: Server, head: Head, tmp_path: Path
):
    submit = ["submit", "digits_lenet", "--workers", "1", "--set", "train.epochs=2", "--storage", STORAGE]
    ended = run(*submit, "--address", head.url, cwd=tmp_path)
    assert ended.code == 0, ended
    assert f"results: {STORAGE}/digits_lenet" in ended.out, ended
    elsewhere = {"IMGCLS_CACHE": str(tmp_path / "cache")}
    fetched = run("fetch", "digits_lenet-1", "--address", head.url, cwd=tmp_path, **elsewhere)
    assert fetched.code == 0, fetched
    assert "step-00000046: every checksum is right" in fetched.out, fetched
    here = tmp_path / "runs/digits_lenet"
    for name in ("result.json", "metrics.jsonl", "checkpoints/step-00000046/model.safetensors"):
        assert (here / name).read_bytes() == store.read(f"runs/digits_lenet/{name}"), name
    said = [ended.out, ended.err, fetched.out, fetched.err, head.log("digits_lenet-1")]
    said += [str(head.ask("/api/jobs/digits_lenet-1")), *(path.read_text() for path in here.glob("*.json*"))]
    assert not any(SECRET in text for text in said)
