"""Errors of the engine; each message names what was asked, what there is and what to do."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocols.gaps import Gap


class BenchmarkError(Exception):
    """A study, its data or its models cannot be used as asked."""


class ManifestError(BenchmarkError):
    """A manifest or image folder cannot be read as a table of samples."""


class ImageError(BenchmarkError):
    """A file is not one whole image, or lies where no sample may lie.

    Attributes:
        reason: What is wrong, without the file's name; the same on every machine.
    """

    def __init__(self, where: str, reason: str) -> None:
        """Say what is wrong with the file ``where``."""
        super().__init__(where, reason)  # both, so that it can be pickled out of a worker
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.reason}"


class ModelGapError(BenchmarkError):
    """One model cannot be trained or scored; it becomes a stated gap, and the others go on.

    Attributes:
        gap: Why.
    """

    def __init__(self, title: str, gap: "Gap") -> None:
        """Say why the model called ``title`` is left out."""
        super().__init__(title, gap)  # both, so that it can be pickled
        self.gap = gap

    def __str__(self) -> str:
        return f"{self.args[0]}: {self.gap}"


class PerturbationError(BenchmarkError):
    """A perturbation cannot be applied to what it was given."""
