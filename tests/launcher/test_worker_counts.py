"""What is taken down of the number of workers is what the steps that counted were made by."""

import pytest

from imgcls.errors import UserError
from imgcls.worker_counts import Count, read, record


def test_a_start_with_as_many_workers_adds_nothing_and_one_with_others_a_line(tmp_path):
    path = tmp_path / "workers.jsonl"
    assert read(path) == []
    for step, workers in ((0, 2), (40, 2), (90, 1), (120, 1), (150, 4)):
        record(path, step, workers)
    assert read(path) == [Count(0, 2), Count(90, 1), Count(150, 4)]


def test_steps_that_are_made_again_are_forgotten_with_the_workers_that_made_them(tmp_path):
    path = tmp_path / "workers.jsonl"
    for step, workers in ((0, 2), (90, 1), (90, 2)):
        record(path, step, workers)
    assert read(path) == [Count(0, 2)]
    record(path, 0, 3)
    assert read(path) == [Count(0, 3)]


@pytest.mark.parametrize("text", ["{", "[]\n", '{"step": 1}\n', '{"step": "x", "workers": 1}\n', "\xff\n"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, text):
    path = tmp_path / "workers.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"workers\.jsonl: is damaged .* put back a copy, or remove it"):
        read(path)
    with pytest.raises(UserError):
        record(path, 5, 1)
