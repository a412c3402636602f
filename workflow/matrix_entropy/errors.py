"""The one exception that a user is meant to read."""


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence that names the file, key or value and says what to do. Scripts
    print it without a traceback and exit with status 1.
    """
