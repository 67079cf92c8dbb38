"""Errors of the detectors; each message names what was asked, what there is and what to do."""


class DetectorError(Exception):
    """A detector cannot be built, loaded, trained or asked."""


class UnknownDetectorError(DetectorError):
    """No detector has the name that was asked for."""


class CodeError(DetectorError):
    """A file names code that nobody allowed to be loaded."""


class UntrainedDetectorError(DetectorError):
    """A detector that was never trained was asked for logits."""


class WeightsError(DetectorError):
    """Saved or published weights do not fit the detector, or cannot be read."""


class InputError(DetectorError):
    """An image or batch does not have the shape, range or size a detector takes."""
