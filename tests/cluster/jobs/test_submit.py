"""Jobs on a real head: submit, follow, leave, stop, continue, fetch; what travels, and what never does."""

import json
import os
import re
import subprocess
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from tests.cluster.jobs.head import Head, Proxy, run
from tests.faults.processes import Launch, result

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_EPOCH = re.compile(r"^epoch +(\d+)/\d+  top1", re.MULTILINE)
_SECRET = "an-api-key-that-must-stay-at-home"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, with things in it that are nobody's business."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".env").write_text(f"API_KEY={_SECRET}\n")
    (folder / "server.key").write_text(_SECRET)
    (folder / "images").mkdir()
    (folder / "images/1.jpg").write_bytes(b"private")
    return folder


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs that the cluster sees."""
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def finished(head: Head, home: Path, storage: Path) -> str:
    """The output of a job, ``small-1``, that was followed to its end."""
    ended = run(
        "submit", "digits_lenet", "--set", "train.epochs=3", "--set", "workers.count=1", "--name", "small",
        "--storage", storage, "--address", head.url, cwd=home, RAY_ADDRESS="10.0.0.1:6379",
    )  # fmt: skip
    assert ended.code == 0, ended
    assert f"submitted small-1 to {head.url}: 1 worker, results in {storage}/small" in ended.err, ended
    return ended.out


def test_a_job_shows_what_a_launch_shows_and_reaches_the_same(finished, storage, tmp_path):
    here = run("launch", "digits_lenet", "--set", "train.epochs=3", "--workers", 0, cwd=tmp_path)
    assert here.code == 0, here
    assert "digits_lenet: lenet5 on digits: 61,706 parameters" in finished
    assert _EPOCH.findall(finished) == ["1", "2", "3"]
    assert f"results: {storage}/small" in finished
    scores = [re.findall(r"top1 +\S+  top5 +\S+  loss \S+", text) for text in (finished, here.out)]
    assert scores[0] == scores[1]
    assert len(scores[0]) == 3


def test_only_the_recipe_travels_and_no_token_is_written_anywhere(finished, head, storage):
    package = head.package("small-1")
    files = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert files == {"digits_lenet.toml", "job.json", "begin_imgcls_job.py"}
    texts = [path.read_text() for path in package.iterdir()]
    texts += [
        path.read_text() for path in storage.rglob("*") if path.suffix in (".json", ".jsonl", ".toml", ".log")
    ]
    texts += [json.dumps(head.ask("/api/jobs/small-1")), head.log("small-1"), finished]
    assert len(texts) > 10
    for text in texts:
        assert head.token not in text
        assert _SECRET not in text
    details = head.ask("/api/jobs/small-1")
    assert details["metadata"]["run"] == "small"
    assert details["metadata"]["storage"] == str(storage)
    assert set(details["runtime_env"]["env_vars"]) == {"RAY_JOB_STOP_WAIT_TIME_S"}


def test_a_job_is_listed_and_says_how_it_is_and_what_it_said(finished, head, home, storage):
    address = ("--address", head.url)
    listed = run("jobs", "--json", *address, cwd=home)
    (job,) = [job for job in json.loads(listed.out) if job["job"] == "small-1"]
    assert (job["state"], job["exit_code"], job["workers"]) == ("SUCCEEDED", 0, "1")
    assert re.search(r"^small-1 +SUCCEEDED +1 ", run("jobs", *address, cwd=home).out, re.MULTILINE)
    status = run("status", "small-1", *address, cwd=home)
    assert "step 69 of 69, epoch 3 of 3, top1" in status.out, status
    told = json.loads(run("status", "small-1", "--json", *address, cwd=home).out)
    assert told["top1"] == pytest.approx(result(storage / "small")["top1"])
    assert run("logs", "small-1", *address, cwd=home).out == finished
    again = run("logs", "small-1", "-f", *address, cwd=home)
    assert (again.code, again.out) == (0, finished)
    slip = run("status", "smal-1", *address, cwd=home)
    assert slip.code == 2, slip
    assert "did you mean 'small-1'?" in slip.err, slip


def test_a_follower_whose_reader_has_seen_enough_ends_without_a_word(finished, head, home):
    command = ["imgcls", "logs", "small-1", "-f", "--address", head.url]
    reader, writer = os.pipe()
    os.close(reader)  # before the first line
    try:
        done = subprocess.run(
            command, cwd=home, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=120
        )
    finally:
        os.close(writer)
    assert done.stderr == ""


def test_results_are_fetched_from_storage_that_is_seen_here_and_never_over_anything_else(
    finished, head, home, storage
):
    address = ("--address", head.url)
    ended = run("fetch", "small-1", *address, cwd=home)
    assert ended.code == 0, ended
    assert f"from {storage}/small into runs/small" in ended.out, ended
    assert "step-00000069: every checksum is right" in ended.out, ended
    fetched, run_folder = home / "runs/small", storage / "small"
    for name in ("result.json", "metrics.jsonl", "recipe.toml", "plan.json", "run.lock.json", "logs/worker-0.log"):
        assert (fetched / name).read_bytes() == (run_folder / name).read_bytes(), name
    assert run("fetch", "small-1", *address, cwd=home).code == 0, "again"
    (fetched / "metrics.jsonl").write_text("mine\n")
    refused = run("fetch", "small-1", *address, cwd=home)
    assert refused.code == 2, refused
    assert "metrics.jsonl was changed after it was fetched" in refused.err, refused
    assert (fetched / "metrics.jsonl").read_text() == "mine\n"
    other = run("fetch", "small-1", "--out", ".", *address, cwd=home)
    assert other.code == 2, other
    assert "holds something that was not fetched" in other.err, other


def test_results_come_through_a_job_where_the_storage_is_not_seen_here(finished, head, home, storage, tmp_path):
    hidden = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs none '{storage}' && exec \"$@\"", "sh"]
    if os.geteuid() != 0 or subprocess.run([*hidden, "true"], check=False, capture_output=True).returncode:
        pytest.skip("a folder cannot be hidden from a process here: that takes root and mount namespaces")
    command = [*hidden, "imgcls", "fetch", "small-1", "--out", str(tmp_path / "away"), "--address", head.url]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done
    assert "from the head of small-1" in done.stdout, done
    for name in ("result.json", "checkpoints/step-00000069/model.safetensors", "logs/worker-0.log"):
        assert (tmp_path / "away" / name).read_bytes() == (storage / "small" / name).read_bytes(), name
    assert "fetch-small" not in run("jobs", "--address", head.url, cwd=home).out


def test_a_plugin_that_the_cluster_has_not_travels_as_a_wheel_and_trains(head, home, storage, tmp_path):
    with pytest.raises(PackageNotFoundError):
        distribution("imgcls-example")
    source, here = Path(__file__).parents[2] / "third_party/imgcls_example", tmp_path / "here"
    install = [
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--target",
        str(here),
    ]
    subprocess.run([*install, str(source)], check=True, capture_output=True)
    (tmp_path / "tiles.toml").write_text("""
