"""A search that was killed, anywhere, goes on: nothing is tried twice, nothing is lost, and no bit is another."""

from tests.faults.recipes import STEPS
from tests.faults.searching import (
    assert_as_launched,
    assert_whole_and_once,
    began_at,
    contents,
    middle,
    searched,
    searching,
    small_search,
    study_of,
)

_SECOND = STEPS + 20  # steps: there is a checkpoint after them, early in the second epoch


def test_the_killed_search_goes_on_and_its_trials_end_bit_for_bit_as_alone(tmp_path):
    small_search(tmp_path, trials=3)
    study = study_of(tmp_path)
    with searching(tmp_path) as search:
        third = study.trial(3)
        search.wait_for("the third trial's second epoch", lambda: middle(third, _SECOND))
        search.kill()
        search.nothing_left(within=5)
    finished = [trial for trial in study.trials if trial.end is not None]
    assert finished
    assert third.end is None
    assert [report.epoch for report in third.reports] in ([], [1])
    before = {trial.number: contents(trial.folder) for trial in finished}

    again = searched(tmp_path)
    assert again.code == 0, again
    assert again.err == "", again
    assert before == {trial.number: contents(trial.folder) for trial in finished}
    assert [trial.state for trial in study.trials] == ["finished"] * 3
    assert [[report.epoch for report in trial.reports] for trial in study.trials] == [[1, 2]] * 3
    assert_whole_and_once(study)
    assert began_at(third.run(1)) >= _SECOND
    assert_as_launched(tmp_path, third.run(1), "third")
