"""A search that was killed, anywhere, goes on: nothing is tried twice, nothing is lost, and no bit is another."""

import os
import shlex
import signal
from dataclasses import replace

import pytest
from tests.faults.processes import imgcls
from tests.faults.recipes import STEPS
from tests.faults.searching import (
    assert_as_launched,
    assert_population,
    assert_whole_and_once,
    began_at,
    contents,
    kinds,
    middle,
    process_of,
    searched,
    searching,
    small_search,
    study_of,
)

from imgcls.run_folder import read_json
from imgcls.tuning.study import VALUES

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
    # as if it had been killed before it could report what its checkpoints are after
    for name in ("reports.jsonl", "decisions.jsonl"):
        (third.folder / name).unlink(missing_ok=True)

    again = searched(tmp_path)
    assert again.code == 0, again
    assert again.err == "", again
    assert before == {trial.number: contents(trial.folder) for trial in finished}
    assert [trial.state for trial in study.trials] == ["finished"] * 3
    assert [[report.epoch for report in trial.reports] for trial in study.trials] == [[1, 2]] * 3
    assert_whole_and_once(study)
    assert began_at(third.run(1)) >= _SECOND
    assert_as_launched(tmp_path, third.run(1), "third")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_ends_a_search_in_whatever_way_changes_no_bit_of_it(tmp_path):
    small_search(tmp_path, trials=2, epochs=4)
    study = study_of(tmp_path)
    first, second = study.trial(1), study.trial(2)
    # the driver dies before anything is reported, and leaves what it was about to write
    with searching(tmp_path) as search:
        search.wait_for("a checkpoint", lambda: middle(first, 50) or middle(second, 50))
        search.kill()
        search.nothing_left(within=5)
    _leave_parts(study)
    # a trial's process dies, and Ray Tune starts it again; then SIGTERM
    with searching(tmp_path) as search:
        search.wait_for("a second epoch", lambda: middle(first, STEPS + 20))
        os.kill(process_of(search, first.run(1)), signal.SIGKILL)
        search.wait_for("its going on", lambda: began_at(first.run(1)) >= STEPS + 20)
        search.process.terminate()
        ended = search.ended()
        search.nothing_left(within=5)
    assert ended.code == 75, ended
    assert "stopping with checkpoints after SIGTERM" in ended.out, ended
    # Ctrl-C
    with searching(tmp_path) as search:
        search.wait_for("training", lambda: kinds(first.run(1))[-1:] == ["progress"])
        search.interrupt()
        ended = search.ended()
        search.nothing_left(within=5)
    assert ended.code == 130, ended
    assert kinds(first.run(1))[-1] == "stopped"
    command = shlex.split(ended.out.split("to go on:\n", 1)[1].splitlines()[0])
    assert command[:3] == ["imgcls", "tune", "small_steps.toml"]

    last = imgcls(*command[1:], cwd=tmp_path)
    assert last.code == 0, last
    assert [trial.state for trial in study.trials] == ["finished"] * 2
    assert [[report.epoch for report in trial.reports] for trial in study.trials] == [[1, 2, 3, 4]] * 2
    assert_whole_and_once(study)
    for trial in study.trials:
        assert_as_launched(tmp_path, trial.run(1), f"alone-{trial.number}")

    # it is killed after a run's end, before anything of it is reported
    run, reports = contents(first.run(1).path), [replace(report, at=0.0) for report in first.reports]
    for name in ("end.json", "reports.jsonl", "decisions.jsonl"):
        (first.folder / name).unlink()
    once_more = searched(tmp_path)
    assert once_more.code == 0, once_more
    assert first.state == "finished"
    assert [replace(report, at=0.0) for report in first.reports] == reports
    assert contents(first.run(1).path) == run, "nothing is trained again"


