import time

from imgcls.report.timings import process_started, table


def test_this_process_began_before_now_and_not_long_ago():
    assert time.time() - 24 * 3600 < process_started() < time.time()


def test_phases_are_sorted_by_their_end_and_add_up():
    lines = table(10.0, [("later", 14.5), ("first", 11.0)]).splitlines()
    assert lines[1].split() == ["first", "1.00", "1.00"]
    assert lines[2].split() == ["later", "3.50", "4.50"]
