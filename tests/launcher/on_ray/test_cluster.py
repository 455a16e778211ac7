import pytest

from imgcls.errors import WorkerError
from imgcls.on_ray.cluster import in_time


def starting(*failures):
    tries = []

    def begin():
        tries.append(len(tries))
        if len(tries) <= len(failures):
            raise failures[len(tries) - 1]

    return begin, tries


def test_ray_that_starts_too_slowly_for_itself_is_started_once_more():
    begin, tries = starting(Exception("The current node timed out during startup. This could happen because"))
    in_time(begin)
    assert len(tries) == 2


def test_after_the_second_time_it_is_said_in_words():
    late = Exception("The current node timed out during startup.")
    begin, tries = starting(late, late)
    with pytest.raises(WorkerError, match="did not start on this machine within 30 s, twice"):
        in_time(begin)
    assert len(tries) == 2


def test_another_error_is_not_tried_again():
    begin, tries = starting(ValueError("no such thing"))
    with pytest.raises(ValueError, match="no such thing"):
        in_time(begin)
    assert len(tries) == 1
