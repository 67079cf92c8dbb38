"""Where datasets lay what was changed in a picture: a mask beside the forged video or frame."""

import re
from collections.abc import Sequence
from pathlib import Path

MASK = "mask"
# DeepfakeBench puts the mask of a frame into ``masks`` where the frame is in ``frames``.
OF_FRAMES = (r"/frames/(?=[^/]+/[^/]+$)", "/masks/")


class Masks:
    """Finds masks by their path alone; a folder that is not there is looked for once."""

    def __init__(self, folder: Path, places: Sequence[tuple[str, str]]) -> None:
        """Look for nothing yet.

        Args:
            folder: The dataset.
            places: Pattern and replacement that make a mask's path of a picture's, the first whose
                file is there holds.
        """
        self._folder = folder
        self._places = [(re.compile(pattern, re.IGNORECASE), new) for pattern, new in places]
        self._folders: dict[Path, bool] = {}

    def of(self, path: str) -> str:
        """Give the path of a picture's or video's mask, "" if none is there."""
        for pattern, new in self._places:
            mask, changed = pattern.subn(new, path, count=1)
            file = self._folder / mask
            if file.parent not in self._folders:
                self._folders[file.parent] = file.parent.is_dir()
            if changed and self._folders[file.parent] and file.is_file():
                return mask
        return ""
