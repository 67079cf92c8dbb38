"""Published weights that a detector starts from: where they are and how they are read."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from detectors.errors import WeightsError
from detectors.weights import hub_folder

Pretrained = bool | str | None


def resolve(pretrained: Pretrained, *, size: str, published: str, detector: str) -> str | None:
    """Say where the first weights come from.

    Args:
        pretrained: False for random weights, True for the published ones, a Hub repository or a
            local folder; None is the default of the size: published for ``base``, else random.
        size: ``tiny`` or ``base``.
        published: Hub repository of the published weights, which fit the size ``base``.
        detector: Name for messages.

    Returns:
        A Hub repository or local folder; None for random weights.

    Raises:
        WeightsError: Published weights are asked of the size tiny, which has none.
    """
    if pretrained is None:
        pretrained = size == "base"
    if pretrained is True and size != "base":
        raise WeightsError(
            f"{detector} has no published weights of size {size}: pass pretrained=False, "
            "the name of a folder, or size='base'"
        )
    if isinstance(pretrained, str):
        return pretrained
    return published if pretrained else None


def weights_folder(source: str, detector: str) -> Path:
    """Give the local folder of ``source``, fetched from the Hub if it is not one.

    Only safetensors and JSON are fetched: a pickled checkpoint can run code when it is read.

    Raises:
        WeightsError: The weights are not to be had; never replaced by random ones.
    """
    try:
        return hub_folder(source, ["*.safetensors", "*.json"])
    except WeightsError as error:
        raise WeightsError(
            f"{detector} starts from the published weights '{source}', which are not to be had: "
            f"{error}. Put a folder with them on this computer and pass pretrained=<folder>, "
            "or pass pretrained=False for random weights"
        ) from error


def tensor_files(folder: Path) -> list[Path]:
    """List the safetensors files of a folder, sorted by name: one, or its index's shards.

    Raises:
        WeightsError: There is none.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        shards = read_json(index).get("weight_map", {})
        return [folder / name for name in sorted(set(shards.values()))]
    others = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    raise WeightsError(
        f"{folder}: weights are read from model.safetensors only (pickled files can run code); "
        f"there is {others}"
    )


def fingerprint(files: Iterable[Path]) -> str:
    """Give the first 12 hexadecimal digits of the sha256 over the files' bytes."""
    digest = hashlib.sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise WeightsError(f"{path}: {error.strerror}") from error
    return digest.hexdigest()[:12]


def read_tensors(files: Iterable[Path]) -> dict[str, Tensor]:
    """Read all tensors of ``files`` to the CPU."""
    tensors: dict[str, Tensor] = {}
    for path in files:
        try:
            tensors.update(load_file(path))
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{path}: cannot be read as safetensors ({error})") from error
    return tensors


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        WeightsError: There is none in the file.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise WeightsError(f"{path}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{path}: not a JSON object")
    return value
