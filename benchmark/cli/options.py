"""Options that several commands share, and the reading of their text."""

import csv
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.console import out_console
from benchmark.cli.limits import find_modules
from benchmark.errors import BenchmarkError
from benchmark.study.selection import left_out_notes
from detectors.catalog import modules_of

if TYPE_CHECKING:
    from benchmark.study.schema import Study

# Above this, libraries of threads fail to start, in ways that no error can tell.
MOST_THREADS = 1024

Target = Annotated[str, typer.Argument(help="A protocol or study: its name, or a .yaml file.")]
DataOption = Annotated[
    list[str],
    typer.Option("--data", help="MANIFEST, or ROLE=MANIFEST for each role.", metavar="[ROLE=]FILE"),
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder of the run; continued if there.")]
DetectorsOption = Annotated[
    str | None,
    typer.Option("--detectors", help="Names, separated by commas; all: what needs no download."),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size",
        help="tiny (CPU) or base (published).",
        show_default="the study's; a protocol has none",
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="Recipe of every detector: a name or a .yaml file.",
        show_default="that of the track",
    ),
]
TrackOption = Annotated[
    str | None, typer.Option("--track", help="common: one recipe for all; own: each its paper's.")
]
SeedsOption = Annotated[
    str | None,
    typer.Option(
        "--seeds", help="Training seeds: 0,1,2", show_default="the study's; 0 for a protocol"
    ),
]
TrainOnOption = Annotated[
    str | None,
    typer.Option(
        "--train-on", help='Only these training sets, separated by commas; "A, B" is one name.'
    ),
]
ModelsOfOption = Annotated[
    str | None, typer.Option("--train-on", help="Only models of this training set.")
]
CodeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-code",
        metavar="MODULE",
        help="A module of your own that a file may name; may be repeated.",
        show_default="none: a file never says which code is run",
    ),
]
PerturbationOption = Annotated[
    list[str] | None,
    typer.Option(
        "--perturbation",
        metavar="NAME=FILE.py:FUNCTION",
        help="Your function for own/NAME of a protocol; may be repeated.",
        show_default="none: a file never says which code is run",
    ),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store", help="Trained models, shared by runs.", show_default="the cache folder"
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
PrecisionOption = Annotated[
    str,
    typer.Option("--precision", help="In which trained detectors score: float32 or bfloat16."),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", min=1, max=MOST_THREADS, help="CPU threads.")
]
MissingOption = Annotated[
    bool,
    typer.Option(
        "--allow-missing",
        help="Leave out unreadable images, counted, and roles without a manifest, as gaps.",
    ),
]
CheckpointOption = Annotated[
    float, typer.Option("--checkpoint-seconds", min=0, help="Time between saved training states.")
]


FeaturesOption = Annotated[
    Path | None,
    typer.Option(
        "--keep-features",
        help="Folder for what frozen, pretrained networks give, 2 to 4 kB an image and view: it is "
        "then computed once for all heads, training sets and seeds.",
        show_default="they are computed each time",
    ),
]
PixelsOption = Annotated[
    Path | None,
    typer.Option(
        "--keep-pixels",
        help="Folder for decoded pixels, 3 bytes a pixel: no file is then decoded again by a later "
        "epoch, model or study; the same numbers.",
        show_default="files are decoded each time",
    ),
]
ExecutorOption = Annotated[
    str,
    typer.Option(
        "--executor", help="Who does the work: local, processes or ray.", show_default=True
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=MOST_THREADS,
        help="Processes at once, for --executor processes.",
        show_default="one a GPU, or on a CPU one for so many --threads",
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Of a Ray cluster, or auto for the one of this machine.",
        show_default="one is started that this machine alone can reach",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Be worker I of N who fill one --out together; end when all the rest is others'.",
        show_default="stay until the run is whole",
    ),
]


LogOption = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="Append every event to this file, one JSON object a line.",
        show_default="none is written",
    ),
]
TensorBoardOption = Annotated[
    Path | None,
    typer.Option(
        "--tensorboard",
        metavar="FOLDER",
        help="Write training curves here for TensorBoard, which the extra tensorboard installs.",
        show_default="none are written",
    ),
]


def read_study(
    target: Target,
    detectors: DetectorsOption = None,
    size: SizeOption = None,
    recipe: RecipeOption = None,
    track: TrackOption = None,
    seeds: SeedsOption = None,
    train_on: TrainOnOption = None,
    allow_code: CodeOption = None,
) -> "Study":
    """Make the study that the options describe; these are the options of a study."""
    from benchmark.study.schema import study_of

    if size not in (None, "tiny", "base"):
        raise BenchmarkError(f"--size is tiny or base, not '{size}'")
    numbers = read_list(seeds) or []
    wrong = [number for number in numbers if not number.isdecimal()]
    if wrong:
        raise BenchmarkError(f"--seeds are whole numbers from 0, not '{wrong[0]}'")
    names = from_files(read_list(detectors))
    allowed = read_code(allow_code, names)
    study = study_of(
        target,
        detectors=names,
        size=size,  # type: ignore[arg-type]  # checked above
        recipe=recipe,
        track=track,
        seeds=[int(number) for number in numbers] or None,
        train_on=read_list(train_on),
        allow_code=allowed,
    )
    notes = left_out_notes(names or [], study.size, None if recipe else study.track)
    for why, left_out in notes.items():
        out_console.print(f"[yellow]{why}:[/] {left_out}", highlight=False, soft_wrap=True)
    return study


