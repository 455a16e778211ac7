"""What is told of nodes that Ray will take away."""

from ray.train import PreemptionInfo

from imgcls.on_ray.drain import Notices, described, drain_notice

_NOW = 1_000_000.0  # seconds


class _Told:
    def __init__(self) -> None:
        self.now = _NOW
        self.info: PreemptionInfo | None = None
        self.notices = Notices(lambda: self.info, lambda: self.now)

    def after(self, seconds: float) -> str:
        self.now += seconds
        return self.notices.next()


def _node(name: str, rank: int, seconds: float | None) -> PreemptionInfo:
    return PreemptionInfo(None if seconds is None else int(1000 * (_NOW + seconds)), {name * 10: [rank]})


def test_a_notice_is_told_at_once_and_again_ten_seconds_before_the_end():
    told = _Told()
    assert told.after(1) == ""
    told.info = _node("a", 1, 120)
    text = "Ray will take node aaaaaaaa away in {} s, with worker 1; saving a checkpoint now, and going on"
    assert told.after(1) == text.format(118)
    assert told.after(1) == ""
    assert told.after(106.9) == ""
    assert told.after(0.2) == text.format(10)
    assert told.after(1) == told.after(100) == ""


def test_a_notice_that_comes_shortly_before_the_end_or_without_one_is_told_once():
    for seconds in (19, None):
        told = _Told()
        told.info = _node("a", 0, seconds)
        assert told.after(0).startswith("Ray will take node aaaaaaaa away ")
        assert [told.after(1) for _ in range(30)] == [""] * 30


def test_a_second_node_is_told_of_when_its_notice_comes_and_its_end_is_the_one_that_counts():
    told = _Told()
    told.info = _node("a", 1, 60)
    assert "aaaaaaaa" in told.after(0)
    told.info = _node("b", 0, 300)
    assert "bbbbbbbb" in told.after(10)
    assert told.after(50) == ""
    assert "bbbbbbbb away in 10 s" in told.after(230)


def test_all_nodes_and_workers_of_a_notice_are_named():
    info = PreemptionInfo(None, {"a" * 10: [2, 3], "b" * 10: [0]})
    assert described(info, _NOW).startswith(
        "Ray will take node aaaaaaaa, bbbbbbbb away soon, with worker 0, 2, 3;"
    )


def test_outside_a_worker_of_ray_and_on_a_cluster_of_our_own_there_is_no_notice(monkeypatch):
    assert drain_notice()() == ""
    monkeypatch.setenv("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    assert drain_notice()() == ""
