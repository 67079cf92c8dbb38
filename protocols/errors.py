"""Errors of the protocols; each message names file, key or row, and the choices there are."""

from collections.abc import Iterable
from difflib import get_close_matches


class ProtocolError(Exception):
    """A protocol cannot be read, or does not fit the samples it is asked to select from."""


class SamplesError(ProtocolError):
    """A table of samples breaks the schema."""


class UnknownNameError(ProtocolError):
    """Nothing of the asked kind has the asked name."""

    def __init__(self, kind: str, name: str, choices: Iterable[str]) -> None:
        """Say what ``name`` may have meant, or what there is.

        Args:
            kind: What was looked for, with its article: ``a protocol`` reads ``no protocol``.
            name: What was asked.
            choices: What there is.
        """
        choices = sorted(choices)
        close = get_close_matches(name, choices, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(choices)}"
        super().__init__(f"no {kind} is called '{name}'; {hint}")
