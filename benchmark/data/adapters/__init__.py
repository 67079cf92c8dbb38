"""Datasets as they lie on disk, read into manifests: every module of this folder is an adapter.

A new one is a module (or a package, if it has parts) with its name and one constant, ``ADAPTER``;
the tests of adapters then hold for it, and ``forgerybench data index NAME FOLDER`` takes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import NamedTuple

from benchmark.data.shares import check_shares
from benchmark.errors import ManifestError
from protocols.errors import UnknownNameError
from protocols.samples import FAMILIES, FORGERIES, LABELS

ByGenerator = str | Mapping[str, str]
Row = dict[str, str]
# Options that every adapter takes: what they mean lies in front of it or behind it.
_ALWAYS = frozenset({"frames", "links", "only"})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user states of a dataset that its folders do not say.

    Attributes:
        labels: Class -> real or fake.
        forgery: Of all forged images, or by generator; EFS, AM, FS, FR or unknown.
        family: Likewise; GAN, diffusion, autoencoder, graphics or unknown.
        source: Where all images come from, or the forged ones by generator.
        splits: Shares of train, val and test.
        videos: Whether each innermost folder holds the frames of one video; None: nobody said.
        frames: How many frames to take of a video; None: 32 of a video file, all that are frames.
        links: Whether links are followed, out of the folder too.
        table: A CSV, Parquet or JSON Lines file that says what the images are.
        columns: Column of a manifest -> how that table calls it.
        only: Column -> the one value of which samples are taken.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    forgery: ByGenerator | None = None
    family: ByGenerator | None = None
    source: ByGenerator | None = None
    splits: tuple[float, float, float] | None = None
    videos: bool | None = None
    frames: int | None = None
    links: bool = False
    table: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ManifestError where a value is none of its choices."""
        for name, label in self.labels.items():
            if label not in LABELS:
                raise ManifestError(f"class '{name}' is '{label}', not one of {', '.join(LABELS)}")
        if self.splits is not None:
            check_shares(self.splits)
        if self.frames is not None and self.frames < 1:
            raise ManifestError(f"{self.frames} frames of a video: ask for at least 1")
        _check_taxonomy("forgery", self.forgery, FORGERIES)
        _check_taxonomy("family", self.family, FAMILIES)

    @property
    def stated(self) -> list[str]:
        """Name what is stated that not every adapter takes."""
        own = [option.name for option in fields(self) if option.name not in _ALWAYS]
        return [name for name in own if getattr(self, name) not in (None, {}, "")]


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a dataset's folder says of its images.

    Attributes:
        rows: Sample id (the image's path, NFC, with ``/``; ``#frame=`` or ``#xywh=`` after it where
            the sample is a part) -> its columns of a manifest but hash and size, which are
            measured. A column that is not there is empty.
        ignored: What is in the folder and not in ``rows``: kind -> how many.
        notes: Sentences that the user must read: what was taken from names, which list lacks.
        missing: Ids, or beginnings of ids, that the dataset's own lists name and that are not here.
        unreadable: Folders that could not be read: path -> why.
    """

    rows: Mapping[str, Row]
    ignored: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)


class Published(NamedTuple):
    """How much of one kind a dataset has as published.

    Attributes:
        split: train, val or test; "" for all of it.
        generator: As in the manifest; ``camera`` for what is real, "" for all that is forged,
            ``all`` for both.
        number: How many.
        unit: ``videos`` (groups are counted) or ``images``.
    """

    split: str
    generator: str
    number: int
    unit: str = "videos"


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One way in which a dataset lies on disk.

    Attributes:
        name: Its module's name, with ``-`` for ``_``.
        title: The dataset, for people.
        layout: What its folder looks like, in one line.
        options: Which of ``Options`` it takes.
        read: Root and options -> what the folder says. It looks at names and tables, never into an
            image, and raises ManifestError where the folder is not as ``layout`` says.
        source: What the manifest calls the dataset in ``source``; "" where the folders say it.
        forged: How the dataset itself marks what is forged.
        licence: What its terms are known to be, in one line.
        obtain: What a user does to get it, in one line.
        published: How many it has by what its authors, or readers of it, state.
    """

    name: str
    title: str
    layout: str
    options: frozenset[str]
    read: Callable[[Path, Options], Described]
    source: str = ""
    forged: str = "folders named fake, 1_fake or ai, and what --label says"
    licence: str = "that of the images"
    obtain: str = "images of one's own"
    published: tuple[Published, ...] = ()


def adapter_names() -> list[str]:
    """Name the adapters, sorted; none is loaded."""
    return sorted(module.name.replace("_", "-") for module in iter_modules(__path__))


def load_adapter(name: str) -> Adapter:
    """Load one adapter.

    Raises:
        UnknownNameError: There is none of this name.
    """
    if name not in adapter_names():
        raise UnknownNameError("adapter", name, adapter_names())
    adapter: Adapter = import_module(f"{__name__}.{name.replace('-', '_')}").ADAPTER
    return adapter


def _check_taxonomy(column: str, stated: ByGenerator | None, choices: tuple[str, ...]) -> None:
    """Refuse a forgery or family that there is not."""
    if stated is None:
        return
    for value in stated.values() if isinstance(stated, Mapping) else [stated]:
        if value not in choices or value == "real":
            fakes = ", ".join(choice for choice in choices if choice != "real")
            raise ManifestError(f"'{column}' is '{value}', not one of {fakes}")
