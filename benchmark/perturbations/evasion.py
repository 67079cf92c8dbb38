"""What is done to an image so that a detector errs, by hands that know no detector.

Each function takes an (h, w, 3) uint8 RGB image, the sample's generator and its level, and gives
uint8 RGB of that size. None is random.
"""

import cv2
import numpy as np
from PIL import Image as Pillow

from benchmark.perturbations.codecs import through_jpeg
from benchmark.perturbations.pixels import Image, resized, scaled_size

# Sides in pixels of the patches that are compared, and of the window where alike ones are sought.
_PATCH, _WINDOW = 5, 11


def fingerprint_removal(
    image: Image, _: np.random.Generator, scale: float, strength: float, quality: float
) -> Image:
    """Take away the fine traces that a generator's up-sampling leaves.

    In this order: area averaging to ``scale`` (0 to 1) of both sides, non-local means in Lab with
    filter ``strength`` in grey levels for luma and colours, bicubic to the original size, JPEG
    4:2:0 of ``quality``.
    """
    small = cv2.resize(image, scaled_size(image, scale), interpolation=cv2.INTER_AREA)
    in_bgr = np.ascontiguousarray(small[..., ::-1])
    quiet = cv2.fastNlMeansDenoisingColored(in_bgr, None, strength, strength, _PATCH, _WINDOW)
    smooth = np.ascontiguousarray(quiet[..., ::-1]).astype(np.uint8, copy=False)
    back = resized(smooth, (image.shape[1], image.shape[0]), Pillow.Resampling.BICUBIC)
    return through_jpeg(back, int(quality))
