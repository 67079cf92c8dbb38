"""What an attack on a detector achieves, beside the metrics of the attacked images."""

import numpy as np
import numpy.typing as npt

from results.errors import ResultError


def attack_success(
    labels: npt.ArrayLike, clean: npt.ArrayLike, attacked: npt.ArrayLike
) -> float | None:
    """Give the share of the rightly judged images that are wrongly judged under attack.

    Args:
        labels: 1 is fake, shape (n,).
        clean: Logits of the images as they are, shape (n,); above 0 is called fake.
        attacked: Logits of the attacked images, shape (n,), in the same order.

    Returns:
        0 to 1; None where no image was judged rightly, so that there was nothing to attack.

    Raises:
        ResultError: The shapes differ.
    """
    fake, before, after = (np.asarray(each) for each in (labels, clean, attacked))
    if not fake.shape == before.shape == after.shape:
        raise ResultError(
            f"attack success: {fake.size} labels, {before.size} clean and {after.size} attacked "
            "logits do not go together"
        )
    right = (before > 0) == (fake == 1)
    wrong = (after > 0) != (fake == 1)
    return float(wrong[right].mean()) if right.any() else None
