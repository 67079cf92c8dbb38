"""MFCLIP: prompts, language and vision encoder, sample pair attention, losses, the detector."""

from detectors.mfclip.model import MFCLIP

__all__ = ["MFCLIP"]
