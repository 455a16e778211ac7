"""The errors that are shown without our own traceback."""


class UserError(Exception):
    """Something the user wrote or lacks: shown as its message alone, without a traceback, exit code 2.

    The message says what is wrong, where, and what to do about it.
    """


class WorkerError(Exception):
    """What ended a run in a worker: the worker's own traceback, once, with its rank and host; exit code 1."""
