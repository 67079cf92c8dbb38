"""Published weights that a detector starts from: where they are and how they are read."""

import hashlib
import pickle
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from detectors.errors import WeightsError
from detectors.fetching import is_rebuilding
from detectors.loading import read_json, read_tensors, refuse_complex
from detectors.weights import hub_folder

Pretrained = bool | str | Path | None
KeyMap = Sequence[tuple[str, str | None]]
"""From published names to ours: (pattern, replacement) of ``re.sub``, applied in order."""
LastLayer = Literal["keep", "drop"]
"""What becomes of a checkpoint's last layer of one or two outputs."""

# What torch says where a pickle names a function or class, and what a broken one makes of it.
_NAMES_CODE = "unsupported global"
_UNREADABLE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
    struct.error,
)


def resolve_weights(
    pretrained: Pretrained, *, size: str, published: str, detector: str
) -> str | None:
    """Say where the first weights come from.

    Args:
        pretrained: False for random weights, True for the published ones, a Hub repository or a
            local folder; None is the default of the size: published for ``base``, else random,
            as where a saved detector is built, whose own tensors come after.
        size: ``tiny`` or ``base``.
        published: Hub repository of the published weights, which fit the size ``base``.
        detector: Name for messages.

    Returns:
        A Hub repository or local folder; None for random weights.

    Raises:
        WeightsError: Published weights are asked of the size tiny, which has none, or it is none of
            the above.
    """
    if not isinstance(pretrained, Pretrained):
        raise WeightsError(
            f"{detector}: pretrained is true, false or the name of a folder, a file or a Hub "
            f"repository, not {pretrained!r}"
        )
    if pretrained is None:
        pretrained = size == "base" and not is_rebuilding()
    if pretrained is True and size != "base":
        raise WeightsError(
            f"{detector} has no published weights of size {size}: pass pretrained=False, "
            "the name of a folder, or size='base'"
        )
    if isinstance(pretrained, str | Path):
        return str(pretrained)
    return published if pretrained else None


def init_of(source: str, published: str, fingerprint: str) -> str:
    """Say what ``init`` is for weights: only the published ones are known to be ImageNet's.

    Args:
        source: Where they came from.
        published: Hub repository of the published ones.
        fingerprint: Names all others, by their bytes.
    """
    return "imagenet" if source == published else f"weights:{fingerprint}"


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
        shards = read_json(index).get("weight_map")
        names: list[Any] = list(shards.values()) if isinstance(shards, dict) else [None]
        if not all(isinstance(name, str) and Path(name).name == name for name in names):
            raise WeightsError(f"{index}: 'weight_map' must name files of its folder by tensor")
        return [folder / name for name in sorted(set(names))]
    others = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    raise WeightsError(
        f"{folder}: weights are read from model.safetensors only (pickled files can run code); "
        f"there is {others}"
    )


def weights_fingerprint(files: Iterable[Path]) -> str:
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


def read_weights(source: str, detector: str) -> tuple[dict[str, Tensor], str]:
    """Read the tensors of a Hub repository, a local folder or a local file.

    Args:
        source: A file is safetensors by its suffix, else a checkpoint of ``torch.save``.
        detector: Name for messages.

    Returns:
        The tensors by name, and the fingerprint of the files they were in.

    Raises:
        WeightsError: They are not to be had, or a file cannot be read.
    """
    path = Path(source)
    if path.is_file() and path.suffix != ".safetensors":
        return read_checkpoint(path), weights_fingerprint([path])
    files = [path] if path.is_file() else tensor_files(weights_folder(source, detector))
    return read_tensors(files), weights_fingerprint(files)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read a file of ``torch.save``: the state dict, or a dict that holds it.

    It may be held as ``state_dict`` or ``model``.

    Raises:
        WeightsError: The file cannot be read, or holds anything but tensors.
    """
    try:
        # weights_only: a pickled checkpoint can run code when it is read. Files of PyTorch before
        # 1.6, which are no zip archives, are read the same way.
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}") from error
    except (RuntimeError, EOFError, *_UNREADABLE) as error:
        said = str(error)
        if isinstance(error, pickle.UnpicklingError) and _NAMES_CODE in said.lower():
            raise WeightsError(
                f"{path}: holds more than tensors, which is not read, since it can run code: save "
                "its state dict alone"
            ) from error
        reason = said.strip().splitlines()[0] if isinstance(error, RuntimeError) and said else ""
        reason = reason or "broken, or not written by torch.save"
        raise WeightsError(f"{path}: cannot be read as a checkpoint ({reason})") from error
    for key in ("state_dict", "model"):
        found = found.get(key, found) if isinstance(found, dict) else None
    if not isinstance(found, dict) or not all(isinstance(t, Tensor) for t in found.values()):
        raise WeightsError(f"{path}: holds no state dict, nor a dict with one as 'state_dict'")
    refuse_complex(found, path)
    return found


def renamed(tensors: Mapping[str, Tensor], names: KeyMap) -> dict[str, Tensor]:
    """Bring published names under ours.

    Args:
        tensors: By published name.
        names: A tensor whose name matches a pattern without replacement is one that our network
            does not have, and is left out.
    """
    ours = {}
    for published, tensor in tensors.items():
        name: str | None = published
        for pattern, replacement in names:
            if name is not None and re.search(pattern, name):
                name = None if replacement is None else re.sub(pattern, replacement, name)
        if name is not None:
            ours[name] = tensor
    return ours


def last_outputs(tensors: Mapping[str, Tensor], head: tuple[str, ...]) -> int:
    """Count the outputs of the last layer among some tensors; 0 where it is not among them.

    Args:
        tensors: By name.
        head: What the names of its tensors start with.
    """
    return next((len(t) for name, t in tensors.items() if name.startswith(head) and t.ndim), 0)


def one_logit(tensors: Mapping[str, Tensor], head: tuple[str, ...]) -> dict[str, Tensor]:
    """Give tensors whose last layer of two outputs, real and fake, is one of their difference.

    The sigmoid of the difference is P(fake) of the softmax. A layer of one output is left as it is.

    Args:
        tensors: By name.
        head: What the names of the last layer's tensors start with.
    """
    if last_outputs(tensors, head) != 2:
        return dict(tensors)
    return {
        name: t[1:] - t[:1] if name.startswith(head) and len(t) == 2 else t
        for name, t in tensors.items()
    }


def refuse_last_layer(
    tensors: Mapping[str, Tensor],
    head: tuple[str, ...],
    source: str,
    detector: str,
    last_layer: LastLayer,
) -> None:
    """Raise WeightsError where weights have a last layer that tells fakes, which cannot be taken.

    Args:
        tensors: By name.
        head: What the names of the last layer's tensors start with.
        source: Where they came from.
        detector: Who starts from them, for messages.
        last_layer: ``drop`` where it is to be left out.
    """
    outputs = last_outputs(tensors, head)
    if outputs in (1, 2) and last_layer == "keep":
        raise WeightsError(
            f"{source}: a trained detector, with a last layer of {outputs} "
            f"{'output' if outputs == 1 else 'outputs'}, and another network than {detector}, "
            f"which cannot take that layer: to start {detector} from the rest of it, pass "
            "last_layer='drop'"
        )
