"""The one table of detectors, by name; nothing of theirs is imported to list it.

Whose code is loaded: what ships, what is installed as an entry point, and modules that the command
line or the caller's own argument names. A file never names code: a name that stands in one goes
through ``check_stated`` before anything is done with it.
"""

import warnings
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from detectors.card import Card
from detectors.cards import CARDS, CATALOG
from detectors.errors import CodeError, DetectorError, UnknownDetectorError, WeightsError

if TYPE_CHECKING:
    from detectors.base import Detector

ENTRY_POINTS = "forgerybench.detectors"
CHECKPOINT = "hf:"
TIMM = "timm:"


def catalog_target(name: str) -> str:
    """Give the ``package.module:Class`` that ``name`` stands for; nothing is imported.

    A name of the catalog is the catalog's, whatever is installed.

    Raises:
        UnknownDetectorError: It is no name of the catalog or an entry point, nor such a target; or
            two installed packages have a detector of that name.
    """
    if (checkpoint := checkpoint_of(name)) is not None:
        if not checkpoint:
            raise UnknownDetectorError("'hf:' names no checkpoint: hf:owner/name or hf:folder")
        return "detectors.huggingface:HuggingFace"
    if (trained := trained_of(name)) is not None:
        return catalog_target(trained.detector or _saved_name(trained.source))
    if name.startswith(TIMM):
        return "detectors.plain:TimmNetwork"
    installed = _installed(name)
    known = {**installed, **CATALOG}
    if name in CATALOG and name in installed:
        warnings.warn(
            f"an installed package has a detector '{name}' too ({installed[name]}), which is not "
            f"used: '{name}' is the catalog's; name the other one {installed[name]}",
            stacklevel=2,
        )
    if name not in known and ":" not in name:
        raise UnknownDetectorError(_unknown(name, list(known)))
    target = known.get(name, name)
    if not all(target.partition(":")) or target.startswith("."):  # relative to nothing
        raise UnknownDetectorError(f"detector '{target}': one's own is named package.module:Class")
    return target


def check_stated(name: str, where: object, allowed: Collection[str] = ()) -> str:
    """Give back the name of a detector that stands in a file, if what it leads to may be loaded.

    Args:
        name: As in ``detector_class``.
        where: The file, for the message.
        allowed: Modules that the user named: ``modules_of``, or his own option.

    Raises:
        CodeError: It leads to a module that is not the catalog's, nor installed as an entry point,
            nor named by the user.
    """
    module = module_of(name)
    if module is None or module in allowed or name in CATALOG.values():
        return name
    if name in {entry.name for entry in entry_points(group=ENTRY_POINTS)}:
        return name
    advice = "one's own is named package.module:Class"
    if all(part.isidentifier() for part in module.split(".")):  # what is shown may be copied
        advice = (
            f"if you trust the module '{module}', allow it with --allow-code {module} (in Python "
            f"allow_code=['{module}'])"
        )
    shown = f"'{name}'" if name.isprintable() else ascii(name)
    raise CodeError(
        f"{where}: names the detector {shown}, and a file may not say which code is run: {advice}"
    )


def module_of(name: str) -> str | None:
    """Give the module in ``package.module:Class``, trained or not; None for other names."""
    trained = trained_of(name)
    module, colon, _ = (trained.detector if trained else name).partition(":")
    return module if colon and not name.startswith((CHECKPOINT, TIMM)) else None


def modules_of(names: Iterable[str]) -> frozenset[str]:
    """Give the modules that names of detectors say."""
    return frozenset(module for module in map(module_of, names) if module)


def checkpoint_of(name: str) -> str | None:
    """Give the Hub repository or folder in ``hf:repository-or-folder``; None for other names."""
    return name.removeprefix(CHECKPOINT) if name.startswith(CHECKPOINT) else None


