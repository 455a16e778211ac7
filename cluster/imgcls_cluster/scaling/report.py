"""What a forecast says, in lines and as JSON."""

from collections.abc import Sequence
from typing import Any

from imgcls_cluster.scaling.fit import Check
from imgcls_cluster.scaling.model import Forecast, Scaling
from imgcls_cluster.scaling.published import PUBLISHED


def checks(found: Sequence[Check]) -> list[str]:
    """Return the lines that hold the model against what was measured."""
    lines = ["measured here            step        images/s   model       error"]
    for check in found:
        its = check.measured
        who = f"{its.workers} worker{'s' if its.workers > 1 else ' '} batch {its.batch}"
        use = "fitted" if check.fitted else "foretold"
        speed = its.batch / its.seconds
        lines.append(
            f"  {who:<22} {_time(its.seconds):>9}  {speed:>11,.0f}  {_time(check.seconds):>9}  "
            f"{100 * check.error:+6.1f} %  {use}"
        )
    return lines


def forecasts(title: str, found: Sequence[Forecast]) -> list[str]:
    """Return the lines of a table of forecasts."""
    lines = [title, "  workers  batch each       step  exposed all-reduce     images/s  efficiency  limited by"]
    return lines + [
        f"  {each.workers:>7}  {each.batch:>10,.4g}  {_time(each.seconds):>9}  {_time(each.exposed):>18}  "
        f"{each.images_per_second:>11,.0f}  {100 * each.efficiency:>8.1f} %  {each.limit}"
        for each in found
    ]


def assumptions(scaling: Scaling, source: str) -> list[str]:
    """Return what a forecast takes for granted."""
    megabytes = scaling.gradients / 1e6
    gradients = f"gradients of {megabytes:,.1f} MB in float32"
    if scaling.per_host > 1:
        where = (
            f"{_bandwidth(scaling.between.bandwidth)} between hosts of {scaling.per_host} workers, "
            f"{_bandwidth(scaling.within.bandwidth)} within one"
        )
    else:
        where = _bandwidth(scaling.between.bandwidth)
    loader = (
        "the loader keeps up (imgcls bench data measures it; --input-speed)"
        if scaling.input_speed is None
        else f"a host's loader delivers {scaling.input_speed:,.0f} images/s"
    )
    return [
        "this assumes:",
        f"  every worker is as fast as {source}, and none waits for a slower one, another job, or storage",
        f"  {gradients}, in a ring over {where}, {scaling.between.latency * 1e6:g} us a message, all of it ours",
        "  the all-reduce hides behind the backward pass, two thirds of a step, but for the last 25 MiB of it",
        f"  {loader}; evaluations and checkpoints are not counted",
    ]


def published() -> list[str]:
    """Return the lines of published speeds on one GPU and on eight."""
    lines = ["published, 1 GPU -> 8 GPUs of one host, the batch of a GPU kept:"]
    for each in PUBLISHED:
        low, high = each.efficiency
        several = "-".join(f"{speed:,.0f}" for speed in dict.fromkeys(each.several))
        share = "-".join(f"{100 * value:.0f}" for value in dict.fromkeys((low, high)))
        lines.append(
            f"  {each.what} ({each.source}): {each.alone:,.0f} -> {several} images/s, efficiency {share} %"
        )
    return lines


def as_data(kept: Sequence[Forecast], grown: Sequence[Forecast], found: Sequence[Check]) -> dict[str, Any]:
    """Return all of it for JSON: seconds, images a second, shares."""
    return {
        "measured": [
            {**check.measured.to_dict(), "model_seconds": check.seconds, "fitted": check.fitted} for check in found
        ],
        "global_batch_kept": [_row(each) for each in kept],
        "worker_batch_kept": [_row(each) for each in grown],
        "published": [
            {
                "what": each.what,
                "source": each.source,
                "workers": each.workers,
                "alone": each.alone,
                "several": each.several,
                "efficiency": each.efficiency,
            }
            for each in PUBLISHED
        ],
    }


def _row(each: Forecast) -> dict[str, Any]:
    return {
        "workers": each.workers,
        "batch_per_worker": each.batch,
        "step_seconds": each.seconds,
        "compute_seconds": each.compute,
        "exposed_all_reduce_seconds": each.exposed,
        "input_seconds": each.loading,
        "images_per_second": each.images_per_second,
        "efficiency": each.efficiency,
        "limited_by": each.limit,
    }


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.2f} ms"


def _bandwidth(value: float) -> str:
    return f"{8 * value / 1e9:g} Gbit/s"
