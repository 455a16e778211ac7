"""The one error that is the user's to mend."""


class UserError(Exception):
    """Something the user wrote or lacks: shown as its message alone, without a traceback, exit code 2.

    The message says what is wrong, where, and what to do about it.
    """