model = "example:small_net"
data = "example:photo_tiles"
optimizer = { name = "sgd", lr = 0.1 }
train = { epochs = 1, batch_size = 32 }
callback = ["example:weight_norm"]
""")
    ended = run(
        "submit", "tiles.toml", "--storage", storage, "--address", head.url, cwd=tmp_path, PYTHONPATH=str(here)
    )
    assert ended.code == 0, ended
    assert "with imgcls_example" in ended.err, ended
    assert (storage / "tiles/weight_norm.jsonl").is_file()
    (wheel,) = head.ask("/api/jobs/tiles-1")["runtime_env"]["py_modules"]
    assert re.search(r"imgcls_example-0\.3\.0-1[0-9a-f]{16}-py3-none-any\.whl$", wheel), wheel


def test_what_is_wrong_on_the_cluster_is_said_as_a_launch_says_it_and_included_files_are_there(
    head, home, storage
):
    (home / "lists").mkdir()
    (home / "lists/.gitignore").write_text("*\n")
    (home / "lists/train.csv").write_text("path,label\n")
    (home / "lists/.env.local").write_text(_SECRET)
    (home / "csv.toml").write_text(f"""
model = "lenet5"
data = {{ name = "csv_file", file = "lists/train.csv", root = "{storage}/nowhere" }}
optimizer = {{ name = "sgd", lr = 0.1 }}
train = {{ epochs = 1, batch_size = 8 }}
""")
    ended = run("submit", "csv.toml", "--storage", storage, "--include", "lists", "--address", head.url, cwd=home)
    assert ended.code == 2, ended
    assert "leaves out" in ended.err, ended
    assert ".env.local" in ended.err, ended
    assert "submitted csv-1" in ended.err, ended
    assert "data csv_file: the training set is empty" in ended.err, "it was read there"
    assert "Traceback" not in ended.err, ended
    files = {path.name for path in head.package("csv-1").rglob("*") if path.is_file()}
    assert files == {"csv.toml", "job.json", "begin_imgcls_job.py", "train.csv", ".gitignore"}


def _lines(text: str) -> list[str]:
    """The lines of a run's output: without those about the connection."""
    return [line for line in text.splitlines() if "does not answer" not in line and "answers again" not in line]


