"""Files of weights into networks: every tensor accounted for, or an error that names it."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from detectors.errors import WeightsError


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        WeightsError: There is none in the file.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        held = ", ".join(sorted(each.name for each in path.parent.glob("*"))) or "nothing"
        raise WeightsError(f"{path}: is not there; its folder holds {held}") from error
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise WeightsError(f"{path}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{path}: not a JSON object")
    return value


def read_tensors(files: Iterable[Path]) -> dict[str, Tensor]:
    """Read all tensors of ``files`` to the CPU."""
    tensors: dict[str, Tensor] = {}
    for path in files:
        try:
            tensors.update(load_file(path))
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{path}: cannot be read as safetensors ({error})") from error
    return tensors


def check_fit(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: object) -> None:
    """Raise WeightsError unless ``tensors`` are those of ``wanted``, by name and shape.

    ``source`` names them in the message, which lists what is wrong on both sides.
    """
    shared = wanted.keys() & tensors.keys()
    refuse_unfitting(
        source,
        missing=wanted.keys() - tensors.keys(),
        unknown=tensors.keys() - wanted.keys(),
        reshaped={name for name in shared if wanted[name].shape != tensors[name].shape},
    )


def load_strictly(
    network: Any,
    source: Path | str,
    *,
    name: str,
    failed: str,
    advice: str = "",
    begin: tuple[str, ...] = (),
    end: str = "\0",
) -> Any:
    """Load a network of transformers from safetensors, every tensor of it, as float32.

    Args:
        network: Its class, or one of transformers' automatic ones.
        source: A local folder, or a Hub repository.
        name: What ``source`` is called in messages.
        failed: What is said of ``name`` where it does not load; the reason follows.
        advice: What is said after the reason.
        begin: How the names of tensors begin that may be left over.
        end: How they may end.

    Raises:
        WeightsError: It cannot be read, or a tensor is missing, over or of another shape.
    """
    with _quiet_loading():
        try:
            model, report = network.from_pretrained(
                source,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=Path(source).is_dir(),
                output_loading_info=True,
            )
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(f"{name} {failed}: {reason}{advice}") from error
    refuse_unfitting(
        name,
        missing=report["missing_keys"],
        unknown=[
            tensor
            for tensor in report["unexpected_keys"]
            if not tensor.startswith(begin) and not tensor.endswith(end)
        ],
        reshaped=[str(tensor) for tensor in report["mismatched_keys"]],
    )
    return model


def refuse_unfitting(
    source: object, *, missing: Collection[str], unknown: Collection[str], reshaped: Collection[str]
) -> None:
    """Raise WeightsError where a tensor is named, listing the first five of each kind."""
    problems = {"missing": missing, "unknown": unknown, "of another shape": reshaped}
    said = [
        f"{len(names)} {'tensor is' if len(names) == 1 else 'tensors are'} {problem}: "
        + ", ".join(sorted(names)[:5])
        + (", ..." if len(names) > 5 else "")
        for problem, names in problems.items()
        if names
    ]
    if said:
        raise WeightsError(f"{source}: {'; '.join(said)}")


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Silence transformers' loading report and bar for a while: what they say is checked."""
    from transformers.utils import logging

    log: Any = logging
    verbosity, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bar:
            log.enable_progress_bar()
