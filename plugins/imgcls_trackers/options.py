"""What trackers can be told."""

from imgcls import options


@options
class Csv:
    """One CSV file for each kind of record, in the run's folder."""

    prefix: str = "metrics"
