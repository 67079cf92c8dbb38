"""The one table of detectors, by name; nothing of theirs is imported to list it."""

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.card import Card
from detectors.cards import CATALOG
from detectors.errors import DetectorError, UnknownDetectorError, WeightsError

if TYPE_CHECKING:
    from detectors.base import Detector

ENTRY_POINTS = "forgerybench.detectors"
CHECKPOINT = "hf:"


def catalog_target(name: str) -> str:
    """Give the ``package.module:Class`` that ``name`` stands for; nothing is imported.

    Raises:
        UnknownDetectorError: It is no name of the catalog or an entry point, nor such a target.
    """
    if (checkpoint := checkpoint_of(name)) is not None:
        if not checkpoint:
            raise UnknownDetectorError("'hf:' names no checkpoint: hf:owner/name or hf:folder")
        return "detectors.huggingface:HuggingFace"
    own = {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS)}
    known = {**own, **CATALOG}
    if name not in known and ":" not in name:
        raise UnknownDetectorError(_unknown(name, list(known)))
    target = known.get(name, name)
    if not all(target.partition(":")) or target.startswith("."):  # relative to nothing
        raise UnknownDetectorError(f"detector '{target}': one's own is named package.module:Class")
    return target


def checkpoint_of(name: str) -> str | None:
    """Give the Hub repository or folder in ``hf:repository-or-folder``; None for other names."""
    return name.removeprefix(CHECKPOINT) if name.startswith(CHECKPOINT) else None


def detector_class(name: str) -> "type[Detector]":
    """Find a detector's class.

    Args:
        name: A name of the catalog, of an entry point in the group ``forgerybench.detectors``,
            ``package.module:Class`` for one's own, or ``hf:`` and a Hub repository or folder.

    Raises:
        UnknownDetectorError: There is no such name, module or class.
        DetectorError: What the name leads to is no detector.
    """
    from detectors.base import Detector

    target = catalog_target(name)
    found = _attribute(name, target)
    if not (isinstance(found, type) and issubclass(found, Detector)):
        raise DetectorError(f"'{target}' is no subclass of detectors.base.Detector")
    if not isinstance(getattr(found, "card", None), Card):
        raise DetectorError(f"'{target}' has no card: set card = Card(...) of detectors.card")
    if found.forward is Detector.forward and found.answer is Detector.answer:
        raise DetectorError(f"'{target}' defines no forward: (B, 3, S, S) inputs to (B,) logits")
    return found


def create_detector(name: str, **options: Any) -> "Detector":
    """Build the detector called ``name``; ``options`` go to its constructor."""
    found = detector_class(name)
    if (checkpoint := checkpoint_of(name)) is not None:
        options = {"checkpoint": checkpoint, **options}
    try:
        built = found(**options)
    except TypeError as error:
        raise DetectorError(f"{name} takes other options: {error}") from error
    if "trained" not in vars(built).get("_buffers", {}):
        raise DetectorError(f"{name}: its __init__ does not call super().__init__ first")
    return built


def load_detector(name: Path | str) -> "Detector":
    """Load a trained detector from a local folder or a Hub repository; the catalog gives its class.

    Raises:
        WeightsError: There is no such detector, it is none of the catalog's, or its tensors do not
            fit, each one named.
    """
    from detectors.weights import CONFIG, read_config, saved_folder

    folder = saved_folder(str(name))
    saved = read_config(folder)["detector"]
    # A name from a file is looked up in the catalog only: never imported as a module.
    if saved not in CATALOG:
        raise WeightsError(
            f"{folder / CONFIG}: '{saved}' is not in the catalog; load it with its own class"
        )
    return detector_class(saved).from_pretrained(folder)


def _attribute(name: str, target: str) -> object:
    """Import the object that ``package.module:attribute`` names."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # a module of theirs misses one of its own needs: that is their error to show
        raise UnknownDetectorError(
            f"detector '{name}': there is no module '{module}' on the import path"
        ) from error
    except AttributeError as error:
        raise UnknownDetectorError(
            f"detector '{name}': module '{module}' has no '{attribute}'"
        ) from error


def _unknown(name: str, choices: list[str]) -> str:
    """Say that ``name`` is unknown and what it may have meant."""
    close = get_close_matches(name, choices, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(sorted(choices))}"
    return f"no detector is called '{name}'; {hint}"
