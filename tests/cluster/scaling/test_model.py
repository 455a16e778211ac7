import pytest

from imgcls_cluster.scaling.fit import Measurement, fit
from imgcls_cluster.scaling.model import Compute, Link, Scaling
from imgcls_cluster.scaling.published import PUBLISHED

FAST = Link(bandwidth=1e18, latency=0.0)


def test_a_ring_sends_two_messages_of_an_nth_for_each_other_worker():
    link = Link(bandwidth=1e9, latency=1e-5)
    assert link.all_reduce(2, 1e9) == pytest.approx(1 + 2e-5)
    assert link.all_reduce(4, 1e9) == pytest.approx(1.5 + 6e-5)
    assert link.all_reduce(1000, 1e9) == pytest.approx(1.998 + 1998e-5), (
        "at most twice the size, ever more messages"
    )


@pytest.mark.parametrize(
    ("points", "fixed", "per_sample"),
    [
        ([(64, 0.8), (16, 0.32)], 0.16, 0.01),
        ([(100, 1.0)], 0.0, 0.01),  # one point is taken in proportion
        ([(64, 0.2), (16, 0.3)], 0.25, 0.0),  # slower with fewer samples: noise, all is overhead
        ([(10, 0.1), (20, 0.4)], 0.0, 0.25 / 15),  # steeper than in proportion: nothing is below 0
    ],
)
def test_compute_is_a_line_with_no_part_below_zero(points, fixed, per_sample):
    line = Compute.through(points)
    assert line.fixed == pytest.approx(fixed)
    assert line.per_sample == pytest.approx(per_sample)


def test_without_a_network_to_wait_for_workers_are_as_fast_as_one():
    scaling = Scaling(Compute(0.0, 0.001), 1e8, FAST, FAST)
    assert scaling.forecast(64, 32, 32).efficiency == pytest.approx(1.0)
    assert scaling.forecast(64, 0.5, 32).efficiency == pytest.approx(1.0), "nothing is fixed"


def test_what_a_step_has_beside_its_samples_costs_efficiency_where_the_global_batch_is_kept():
    scaling = Scaling(Compute(0.010, 0.001), 0.0, FAST, FAST)
    kept, grown = scaling.forecast(8, 4, 32), scaling.forecast(8, 32, 32)
    assert kept.seconds == pytest.approx(0.014)
    assert kept.efficiency == pytest.approx((4 / 0.014) / (32 / 0.042))
    assert grown.efficiency == pytest.approx(1.0)


def test_the_all_reduce_hides_behind_two_thirds_of_a_step_and_no_more():
    scaling = Scaling(Compute(0.0, 0.03), 1e9, Link(1e9, 0.0), FAST)
    # 1.5 s in the ring of four, 2 s of backward pass for 100 samples, 0.6 s for 30
    assert scaling.forecast(4, 100, 100).exposed == pytest.approx(1.5 * 25 * 2**20 / 1e9), "the last bucket"
    assert scaling.forecast(4, 30, 30).exposed == pytest.approx(0.9)
    assert scaling.forecast(4, 30, 30).limit == "all-reduce"
    assert scaling.forecast(1, 30, 30).exposed == 0.0


def test_workers_of_one_host_use_its_own_link():
    scaling = Scaling(Compute(0.0, 0.001), 1e9, Link(1e9, 0.0), FAST, per_host=8)
    assert scaling.forecast(8, 32, 32).exposed == pytest.approx(0.0, abs=1e-6)
    assert scaling.forecast(16, 32, 32).exposed > 1


def test_a_loader_that_cannot_keep_up_is_what_limits_and_a_host_shares_it():
    scaling = Scaling(Compute(0.0, 0.001), 0.0, FAST, FAST, per_host=4, input_speed=2000)
    assert scaling.forecast(1, 100, 100).efficiency == pytest.approx(1.0)
    crowded = scaling.forecast(4, 100, 100)
    assert crowded.images_per_second == pytest.approx(2000)
    assert crowded.limit == "input"
    assert scaling.forecast(8, 100, 100).images_per_second == pytest.approx(4000), "another host has its own"


def made(workers, batch):
    """Steps of two CPUs: 2 ms and 0.1 ms a sample, twice the CPU work, 1 ms for the gradients' way round."""
    share = batch / workers
    alone, work = 0.002 + 0.0001 * share, 0.004 + 0.0002 * share
    ring = 0.001 * 2 * (workers - 1) / workers * max(1, workers / 2)
    return Measurement(workers, batch, max(alone, workers * work / 2) + ring, workers * work, 100)


def test_the_fit_finds_what_measurements_were_made_of_and_foretells_the_rest():
    machine, checks = fit([made(1, 64), made(1, 16), made(2, 64), made(4, 64), made(8, 64)], cpus=2)
    assert (machine.compute.fixed, machine.compute.per_sample) == pytest.approx((0.002, 0.0001))
    assert machine.exchange == pytest.approx(0.001)
    assert [check.fitted for check in checks] == [True, True, True, False, False]
    assert [check.error for check in checks] == pytest.approx([0.0] * 5, abs=1e-9)


def test_a_measurement_that_the_model_misses_is_said_to_be_missed():
    slow = Measurement(4, 64, 2 * made(4, 64).seconds, 1.0, 10)
    _, checks = fit([made(1, 64), made(1, 16), made(2, 64), slow], cpus=2)
    assert checks[-1].error == pytest.approx(-0.5)


def test_workers_with_a_device_each_do_not_share_the_cpus():
    machine, _ = fit([Measurement(1, 256, 0.1, 0.05, 9), Measurement(2, 256, 0.06, 0.1, 9)], cpus=None)
    assert machine.exchange == pytest.approx(0.01)
    assert machine.seconds(4, 256) == pytest.approx(0.025 + 0.015)


def test_published_efficiencies_follow_from_the_speeds():
    assert [round(100 * each.efficiency[0]) for each in PUBLISHED] == [84, 93, 98]
