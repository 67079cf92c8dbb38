"""Files of weights into networks: every tensor accounted for, or an error that names it."""

import json
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from detectors.errors import WeightsError
from detectors.fetching import is_offline, refuse_fetching

# How a network of transformers may compute without code from elsewhere; other names fetch kernels.
_COMPUTED = frozenset({"eager", "sdpa", "batched_mm", "grouped_mm"})
_KERNELS = ("attn_implementation", "experts_implementation")
_CUSTOM = "trust_remote_code"

_MOST_BYTES, _MOST_DEPTH = 64 << 20, 100  # of JSON: the indexes of sharded weights are the largest


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        WeightsError: There is none in the file.
    """
    try:
        value = _strict_json(_text(path))
    except FileNotFoundError as error:
        held = ", ".join(sorted(each.name for each in path.parent.glob("*"))) or "nothing"
        raise WeightsError(f"{path}: is not there; its folder holds {held}") from error
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise WeightsError(f"{path}: not a JSON object")
    return value


def _text(path: Path) -> str:
    """Read a regular file of a bounded size: a pipe would be waited for without end."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise WeightsError(f"{path}: a folder, pipe or device; name a file")
    if found.st_size > _MOST_BYTES:
        raise WeightsError(f"{path}: larger than {_MOST_BYTES >> 20} MiB, which no settings are")
    return path.read_bytes().decode("utf-8-sig")


def _strict_json(text: str) -> Any:
    """Parse JSON in which no key stands twice, no number is endless and nothing nests too deeply.

    Raises:
        ValueError, RecursionError: It is not such JSON.
    """
    value = json.loads(
        text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite
    )
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > _MOST_DEPTH:
            raise RecursionError(f"nested more than {_MOST_DEPTH} levels deep")
        parts = (each.values() if isinstance(each, dict) else each for each in level)
        level = [child for part in parts for child in part]
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of keys that differ."""
    counts = Counter(name for name, _ in pairs)
    if len(counts) < len(pairs):
        raise ValueError(f"the key '{counts.most_common(1)[0][0]}' stands there twice")
    return dict(pairs)


def _finite(text: str) -> float:
    """Read a number that a float can hold."""
    value = float(text)
    return _no_number(text) if abs(value) == float("inf") else value


def _no_number(name: str) -> float:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(f"{name} is no number of JSON")


def is_saved(source: str | Path) -> bool:
    """Tell whether a local folder holds a saved detector, and not weights of another kind."""
    config = Path(source) / "config.json"
    return config.is_file() and {"format", "detector"} <= read_json(config).keys()


def read_tensors(files: Iterable[Path]) -> dict[str, Tensor]:
    """Read all tensors of ``files`` to the CPU."""
    tensors: dict[str, Tensor] = {}
    for path in files:
        if path.exists() and not path.is_file():  # a named pipe would be waited for
            raise WeightsError(f"{path}: is no regular file")
        try:
            tensors.update(load_file(path))
        # The last three: a header with absurd shapes.
        except (OSError, SafetensorError, TypeError, ValueError, RecursionError) as error:
            raise WeightsError(f"{path}: cannot be read as safetensors ({error})") from error
        refuse_complex(tensors, path)
    return tensors


def refuse_complex(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise WeightsError for complex numbers, of which a network would take the real part."""
    found = next((name for name, tensor in tensors.items() if tensor.is_complex()), None)
    if found is not None:
        raise WeightsError(f"{path}: '{found}' holds complex numbers, and no network here has any")


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

    Code that lies beside the tensors, or that their configuration names, is never run.

    Args:
        network: Its class, or one of transformers' automatic ones.
        source: A local folder, or a Hub repository, ``owner/name`` or ``owner/name@revision``.
        name: What ``source`` is called in messages.
        failed: What is said of ``name`` where it does not load; the reason follows.
        advice: What is said after the reason.
        begin: How the names of tensors begin that may be left over.
        end: How they may end.

    Raises:
        WeightsError: It cannot be read, needs code of its own, or a tensor is missing, over or of
            another shape.
    """
    is_local = Path(source).is_dir()
    place, _, revision = (str(source), "", "") if is_local else str(source).partition("@")
    stated = {"revision": revision} if revision else {}
    if is_local:
        _refuse_more_than_weights(Path(source), name)
    else:
        refuse_fetching(str(source))
    with _quiet_loading():
        try:
            model, report = network.from_pretrained(
                place,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=is_local or is_offline(),
                output_loading_info=True,
                trust_remote_code=False,
                attn_implementation=None,  # whatever its configuration says
                **stated,
            )
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            if _CUSTOM in str(error):
                reason = "it is built by code of its own (auto_map), which is never run"
            raise WeightsError(f"{name} {failed}: {reason}{advice}") from error
    over = report["unexpected_keys"]
    refuse_unfitting(
        name,
        missing=report["missing_keys"],
        unknown=[each for each in over if not each.startswith(begin) and not each.endswith(end)],
        reshaped=[str(tensor) for tensor in report["mismatched_keys"]],
    )
    return model


def build_described(network: Any, fields: Mapping[str, Any], *, name: object) -> Any:
    """Build a network of transformers from its configuration, with random weights.

    Args:
        network: One of transformers' automatic classes.
        fields: Those of its configuration, ``model_type`` among them; the rest is checked by
            transformers. Code that they name is never run.
        name: What has the configuration, for messages.

    Raises:
        WeightsError: They are no configuration, or that of a network whose code is its own.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    _refuse_kernels(fields, name)
    described = dict(fields)
    try:
        config = AutoConfig.for_model(described.pop("model_type", None), **described)
        return network.from_config(config, trust_remote_code=False)
    except (KeyError, TypeError, ValueError, StrictDataclassError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"{name}: describes no network of transformers: {reason}") from error


def _refuse_more_than_weights(folder: Path, name: str) -> None:
    """Raise WeightsError where a folder makes transformers load something else beside its tensors.

    An adapter names another folder or repository, and some ways of computing fetch code.
    """
    if (folder / "adapter_config.json").is_file():
        raise WeightsError(
            f"{name} holds an adapter of other weights (adapter_config.json), which is not read: "
            "name a folder of whole weights"
        )
    if (folder / "config.json").is_file():
        _refuse_kernels(read_json(folder / "config.json"), name)


def _refuse_kernels(config: object, name: object) -> None:
    """Raise WeightsError where a configuration, at any depth, says to compute by fetched code."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            if str(key).removeprefix("_") in _KERNELS:
                stated = value.values() if isinstance(value, Mapping) else [value]
                wrong = [each for each in stated if each is not None and each not in _COMPUTED]
                if wrong:
                    raise WeightsError(
                        f"{name}: '{key}' is {wrong[0]!r}, which may be code to fetch and run: "
                        f"only {', '.join(sorted(_COMPUTED))} are taken"
                    )
            else:
                _refuse_kernels(value, name)
    elif isinstance(config, list):
        for value in config:
            _refuse_kernels(value, name)


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
