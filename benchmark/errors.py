"""Errors of the engine; each message names what was asked, what there is and what to do."""


class BenchmarkError(Exception):
    """A study, its data or its models cannot be used as asked."""


class ManifestError(BenchmarkError):
    """A manifest or image folder cannot be read as a table of samples."""


class ImageError(BenchmarkError):
    """A file is not one whole image, or lies where no sample may lie."""


class PerturbationError(BenchmarkError):
    """A perturbation cannot be applied to what it was given."""