def test_a_job_is_left_by_ctrl_c_found_again_followed_over_a_cut_connection_stopped_and_continued(
    head, home, storage
):
    submit = ["submit", "digits_lenet", "--workers", "1", "--set", "train.epochs=400", "--name", "long"]
    submit += ["--storage", str(storage), "--plain", "--address"]
    with Launch([*submit, head.url], home) as first:
        first.wait_for("an epoch", lambda: _EPOCH.findall(first.out))
        first.interrupt()
        left = first.ended()
    assert left.code == 130, left
    assert (
        f"left long-1, which goes on; to follow it again: imgcls logs long-1 -f --address {head.url}" in left.err
    )

    other = run(*submit, head.url, "--set", "seed=9", cwd=home)
    assert other.code == 2, other
    assert f"{storage}/long is being trained by long-1, with another recipe" in other.err, other

    proxy = Proxy(head.url)
    with Launch([*submit, proxy.url], home) as second:
        for _ in range(2):
            epochs = len(_EPOCH.findall(second.out))
            second.wait_for("epochs", lambda: len(_EPOCH.findall(second.out)) >= epochs + 2)  # noqa: B023
            proxy.cut()
            second.wait_for("the word of it", lambda: "trying again" in second.out)
            time.sleep(2)
            proxy.mend()
        second.wait_for("the connection", lambda: second.out.count("answers again") == 2)
        stopped = run("stop", "long-1", "--address", head.url, cwd=home)
        followed = second.ended()
    proxy.close()
    assert "long-1 trains this already; it is followed" in followed.err, followed
    assert stopped.code == 0, stopped
    step = int(re.search(r"long-1: stopped after step (\d+), with a checkpoint", stopped.out).group(1))
    assert followed.code == 75, followed
    assert (
        f"stopped after step {step}, with a checkpoint; to continue:\n    imgcls submit digits_lenet"
        in followed.out
    )
    assert _lines(followed.out) == _lines(run("logs", "long-1", "--address", head.url, cwd=home).out)
    assert "has ended already: STOPPED" in run("stop", "long-1", "--address", head.url, cwd=home).out

    with Launch([*submit, head.url, "--detach"], home) as third:
        detached = third.ended()
    assert detached.code == 0, detached
    assert "to follow it: imgcls logs long-2 -f" in detached.err, detached
    with Launch(["logs", "long-2", "-f", "--address", head.url], home) as again:
        again.wait_for("the run", lambda: f"continuing after step {step} of 9200" in again.out)
        ended = run("stop", "long-2", "--address", head.url, cwd=home)
    assert ended.code == 0, ended


def test_a_token_that_is_wrong_or_missing_and_an_address_that_is_none_are_said_in_words_at_once(head, home):
    token = {"wrong": {"RAY_AUTH_TOKEN": "another-token"}, "no": {"RAY_AUTH_MODE": "disabled"}}
    submit = ["submit", "digits_lenet", "--storage", "/tmp", "--address"]
    ends = {
        "takes another token than ours": run(*submit, head.url, cwd=home, **token["wrong"]),
        "wants a token": run(*submit, head.url, cwd=home, **token["no"]),
        "it is not Ray's dashboard": run(*submit, f"http://127.0.0.1:{head.port}", cwd=home),
        "does not answer there": run(*submit, "http://127.0.0.1:1", cwd=home),
        "expected the dashboard's URL": run(*submit, "127.0.0.1:8265", cwd=home),
        "leave name and password out of it": run(*submit, "http://me:secret@127.0.0.1", cwd=home),
        "RAY_ADDRESS of the environment is left aside": run("jobs", cwd=home, RAY_ADDRESS=head.url),
    }
    for words, ended in ends.items():
        assert ended.code == 2, ended
        assert words in ended.err, ended
        assert "Traceback" not in ended.err, ended
        assert head.token not in ended.out + ended.err, "a token is never printed"
        assert "another-token" not in ended.err
        assert "me:secret" not in ended.err
        assert ended.seconds < 30, ended
