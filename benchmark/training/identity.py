"""What makes a detector the one that it is: its version or code, its options, its first tensors."""

import hashlib
import json
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.environment import one_thread
from benchmark.errors import BenchmarkError
from benchmark.training.sampling import derive
from benchmark.training.sources import (
    Source,
    installed_sources,
    is_installed,
    is_own,
    module_file,
    own_hash,
    own_sources,
    shipped_hash,
    shipped_sources,
)
from detectors.card import CONTRACT_VERSION, Card
from detectors.cards import CARDS, CATALOG
from detectors.catalog import TIMM, catalog_target, checkpoint_of, detector_class, trained_of
from detectors.errors import DetectorError
from protocols.errors import ProtocolError
from results.errors import ResultError
from results.files import file_hash

if TYPE_CHECKING:
    from torch import nn

    from detectors.base import Detector

Taxa = Sequence[Sequence[str]]
# What somebody's code may raise: anything, and an exit would end the command as if it were done.
BUILDING = (Exception, SystemExit)
# Own module -> how it was loaded, and the hash of its file when that was first asked for.
_LOADED: dict[str, tuple[Any, str]] = {}


def shipped_card(detector: str) -> Card | None:
    """Give the card of a detector that comes with ForgeryBench; None of one's own."""
    if detector in CARDS:
        return CARDS[detector]
    if checkpoint_of(detector) is not None or detector.startswith(TIMM):
        return detector_class(detector).card
    if (trained := trained_of(detector)) is not None and trained.detector:
        return shipped_card(trained.detector)
    names = {target: name for name, target in CATALOG.items()}
    name = names.get(catalog_target(detector))
    return None if name is None else CARDS[name]


def version_of(card: Card) -> dict[str, Any]:
    """Identify a detector that comes with ForgeryBench: nothing is read or built."""
    return {"version": card.version, "contract": CONTRACT_VERSION}


def of_card(card: Card) -> list[Any]:
    """Give what of a card can move a number: the rest is told, and recipes count by themselves."""
    return [card.fit, sorted(card.needs), card.batch_dependent]


def fresh_detector(
    detector: str, options: Mapping[str, Any], *, size: str, taxa: Taxa, seed: int
) -> "Detector":
    """Build a detector on the CPU as its training begins, from the random numbers of ``seed``."""
    import torch

    from detectors.catalog import create_detector

    torch.manual_seed(derive(seed, "init"))
    kinds = [list(taxon) for taxon in taxa]
    with one_thread():
        return create_detector(detector, size=size, **options, taxa=kinds)


def own_identity(
    detector: str, options: Mapping[str, Any], *, size: str, taxa: Taxa, seed: int
) -> dict[str, Any]:
    """Identify a detector of one's own: by the code that it is built on and its first tensors.

    It is built for that, and its classes are those of its code that no import statement names.

    Raises:
        DetectorError: It cannot be built.
        BenchmarkError: Its module is not there, or its code was edited after Python loaded it.
    """
    import torch

    module = catalog_target(detector).partition(":")[0]
    if module_file(module) is None:
        raise BenchmarkError(f"detector '{detector}': there is no module '{module}'")
    try:
        # The random numbers of whoever plans are left alone.
        with torch.random.fork_rng(devices=[]):
            built = fresh_detector(detector, options, size=size, taxa=taxa, seed=seed)
        first = tensor_hash(built)
    except (BenchmarkError, DetectorError, ProtocolError, ResultError):  # they say it themselves
        raise
    except BUILDING as error:
        raise DetectorError(f"detector '{detector}' cannot be built: {told(error)}") from error
    classes = {kind for part in built.modules() for kind in type(part).__mro__}
    return {
        "target": catalog_target(detector),
        "code": code_hash(
            f"detector '{detector}'", [module, *sorted({kind.__module__ for kind in classes})]
        ),
        "card": of_card(built.card),
        "contract": CONTRACT_VERSION,
        "tensors": first,
    }


def code_hash(what: str, modules: Sequence[str]) -> str:
    """Hash the code of a detector or perturbation of one's own.

    That is all modules of the user's that ``modules`` are built on, and all that these import of
    ``detectors`` but for its contract. Of an installed detector it is its whole package.

    Args:
        what: What it is and its name, for messages.
        modules: The module that its name leads to, and further ones that it has classes of.

    Raises:
        BenchmarkError: A module was edited after Python loaded it, so that what runs is not what
            the file says.
    """
    own = own_sources(modules)
    for source in own.values():
        _refuse_edited(what, source)
    path = module_file(modules[0])
    if path is not None and is_installed(path) and not modules[0].startswith("detectors."):
        own |= installed_sources(modules[0])
    taken = {name for source in own.values() for name in source.imports}
    return f"{own_hash(own)}-{shipped_hash(shipped_sources([*modules, *taken]))}"


def tensor_hash(network: "nn.Module") -> str:
    """Hash all parameters and buffers of a network: names, shapes, types and bytes.

    Buffers that are not saved count too. What a subclass adds to the saved state must be tensors,
    as for saving.
    """
    import torch

    tensors = {**dict(network.named_buffers(remove_duplicate=False)), **network.state_dict()}
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{json.dumps(name)} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def identify(value: Any) -> Any:
    """Stand in for an option: every local file or folder named in it, by the hash of what it holds.

    In a folder the files count with their places, hidden ones not. Links are followed.
    """
    if isinstance(value, Mapping):
        return {name: identify(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [identify(each) for each in value]
    if not (isinstance(value, str) and _is_there(value)):
        return value
    path = Path(value)
    if not path.is_dir():
        return f"sha256:{file_hash(path)}"
    held = {each.relative_to(path).as_posix(): file_hash(each) for each in _files(path)}
    return f"sha256:{hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()}"


def _is_there(name: str) -> bool:
    """Tell whether a text names a file or folder; it may be far too long for that, or empty."""
    try:
        return bool(name) and (Path(name).is_file() or Path(name).is_dir())
    except (OSError, ValueError):
        return False


def _files(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """List the files of a folder at any depth; a link to a folder above is not followed."""
    here = folder.resolve()
    shown = [] if here in above else [p for p in folder.iterdir() if not p.name.startswith(".")]
    for path in shown:
        if path.is_dir():
            yield from _files(path, above | {here})
        elif path.is_file():
            yield path


def _refuse_edited(what: str, source: Source) -> None:
    """Raise BenchmarkError if a loaded module is known to be another than its file is now."""
    if source.module not in sys.modules:
        return
    how = getattr(sys.modules[source.module], "__spec__", None)
    loaded, known = _LOADED.setdefault(source.module, (how, source.hash))
    if loaded is not how:  # it was loaded anew
        _LOADED[source.module] = (how, source.hash)
    elif known != source.hash:
        raise BenchmarkError(
            f"{what}: {source.path} was edited after Python loaded it, so what runs "
            "is not what stands there: start Python anew"
        )


def told(error: BaseException) -> str:
    """Say what went wrong in somebody's code, and where in it, on one line."""
    frames = [(Path(f.filename), f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    own = [f"{path.name}, line {n}" for path, n in frames if path.is_file() and is_own(path)]
    said = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {said}' if said else ''}{f' ({own[-1]})' if own else ''}"
