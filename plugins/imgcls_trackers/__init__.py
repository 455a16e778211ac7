"""Trackers: where metrics go beside metrics.jsonl."""

from collections.abc import Iterable

from imgcls import Component, hookimpl


@hookimpl
def imgcls_trackers() -> Iterable[Component]:
    from imgcls_trackers.options import Csv

    return [
        Component("csv", "imgcls_trackers.csv_file:build", Csv, summary="one CSV file for each kind of record")
    ]