def takes_study(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a study, in place of its parameter ``study``.

    A command states what is its own; what a study consists of stands in ``read_study`` alone.
    """
    shared = list(signature(read_study).parameters.values())
    own = [p for name, p in signature(command).parameters.items() if name != "study"]

    @wraps(command)
    def wrapped(*, perturbation: list[str] | None = None, **given: Any) -> None:
        functions = read_functions(perturbation)
        study = read_study(**{option.name: given.pop(option.name) for option in shared})
        if not functions:
            command(study=study, **given)
            return
        from benchmark.scoring.own import bound

        with bound(functions):
            command(study=study, **given)

    # Needed ones first, as in a command's help; behind them the study's, then the command's own.
    ordered = [*shared[:1], *(p for p in own if p.default is Parameter.empty), *shared[1:]]
    ordered += [p for p in own if p.default is not Parameter.empty]
    ordered.append(
        Parameter(
            "perturbation", Parameter.KEYWORD_ONLY, default=None, annotation=PerturbationOption
        )
    )
    options = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in ordered]
    wrapped.__signature__ = Signature(options)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in options}
    return wrapped


def read_list(text: str | None) -> list[str] | None:
    """Split at commas; a name that has one stands in double quotes, as in CSV.

    Raises:
        BenchmarkError: A quote is not closed, say.
    """
    if text is None:
        return None
    try:
        parts = next(csv.reader([text.strip()], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise BenchmarkError(f"'{text}' is no list of names between commas: {error}") from error
    names = [part.strip() for part in parts if part.strip()]
    if not names:
        raise BenchmarkError("'' is no list of names: leave the option out, or name one")
    return names


def read_functions(texts: list[str] | None) -> dict[str, str]:
    """Read ``--perturbation``: ``module:function`` by the word of protocols; it can be found then.

    Raises:
        BenchmarkError: A text is not of that form, a word is bound twice, or no code is to be
            loaded.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        word, target = read_pair(text, "--perturbation NAME=FILE.py:function")
        word = word.removeprefix("own/")  # as a protocol's file has it
        if word in found:
            raise BenchmarkError(f"--perturbation: '{word}' is bound twice")
        (found[word],) = from_files([target], "perturbation") or ("",)
    find_modules(target.partition(":")[0] for target in found.values())
    return found


def from_files(names: list[str] | None, what: str = "detector") -> list[str] | None:
    """Give ``FILE.py:Class`` as ``module:Class``, whose file is then found by Python.

    Raises:
        BenchmarkError: There is no such file, or its name is none of a module.
    """
    found = []
    for name in names or ():
        file, code, rest = name.partition(".py:")
        if code:
            path = Path(f"{file}.py")
            if not path.is_file():
                raise BenchmarkError(f"{what} '{name}': there is no file {path}")
            if not path.stem.isidentifier():
                raise BenchmarkError(f"{what} '{name}': '{path.stem}' is no name of a module")
            folder = str(path.resolve().parent)
            if folder not in sys.path:
                sys.path.append(folder)
        found.append(f"{path.stem}:{rest}" if code else name)
    return None if names is None else found


def read_code(modules: CodeOption, detectors: Sequence[str] | None = None) -> frozenset[str]:
    """Give the modules of the user's own that the command line names; they are found where he is.

    Raises:
        BenchmarkError: Some are named although no code is to be loaded.
    """
    named = frozenset(modules or ()) | modules_of(detectors or ())
    find_modules(named)
    return named


def read_data(
    texts: list[str], roles: Callable[[], Sequence[str]] = tuple
) -> Path | dict[str, Path | str]:
    """Read ``--data``: one manifest, or one for each role; ``roles()`` are named if one lacks."""
    if len(texts) == 1 and _is_path(texts[0]):
        return Path(texts[0])
    found: dict[str, Path | str] = {}
    for text in texts:
        if _is_path(text):
            there = ", ".join(roles())
            known = f"; the roles are {there}" if there else ""
            raise BenchmarkError(
                f"--data: several manifests need a role each, as --data ROLE={text}{known}"
            )
        role, manifest = read_pair(text, "--data ROLE=MANIFEST")
        if role in found:
            raise BenchmarkError(f"--data: role '{role}' is bound twice")
        found[role] = Path(manifest)
    return found


def _is_path(text: str) -> bool:
    """Tell a path from ROLE=PATH: a file that is there may have an equals sign in its path."""
    return "=" not in text or Path(text).exists()


def read_by_generator(texts: list[str] | None, option: str) -> str | dict[str, str] | None:
    """Read one value for all generators, or GENERATOR=VALUE for each; None if there is none."""
    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    return dict(read_pair(text, f"{option} GENERATOR=VALUE") for text in texts)


def read_shares(text: str | None) -> tuple[float, float, float] | None:
    """Read the shares of train, val and test."""
    if text is None:
        return None
    try:
        train, val, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise BenchmarkError(f"--splits are three numbers like 0.7,0.1,0.2, not '{text}'") from (
            error
        )
    return train, val, test


def read_pair(text: str, form: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise BenchmarkError(f"{form}: '{text}' is not of that form")
    return name, value


def read_pairs(texts: list[str] | None, form: str) -> dict[str, str] | None:
    """Read each NAME=VALUE of an option that may be repeated; None if there is none."""
    return dict(read_pair(text, form) for text in texts) if texts else None
