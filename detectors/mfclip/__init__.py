"""MFCLIP: prompts, language and vision encoder, sample pair attention, losses, the detector."""

from detectors.mfclip.model import MFCLIP
from detectors.mfclip.release import MFCLIPRelease

__all__ = ["MFCLIP", "MFCLIPRelease"]