class Trained(NamedTuple):
    """A trained detector that a name means.

    Attributes:
        detector: Whose weights they are, as in ``detector_class``; "": a saved detector says so.
        source: A folder, file or Hub repository.
    """

    detector: str
    source: str


def trained_of(name: str) -> Trained | None:
    """Give the trained detector that a name means; None where it is only a kind of detector.

    Args:
        name: A folder or Hub repository of a saved detector; or ``DETECTOR=PATH``: a saved one of a
            class of one's own, or weights in their authors' names.
    """
    if name in CATALOG or checkpoint_of(name) is not None:
        return None
    detector, equals, source = name.partition("=")
    if equals:
        return Trained(detector, source)
    is_place = ":" not in name and ("/" in name or Path(name).is_dir())
    return Trained("", name) if is_place else None


def called(name: str) -> str:
    """Say what tables call a detector that is named ``name``: of a path the last part."""
    trained = trained_of(name)
    if trained is None:
        return name
    place = Path(trained.source).resolve().name if Path(trained.source).exists() else trained.source
    return f"{trained.detector}={place}" if trained.detector else place


def is_trained_elsewhere(name: str) -> bool:
    """Tell whether what a name means is evaluated as it is: nothing of it is trained here.

    That is a trained detector, a checkpoint of the Hub, and any other that is trained by nothing
    and is no check of the benchmark.
    """
    if trained_of(name) is not None or checkpoint_of(name) is not None:
        return True
    card = CARDS.get(name) or detector_class(name).card
    return card.fit == "none" and not card.sanity


def _saved_name(source: str) -> str:
    """Give the name in the catalog of a saved detector.

    Raises:
        WeightsError: There is none at ``source``, or it is of none of the catalog.
    """
    from detectors.fetching import CONFIG
    from detectors.weights import read_config, saved_folder

    folder = saved_folder(source)
    saved: str = read_config(folder)["detector"]
    # A name from a file is looked up in the catalog only: never imported as a module.
    if saved not in CATALOG and not saved.startswith(TIMM):
        raise WeightsError(
            f"{folder / CONFIG}: '{printable_name(saved)}' is not in the catalog; load it with its "
            f"own class: package.module:Class={source}"
        )
    return saved


def printable_name(name: object) -> str:
    """Show a name from a file: what would act on a terminal is spelt out."""
    text = str(name)
    return text if text.isprintable() else ascii(text)


def detector_class(name: str) -> "type[Detector]":
    """Find a detector's class.

    Args:
        name: A name of the catalog, of an entry point in the group ``forgerybench.detectors``,
            ``package.module:Class`` for one's own (a plain network of torch too), ``timm:NAME``,
            ``hf:`` and a Hub repository or folder, or a trained one as in ``trained_of``.

    Raises:
        UnknownDetectorError: There is no such name, module or class.
        DetectorError: What the name leads to is no detector, or is the user's own and claims to be
            told labels or to score batches.
    """
    from torch import nn

    from detectors.base import Detector

    target = catalog_target(name)
    if (trained := trained_of(name)) is not None:
        name = trained.detector or _saved_name(trained.source)
    if name.startswith(TIMM):
        from detectors.plain import timm_detector

        return timm_detector(name)
    found = _attribute(name, target)
    if isinstance(found, type) and issubclass(found, nn.Module) and not issubclass(found, Detector):
        from detectors.plain import plain_detector

        made: type[Detector] = plain_detector(target, found)  # type: ignore[arg-type]
        return made
    if not (isinstance(found, type) and issubclass(found, Detector)):
        raise DetectorError(f"'{target}' is no subclass of detectors.base.Detector, nor a network")
    if not isinstance(getattr(found, "card", None), Card):
        raise DetectorError(f"'{target}' has no card: set card = Card(...) of detectors.card")
    if found.forward is Detector.forward and found.answer is Detector.answer:
        raise DetectorError(f"'{target}' defines no forward: (B, 3, S, S) inputs to (B,) logits")
    _refuse_privileges(found, found.card)
    return found


