import json
import subprocess
import sys
import time

from imgcls.report.events import EventFile, EventFollower

WRITE = """
import sys
from pathlib import Path
from imgcls.report.events import EventFile
for n in range(200):
    EventFile(Path(sys.argv[1])).tell("x", who=sys.argv[2], n=n, padding="p" * 500)
"""


def test_what_is_told_is_followed_in_order(tmp_path):
    file, follower = EventFile(tmp_path / "events.jsonl"), EventFollower(tmp_path / "events.jsonl")
    file.write({"kind": "a", "n": 1})
    file.write({"kind": "b", "text": "é\n\u2028"})
    assert follower.new() == [{"kind": "a", "n": 1}, {"kind": "b", "text": "é\n\u2028"}]
    assert follower.new() == []
    file.write({"kind": "c"})
    assert follower.new() == [{"kind": "c"}]


def test_tell_adds_kind_and_time(tmp_path):
    before = time.time()
    EventFile(tmp_path / "e").tell("step", loss=0.5)
    (event,) = EventFollower(tmp_path / "e").new()
    assert (event["kind"], event["loss"]) == ("step", 0.5)
    assert before <= event["time"] <= time.time()


def test_a_file_that_is_not_there_yet_has_no_events(tmp_path):
    follower = EventFollower(tmp_path / "e")
    assert follower.new() == []
    EventFile(tmp_path / "e").write({"kind": "a"})
    assert follower.new() == [{"kind": "a"}]


def test_half_a_line_waits_for_its_other_half(tmp_path):
    path = tmp_path / "e"
    follower = EventFollower(path)
    path.write_bytes(b'{"kind": "a"}\n{"kind"')
    assert follower.new() == [{"kind": "a"}]
    assert follower.new() == []
    with path.open("ab") as file:
        file.write(b': "b"}\n')
    assert follower.new() == [{"kind": "b"}]


def test_lines_of_several_processes_do_not_mix(tmp_path):
    path = tmp_path / "e"
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, path, who]) for who in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for who in "ab":
        assert [event["n"] for event in events if event["who"] == who] == list(range(200))
