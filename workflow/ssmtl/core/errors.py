"""The one exception a user is meant to read."""


class InputError(Exception):
    """Bad input: one line that says what is wrong, where, and what to do.

    The command line prints it as `error: <message>` and exits with status 2; every other
    exception is a bug and keeps its traceback.
    """
