"""Errors of the results; each message names the file or sample and what is wrong with it."""


class ResultError(Exception):
    """Scores or records cannot be read, or are not what a metric can be computed from."""


class UndefinedError(ResultError):
    """A number has no value for these samples; the message is the reason that tables show."""
