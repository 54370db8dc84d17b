"""The one error type of the course's data; wrong arguments are ordinary `ValueError`s."""


class DataError(RuntimeError):
    """A data set cannot be found, fetched, read or trusted. The message says what to do about it."""
