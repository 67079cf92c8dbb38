"""Files that would do harm to whoever reads them carelessly."""

import os
from pathlib import Path


class MakesFolder:
    """Makes a folder when it is unpickled, which a test then looks for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)
