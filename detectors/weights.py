"""A trained detector as a folder, after the Hub's conventions: safetensors and config.json."""

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from detectors.errors import WeightsError
from detectors.fetching import CONFIG, OFFLINE, TENSORS, is_offline, refuse_fetching
from detectors.loading import read_json


def save(path: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a detector's config and tensors as the folder ``path``, whole or not at all.

    Raises:
        WeightsError: Something is already at ``path``.
    """
    if path.exists():
        raise WeightsError(f"{path} exists already: choose another folder or remove it")
    draft = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    draft.mkdir(parents=True)  # by the umask: tempfile's folders are closed to everyone else
    try:
        # Cloned and laid out anew: safetensors refuses tied weights and channels last.
        laid_out = {
            name: t.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, t in tensors.items()
        }
        with writing(path):
            save_file(laid_out, draft / TENSORS)
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (draft / CONFIG).write_text(text, encoding="utf-8")
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def not_finite(network: nn.Module) -> str | None:
    """Name the first tensor of a network that is no number in some place, or None.

    Infinities may stand in a buffer, an attention mask say, but in no weight.
    """
    for name, weight in network.named_parameters():
        if not bool(weight.isfinite().all()):
            return name
    for name, buffer in network.named_buffers():
        if bool(buffer.isnan().any()):
            return name
    return None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Have tensors that cannot be written say so as every other file does.

    torch and safetensors have errors of their own for a full disk, which name no file.

    Raises:
        OSError: They cannot be; it names ``path``.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    except SafetensorError as error:
        reason = str(error).removeprefix("Error while serializing: ")
        raise OSError(None, f"cannot be written: {reason}", str(path)) from error
    except RuntimeError as error:
        if "inline_container" not in str(error):  # torch's writer of files
            raise
        raise OSError(None, "cannot be written: the disk may be full", str(path)) from error


def saved_folder(name: str) -> Path:
    """Give the local folder of a saved detector: ``name`` itself, or a Hub repository fetched."""
    return hub_folder(name, [CONFIG, TENSORS])


def read_config(folder: Path) -> dict[str, Any]:
    """Read and check ``config.json``.

    Raises:
        WeightsError: It is not that of a saved detector, or asks for what none may: a download, or
            scores before training.
    """
    path = folder / CONFIG
    config = read_json(path)
    if config.get("format") != 1:
        raise WeightsError(f"{path}: not a detector of format 1")
    options = config.get("options")
    if not (isinstance(options, dict) and isinstance(config.get("init"), str)):
        raise WeightsError(f"{path}: 'options' and 'init' must be there")
    if options.get("pretrained") or "untrained" in options:
        raise WeightsError(
            f"{path}: a saved detector fetches nothing and is trained; its options may "
            "not set pretrained or untrained"
        )
    return config


def hub_folder(name: str, patterns: list[str]) -> Path:
    """Give ``name`` if it is a local folder, else fetch it from the Hub.

    Args:
        name: A local folder or a Hub repository, ``owner/name``; ``owner/name@revision`` is a
            branch, tag or commit of it, of which a commit alone cannot change.
        patterns: The files to fetch; none else is.

    Raises:
        WeightsError: It is neither, or cannot be reached; or nothing may be fetched and it is not
            among what was fetched before.
    """
    local = Path(name)
    if local.is_dir():
        return local
    repository, at, revision = name.partition("@")
    odd = repository.count("/") != 1 or repository.startswith((".", "/", "~"))
    if odd or bool(at) != bool(revision) or local.suffix == ".safetensors":
        raise WeightsError(f"there is no folder '{name}'")
    stated: dict[str, Any] = {"revision": revision} if revision else {}
    refuse_fetching(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    offline = is_offline()
    try:
        return Path(
            snapshot_download(
                repository, allow_patterns=patterns, local_files_only=offline, **stated
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        if offline:
            raise WeightsError(
                f"'{name}' is no folder and was not fetched before, and nothing is fetched offline "
                f"(--offline, {OFFLINE}=1)"
            ) from error
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"'{name}' is no folder and not to be had from the Hub: {reason}") from (
            error
        )
