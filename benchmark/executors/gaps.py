"""Models that a worker could not train or score, noted for the others who fill the same run."""

import shutil
from pathlib import Path

from protocols.gaps import Gap, Noted
from results.files import atomic_write, json_text, own_file, read_json


class GapNotes:
    """Notes beside the units of a run, one a model; they last as long as somebody works on it.

    Without them every worker would find out by himself, at the price of a training. Called again
    later, a study tries such models anew.
    """

    def __init__(self, run: Path) -> None:
        """Use the run at ``run``."""
        self._folder = run / "units" / "gaps"

    def of(self, model: str) -> Gap | None:
        """Give why a model is left out; None: nobody has said so."""
        path = own_file(self._folder, model, ".json")
        return Noted(text=str(read_json(path))) if path.is_file() else None

    def note(self, model: str, gap: Gap) -> None:
        """Tell the others why a model is left out."""
        path = own_file(self._folder, model, ".json")
        if not path.is_file():
            atomic_write(path, json_text(str(gap), str(path)))

    def clear(self) -> None:
        """Forget what an earlier sitting noted; for a worker who is alone."""
        shutil.rmtree(self._folder, ignore_errors=True)