def _leave_parts(study):
    """Leave what a search that is killed in the middle of writing leaves."""
    (study.path / "trials/0003").mkdir()
    (study.path / "trials/0003/.trial.json.123").write_text('{"values": {"opt')
    for name in ("reports", "decisions"):
        with (study.trial(1).folder / f"{name}.jsonl").open("a") as file:
            file.write('{"index": 0, "ru')
    (study.trial(2).folder / ".end.json.77").write_text("{")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_search_by_asha_keeps_its_decisions(tmp_path):
    small_search(tmp_path, trials=6, scheduler="asha", search="tpe", epochs=4, more="rungs = 3\nreduction = 2")
    study = study_of(tmp_path)
    with searching(tmp_path) as search:
        search.wait_for("a stopped trial", lambda: any(trial.state == "stopped" for trial in study.trials))
        search.kill()
        search.nothing_left(within=5)
    ended = {trial.number: contents(trial.folder) for trial in study.trials if trial.end is not None}
    decided = {trial.number: trial.decisions for trial in study.trials}
    # of one that ended, the search was killed before it could write so
    gone = next(trial for trial in study.trials if trial.state == "stopped")
    (gone.folder / "end.json").unlink()
    del ended[gone.number]

    again = searched(tmp_path)
    assert again.code == 0, again
    assert ended == {number: contents(study.trial(number).folder) for number in ended}
    for number, before in decided.items():
        assert study.trial(number).decisions[: len(before)] == before
    assert gone.state == "stopped"
    assert len(gone.runs) == 1
    assert len(study.trials) == 6
    assert_whole_and_once(study)
    for trial in study.trials:
        assert trial.state in ("finished", "stopped")
        assert trial.decisions.count("STOP") == (trial.state == "stopped"), trial.decisions
        assert trial.decisions[:-1] == ["CONTINUE"] * (len(trial.decisions) - 1)
        assert len(trial.reports) == len(trial.decisions) + (trial.state == "finished")
        assert len(trial.runs) == len(trial.reports)
    # its process had trained others before, and ended some of them early
    whole = [trial for trial in study.trials if trial.state == "finished"]
    assert_as_launched(tmp_path, whole[-1].runs[-1], "alone")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_search_by_hyperband_that_was_killed_while_trials_wait_for_others_goes_on(tmp_path):
    small_search(tmp_path, trials=4, scheduler="hyperband", epochs=2, more="rungs = 2\nreduction = 2")
    study = study_of(tmp_path)
    with searching(tmp_path) as search:
        # it ends trials only when all of a bracket have come to the same rung
        search.wait_for("a trial that waits", lambda: any("PAUSE" in trial.decisions for trial in study.trials))
        search.kill()
        search.nothing_left(within=5)
    before = {trial.number: (trial.reports, len(trial.runs)) for trial in study.trials}
    ended = {trial.number: contents(trial.folder) for trial in study.trials if trial.end is not None}

    again = searched(tmp_path)
    assert again.code == 0, again
    assert again.err == "", again
    assert ended == {number: contents(study.trial(number).folder) for number in ended}
    for number, (reports, runs) in before.items():
        assert study.trial(number).reports[: len(reports)] == reports
        assert len(study.trial(number).runs) >= runs
    states = [trial.state for trial in study.trials]
    assert len(states) == 4
    assert set(states) <= {"finished", "stopped"}, "those that waited have come to an end"
    assert_whole_and_once(study)
    whole = [trial for trial in study.trials if trial.state == "finished"]
    assert_as_launched(tmp_path, whole[-1].runs[-1], "alone")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_population_goes_on_with_the_values_that_were_taken_over(tmp_path):
    space = '"optimizer.momentum" = { uniform = [0.5, 0.95] }'
    small_search(tmp_path, trials=4, scheduler="pbt", epochs=6, space=space)
    study = study_of(tmp_path)
    with searching(tmp_path) as search:
        search.wait_for("a trial that took over", lambda: any(len(trial.runs) > 1 for trial in study.trials))
        search.kill()
        search.nothing_left(within=5)
    before = {
        trial.number: (trial.reports, [read_json(run.path / VALUES) for run in trial.runs])
        for trial in study.trials
    }
    again = searched(tmp_path)
    assert again.code == 0, again
    assert [trial.state for trial in study.trials] == ["finished"] * 4
    assert_whole_and_once(study)
    for trial in study.trials:
        reports, values = before[trial.number]
        assert trial.reports[: len(reports)] == reports
        assert [read_json(run.path / VALUES) for run in trial.runs][: len(values)] == values
        assert_population(study, trial, epochs=6)
