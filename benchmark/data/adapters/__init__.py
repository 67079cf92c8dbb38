"""Datasets as they lie on disk, read into manifests: every module of this folder is an adapter.

A new one is a module (or a package, if it has parts) with its name and one constant, ``ADAPTER``;
the tests of adapters then hold for it, and ``forgerybench data index --adapter NAME`` takes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from benchmark.errors import ManifestError
from protocols.errors import UnknownNameError
from protocols.samples import FAMILIES, FORGERIES, LABELS

ByGenerator = str | Mapping[str, str]
Row = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user states of a dataset that its folders do not say.

    Attributes:
        labels: Class -> real or fake.
        forgery: Of all forged images, or by generator; EFS, AM, FS, FR or unknown.
        family: Likewise; GAN, diffusion, autoencoder, graphics or unknown.
        source: Where all images come from, or the forged ones by generator.
        splits: Shares of train, val and test.
        videos: Whether each innermost folder holds the frames of one video.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    forgery: ByGenerator | None = None
    family: ByGenerator | None = None
    source: ByGenerator | None = None
    splits: tuple[float, float, float] | None = None
    videos: bool = False

    def __post_init__(self) -> None:
        """Raise ManifestError where a value is none of its choices."""
        for name, label in self.labels.items():
            if label not in LABELS:
                raise ManifestError(f"class '{name}' is '{label}', not one of {', '.join(LABELS)}")
        if self.splits is not None and (min(self.splits) < 0 or abs(sum(self.splits) - 1) > 1e-9):
            raise ManifestError(
                f"the shares of train, val and test must sum to 1, got {self.splits}"
            )
        _check_taxonomy("forgery", self.forgery, FORGERIES)
        _check_taxonomy("family", self.family, FAMILIES)

    @property
    def stated(self) -> list[str]:
        """Name what is stated."""
        return [option.name for option in fields(self) if getattr(self, option.name)]


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a dataset's folder says of its images.

    Attributes:
        rows: Sample id (the image's path, NFC, with ``/``; ``#frame=`` or ``#xywh=`` after it where
            the sample is a part) -> its columns of a manifest but hash and size, which are
            measured. A column that is not there is empty.
        ignored: What is in the folder and not in ``rows``: kind -> how many.
    """

    rows: Mapping[str, Row]
    ignored: Mapping[str, int] = field(default_factory=dict)


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
    """

    name: str
    title: str
    layout: str
    options: frozenset[str]
    read: Callable[[Path, Options], Described]


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
