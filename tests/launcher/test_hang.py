"""Who holds the others up, from what ranks noted."""

from dataclasses import replace

import pytest

from imgcls.hang import Onlooker, Place, places, slowest

LIMIT = 10.0


def place(rank, step=7, doing="forward, backward and update", size=3, **changes):
    return replace(Place(rank, size, "here", 100 + rank, 1.0, step, doing, 5, 5, LIMIT), **changes)


@pytest.fixture
def note(tmp_path):
    def note(*ranks):
        for one in ranks:
            one.write(tmp_path / f"rank-{one.rank}.json")

    return note


def test_what_is_noted_is_read_again_and_what_is_half_there_is_passed_over(tmp_path, note):
    noted = [place(rank) for rank in range(3)]
    note(*reversed(noted))
    assert list(places(tmp_path)) == noted
    (tmp_path / "rank-1.json").write_text('{"rank": 1, "si')
    assert [one.rank for one in places(tmp_path)] == [0, 2]
    assert not list(tmp_path.glob(".*")), "nothing temporary is left"


@pytest.mark.parametrize(
    ("late", "why"),
    [
        (place(1, step=6), "an update behind"),
        (place(1, doing="callbacks"), "the same number of updates made, and not yet at the next one"),
        (place(1, doing="reading a batch"), "the others have their batch"),
    ],
)
def test_the_rank_with_least_progress_is_the_one_that_the_others_wait_for(late, why):
    hang = slowest([place(0), late, place(2)], [], 12.0)
    assert [one.rank for one in hang.slow] == [1], why
    assert str(hang) == (
        f"worker 1 on here (process 101) has made no progress for 12 s, at step {late.step}, {late.doing}; "
        "worker 0, 2 wait"
    )


def test_a_rank_that_is_silent_is_named_even_if_it_was_last_seen_further_than_the_others():
    hang = slowest([place(0), place(1), place(2, step=9)], [place(2, step=9)], 12.0)
    assert "worker 2 on here (process 102) has not answered for 12 s, last seen at step 9" in str(hang)


def test_where_all_are_at_the_same_place_no_one_is_named():
    hang = slowest([place(rank) for rank in range(3)], [], 12.0)
    assert not hang.slow
    assert str(hang).startswith("no worker has made progress for 12 s: all are at step 7")


def test_a_single_worker_is_named_and_so_are_several_that_are_behind():
    assert "worker 0 on here" in str(slowest([place(0, size=1)], [], 12.0))
    text = str(slowest([place(0), place(1, step=6), place(2, step=6)], [], 12.0))
    assert "worker 1 on here (process 101) and worker 2 on here (process 102) have made no progress" in text
    assert text.endswith("; worker 0 waits")


def test_a_hang_is_found_by_the_onlookers_own_clock_and_only_beyond_the_limit(tmp_path, note):
    onlooker = Onlooker(tmp_path)
    note(place(0, size=2), place(1, size=2))
    assert onlooker.look(100.0) is None
    note(place(0, size=2, beats=6, looks=6), place(1, size=2, looks=6))
    assert onlooker.look(105.0) is None
    assert onlooker.look(109.9) is None
    hang = onlooker.look(110.5)
    assert hang is not None
    assert hang.seconds == 10.5


def test_a_rank_that_notes_nothing_any_more_is_silent_and_one_that_waits_is_not(tmp_path, note):
    onlooker = Onlooker(tmp_path)
    note(place(0, size=2), place(1, size=2))
    onlooker.look(100.0)
    for second in range(1, 12):
        note(place(0, size=2, looks=5 + second))
        hang = onlooker.look(100.0 + second)
    assert hang is not None
    assert hang.silent
    assert [one.rank for one in hang.slow] == [1]
    assert [one.rank for one in onlooker.silent(111.0, beyond=0.5)] == [1]
    assert not onlooker.silent(111.0, beyond=2.0)


def test_a_longer_limit_for_what_is_done_for_the_first_time_is_kept_to(tmp_path, note):
    onlooker = Onlooker(tmp_path)
    note(place(0, size=1, limit=1000.0))
    onlooker.look(100.0)
    assert onlooker.look(900.0) is None


def test_what_processes_that_have_ended_left_is_no_hang_and_their_successors_are_watched(tmp_path, note):
    onlooker = Onlooker(tmp_path)
    note(place(0, size=2), place(1, size=2))
    onlooker.look(100.0)
    onlooker.forget()
    assert onlooker.look(200.0) is None
    note(place(0, size=1, began=2.0, process=200))  # a smaller group
    onlooker.look(201.0)
    hang = onlooker.look(212.0)
    assert hang is not None
    assert [one.process for one in hang.ranks] == [200]