def is_of_catalog(found: "type[Detector]") -> bool:
    """Tell whether a class is one of the catalog's own; a subclass of it is not."""
    return f"{found.__module__}:{found.__qualname__}" in CATALOG.values()


def _refuse_privileges(found: "type[Detector]", card: Card) -> None:
    """Raise DetectorError where a card claims what only the catalog's detectors may have."""
    if is_of_catalog(found):
        return
    named = f"'{found.__module__}:{found.__qualname__}'"
    if "labels" in card.needs:
        raise DetectorError(
            f"{named}: its card needs 'labels', and no detector is told the truth of what it "
            "scores; take 'labels' out of needs"
        )
    if card.batch_dependent is not None:
        raise DetectorError(
            f"{named}: its card says batch_dependent={card.batch_dependent}, and a score may "
            "depend on nothing but its image; take it out, and score each image by itself"
        )


def create_detector(name: str, **options: Any) -> "Detector":
    """Build the detector called ``name``; ``options`` go to its constructor.

    One that is trained (``trained_of``) is loaded: if it was saved it takes no options, and has its
    own size.

    Raises:
        DetectorError: There is no such detector, or it takes other options.
        WeightsError: A trained one is not to be had, does not fit, or is none.
    """
    found = detector_class(name)
    if (trained := trained_of(name)) is not None:
        return _loaded(found, name, trained, options)
    if (checkpoint := checkpoint_of(name)) is not None:
        options = {"checkpoint": checkpoint, **options}
    try:
        built = found(**options)
    except TypeError as error:
        raise DetectorError(f"{name} takes other options: {error}") from error
    if "trained" not in vars(built).get("_buffers", {}):
        raise DetectorError(f"{name}: its __init__ does not call super().__init__ first")
    _refuse_privileges(found, built.card)
    return built


def load_detector(name: Path | str) -> "Detector":
    """Load a trained detector from a local folder or a Hub repository; the catalog gives its class.

    Raises:
        WeightsError: There is no such detector, it is none of the catalog's, or its tensors do not
            fit, each one named.
    """
    from detectors.weights import saved_folder

    folder = saved_folder(str(name))
    return detector_class(_saved_name(str(folder))).from_pretrained(folder)


def _loaded(
    found: "type[Detector]", name: str, trained: Trained, options: dict[str, Any]
) -> "Detector":
    """Load a trained detector: a saved one, or weights in their authors' names."""
    from detectors.loading import is_saved

    if not trained.detector or is_saved(trained.source):
        stated = sorted(options.keys() - {"size", "taxa", "untrained"})
        if stated:
            raise DetectorError(
                f"'{name}' is a saved detector, whose options are its own: leave out {stated[0]}"
            )
        return found.from_pretrained(trained.source)
    built = create_detector(trained.detector, **{found.weights_option: trained.source, **options})
    if not bool(built.trained):
        raise WeightsError(
            f"{trained.source}: has no last layer that tells fakes, so that it is no trained "
            f"{found.card.name}; to train it from there, pass {found.weights_option}"
        )
    return built


def _installed(name: str) -> dict[str, str]:
    """Give the targets of all entry points by their names.

    Raises:
        UnknownDetectorError: Two packages have different detectors called ``name``.
    """
    entries: list[EntryPoint] = list(entry_points(group=ENTRY_POINTS))
    targets = sorted({entry.value for entry in entries if entry.name == name})
    if len(targets) > 1 and name not in CATALOG:
        raise UnknownDetectorError(
            f"two installed packages have a detector '{name}': say which, {' or '.join(targets)}"
        )
    return {entry.name: entry.value for entry in entries}


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
    except (SyntaxError, SystemExit) as error:
        raise DetectorError(
            f"detector '{name}': module '{module}' cannot be imported "
            f"({type(error).__name__}: {error})"
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
