"""The errors that are shown without our own traceback."""


class UserError(Exception):
    """Something the user wrote or lacks: shown as its message alone, without a traceback, exit code 2.

    The message says what is wrong, where, and what to do about it.
    """


class WorkerError(Exception):
    """What ended a run in a worker: the worker's own traceback, once, with its rank and host; exit code 1."""


class StorageError(WorkerError):
    """What could not be written however long it was waited for: shown as its message alone, exit code 1.

    The message says what is lost, what is kept, and what to do.
    """
