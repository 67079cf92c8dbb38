"""A trained detector as a folder, after the Hub's conventions: safetensors and config.json."""

import json
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from safetensors.torch import save_file

from detectors.cards import CATALOG
from detectors.catalog import detector_class
from detectors.errors import WeightsError
from detectors.loading import check_fit, read_json, read_tensors

if TYPE_CHECKING:
    from detectors.base import Detector

CONFIG, TENSORS = "config.json", "model.safetensors"
D = TypeVar("D", bound="Detector")


def save(detector: "Detector", path: Path) -> None:
    """Write ``detector`` as the folder ``path``, whole or not at all."""
    if path.exists():
        raise WeightsError(f"{path} exists already: choose another folder or remove it")
    draft = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    draft.mkdir(parents=True)  # by the umask: tempfile's folders are closed to everyone else
    try:
        # Cloned and laid out anew: safetensors refuses tied weights and channels last.
        tensors = {
            name: t.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, t in detector.state_dict().items()
        }
        save_file(tensors, draft / TENSORS)
        text = json.dumps(detector.config(), indent=2, sort_keys=True) + "\n"
        (draft / CONFIG).write_text(text, encoding="utf-8")
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def load(cls: "type[D]", name: str) -> "D":
    """Rebuild the detector saved at ``name``, a folder or a Hub repository."""
    from detectors.base import Detector

    folder = hub_folder(name, [CONFIG, TENSORS])
    config = _config(folder / CONFIG)
    saved = config["detector"]
    if cls is Detector:
        # A name from a file is looked up in the catalog only: never imported as a module.
        if saved not in CATALOG:
            raise WeightsError(
                f"{folder / CONFIG}: '{saved}' is not in the catalog; load it with its own class"
            )
        cls = detector_class(saved)  # type: ignore[assignment]
    elif saved != cls.card.name:
        raise WeightsError(f"{folder / CONFIG}: holds '{saved}', not '{cls.card.name}'")
    if config["options"].get("pretrained") or "untrained" in config["options"]:
        raise WeightsError(
            f"{folder / CONFIG}: a saved detector fetches nothing and is trained; its options may "
            "not set pretrained or untrained"
        )
    try:
        detector = cls(**config["options"])
    except TypeError as error:
        raise WeightsError(f"{folder / CONFIG}: {error}") from error
    detector.init = config["init"]
    tensors = read_tensors([folder / TENSORS])
    check_fit(tensors, detector.state_dict(), folder / TENSORS)
    detector.load_state_dict(tensors)
    return detector.eval()


def hub_folder(name: str, patterns: list[str]) -> Path:
    """Give ``name`` if it is a local folder, else fetch it from the Hub.

    Args:
        name: A local folder or a Hub repository, ``owner/name``.
        patterns: The files to fetch; none else is.

    Raises:
        WeightsError: It is neither, or cannot be reached.
    """
    local = Path(name)
    if local.is_dir():
        return local
    if name.count("/") != 1 or name.startswith((".", "/", "~")) or local.suffix == ".safetensors":
        raise WeightsError(f"there is no folder '{name}'")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"'{name}' is no folder and not to be had from the Hub: {reason}") from (
            error
        )


def _config(path: Path) -> dict[str, Any]:
    """Read and check ``config.json``."""
    config = read_json(path)
    if config.get("format") != 1:
        raise WeightsError(f"{path}: not a detector of format 1")
    if not (isinstance(config.get("options"), dict) and isinstance(config.get("init"), str)):
        raise WeightsError(f"{path}: 'options' and 'init' must be there")
    return config
