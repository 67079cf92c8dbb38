"""Datasets as data: rules that say of a path what it is, and the lists that say more.

A rule is a pattern for a path and the columns that follow from it. Patterns are matched against the
end of a path without its suffix, from a folder's beginning, whatever the case, so it does not
matter whether the user names the dataset's folder or the one above.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmark.data.adapters import Adapter, Described, Options, Published, Row
from benchmark.data.layouts.masks import MASK, Masks
from benchmark.data.naming import Ties, tie, video_name
from benchmark.data.rows import Rows
from benchmark.data.shares import shared_out
from benchmark.data.tree import Listing, is_video, list_images
from benchmark.errors import ManifestError
from protocols.samples import OPTIONAL, REQUIRED

REAL = {"label": "real", "generator": "camera"}
FAKE = {"label": "fake"}
# Between a dataset's folder and its videos there may be one that says how they are kept.
KEPT = "(?:(?:videos|frames|images|faces)/)?"


class Matched(NamedTuple):
    """A file that a rule took.

    Attributes:
        path: The file, relative to the root.
        unit: The video's or image's path without suffix, ``videos`` and ``frames``.
        parts: What the pattern's groups found, and ``path`` without suffix.
    """

    path: str
    unit: str
    parts: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What the files of one kind are.

    Attributes:
        pattern: Of the path without suffix; its named groups are parts. In a rule for videos it
            ends at the video, and ``/FRAME`` may follow.
        columns: Column -> text in which ``{part}`` stands for a part.
        of: Column -> a function of the parts, for what no text can say.
        names: Texts as in ``columns``, of the originals that it is made of: rows with a common name
            get one ``pair``.
        images: Whether each file is a sample of its own, and no video.
        listed: Whether the dataset's lists speak of it.
    """

    pattern: str
    columns: Mapping[str, str] = field(default_factory=dict)
    of: Mapping[str, Callable[[Mapping[str, str]], str]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    images: bool = False
    listed: bool = True


def real_and_fake(
    before: str,
    folders: tuple[str, str],
    after: str,
    *,
    generator: Callable[[Mapping[str, str]], str],
    split: Callable[[Mapping[str, str]], str],
) -> tuple[Rule, Rule]:
    """Make the rules of images of which each generator's lie beside real ones of its own.

    Args:
        before: The pattern up to the folder that says which they are.
        folders: That folder's name for real images and for forged ones.
        after: The rest of the pattern.
        generator: The parts -> whose images these are, the source of the real ones among them.
        split: The parts -> their split.
    """
    real, fake = folders
    of = {"source": generator, "split": split}
    return (
        Rule(pattern=f"{before}{real}{after}", columns=REAL, of=of, images=True),
        Rule(
            pattern=f"{before}{fake}{after}",
            columns=FAKE,
            of=of | {"generator": generator},
            images=True,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Lists:
    """What the dataset's own files say.

    Attributes:
        rows: Key -> the columns that they state.
        key: Of a matched file: its key; "" for one that they do not speak of.
        what: The files, for people.
        notes: What the user must know of them.
    """

    rows: Mapping[str, Row]
    key: Callable[[Matched], str]
    what: str
    notes: tuple[str, ...] = ()


ReadLists = Callable[[Sequence[Path]], Lists | None]


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A dataset as it lies on disk.

    Attributes:
        rules: The first that matches says what a file is.
        list_names: Names of the files, in any folder, that ``lists`` reads.
        lists: Those files -> what they say; None if they say nothing.
        only_listed: Whether a file that the lists do not name is left out, and counted.
        kinds: Generator -> its forgery and family.
        columns: Of all rows that state no other.
        lists_split: Whether ``lists`` states splits, so that what it gives none stands in none.
        ties: Whether the videos' own names say which forgery is made of which originals.
        masks: Patterns and replacements that make the path of a forgery's mask of its own.
        wanted: What to say where the lists are not there: their names, and what then holds.
    """

    rules: tuple[Rule, ...]
    list_names: tuple[str, ...] = ()
    lists: ReadLists | None = None
    only_listed: bool = False
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    lists_split: bool = True
    ties: bool = False
    masks: tuple[tuple[str, str], ...] = ()
    wanted: str = ""

    def read(self, folder: Path, options: Options) -> Described:
        """Read a dataset's folder: ``Adapter.read``.

        Raises:
            ManifestError: There is nothing of it, its lists are damaged, or they contradict the
                folders.
        """
        listing = list_images(folder, apart=self.list_names, videos=True, links=options.links)
        reading = _Reading(self, folder, self.lists and self.lists(listing.apart))
        return reading.described(listing, options)


def dataset(
    name: str,
    title: str,
    tree: Tree,
    *,
    layout: str,
    forged: str,
    licence: str,
    obtain: str,
    published: tuple[Published, ...] = (),
) -> Adapter:
    """Make the adapter of a dataset."""
    return Adapter(
        name=name,
        title=title,
        layout=layout,
        options=frozenset({"splits", "source", "forgery", "family"}),
        read=tree.read,
        source=tree.columns.get("source", ""),
        forged=forged,
        licence=licence,
        obtain=obtain,
        published=published,
    )


class _Reading:
    """One reading of a dataset's folder."""

    def __init__(self, tree: Tree, folder: Path, lists: Lists | None) -> None:
        self._tree, self._folder, self._lists = tree, folder, lists
        self._patterns = [
            re.compile(
                rf"(?:.*?/)??{rule.pattern}" + ("" if rule.images else "(?P<_frame>/[^/]+)?"),
                re.IGNORECASE,
            )
            for rule in tree.rules
        ]
        self._rows = Rows((*REQUIRED[1:], *OPTIONAL))
        self._ignored: Counter[str] = Counter()
        self._first_other = ""
        self._named: set[str] = set()
        self._ties, self._tied = Ties(), dict[str, str]()
        self._free: set[str] = set()  # files of which no list speaks
        self._masks = Masks(folder, tree.masks)
        self._notes: list[str] = list(lists.notes) if lists else []

    def described(self, listing: Listing, options: Options) -> Described:
        """Describe all files."""
        for path in (*listing.images, *listing.videos):
            self._take(path)
        if not len(self._rows):
            raise ManifestError(
                f"{self._folder}: nothing in it lies as the dataset does; first met: "
                f"'{self._first_other or next(iter([*listing.images, *listing.videos]))}'"
            )
        if self._first_other:
            self._notes.append(f"what no rule of the dataset takes: '{self._first_other}' first")
        self._pair()
        self._share(options)
        self._state(options)
        return Described(
            rows=self._rows,
            ignored={**listing.ignored, **self._ignored},
            notes=tuple(self._notes),
            missing=tuple(sorted(self._lists.rows.keys() - self._named)) if self._lists else (),
            unreadable=listing.unreadable,
        )

    def _take(self, path: str) -> None:
        """Note one file."""
        stem = path.rpartition(".")[0]
        for rule, pattern in zip(self._tree.rules, self._patterns, strict=True):
            found = pattern.fullmatch(stem)
            # A video's frames stand below it, a video file is itself.
            if found and (rule.images or bool(found["_frame"]) != is_video(path)):
                self._note(path, stem, rule, found)
                return
        self._first_other = self._first_other or path
        self._ignored["file that is no part of the dataset"] += 1

    def _note(self, path: str, stem: str, rule: Rule, found: "re.Match[str]") -> None:
        """Note a file that a rule takes."""
        parts = {name: text or "" for name, text in found.groupdict().items()}
        of_video = stem[: len(stem) - len(parts.pop("_frame", ""))]
        unit = video_name(f"{of_video}.x")
        matched = Matched(path, unit, parts | {"path": of_video})
        row: Row = dict(self._tree.columns)
        row |= {name: text.format_map(matched.parts) for name, text in rule.columns.items()}
        row |= {name: made(matched.parts) for name, made in rule.of.items()}
        if self._lists and rule.listed and not self._listed(matched, row):
            return
        if row.get("label") not in ("real", "fake"):
            raise ManifestError(f"{self._folder}: nothing says whether '{path}' is real or fake")
        if not (self._lists and rule.listed and self._tree.lists_split):
            self._free.add(path)
        self._finish(row)
        if row["label"] == "fake" and (mask := self._masks.of(path)):
            row[MASK] = mask
        if not rule.images:
            row["group"] = unit
        if rule.names:
            names = [text.format_map(matched.parts) for text in rule.names]
            self._ties.tie(names)
            self._tied[path] = names[0]
        self._rows.put(path, row)

    def _listed(self, matched: Matched, row: Row) -> bool:
        """Add what the lists say of a file; tell whether it is taken."""
        assert self._lists is not None
        key = self._lists.key(matched)
        stated = self._lists.rows.get(key)
        if stated is None:
            self._ignored[f"file that {self._lists.what} does not name"] += self._tree.only_listed
            return not self._tree.only_listed
        self._named.add(key)
        label = stated.get("label")
        if label and row.get("label", label) != label:
            raise ManifestError(
                f"{self._folder}: {self._lists.what} says that '{matched.path}' is {label}, its "
                f"folder says {row['label']}; mend the one that is wrong"
            )
        row |= {name: value for name, value in stated.items() if value}
        return True

    def _finish(self, row: Row) -> None:
        """Fill what follows from the label and the generator."""
        if row.get("label") == "real":
            row |= {"generator": "camera", "forgery": "real", "family": "real"}
            return
        row["generator"] = row.get("generator") or "unknown"
        forgery, family = self._tree.kinds.get(row["generator"], ("unknown", "unknown"))
        row["forgery"], row["family"] = row.get("forgery") or forgery, row.get("family") or family

    def _pair(self) -> None:
        """Give rows that have a name in common one ``pair``."""
        for path, name in self._tied.items():
            self._rows.put(path, self._rows[path] | {"pair": self._ties.first(name)})
        if self._tree.ties:
            self._notes.extend(tie(self._rows))

    def _share(self, options: Options) -> None:
        """Give a split to what the dataset's own lists and folders give none."""
        splits = self._rows.column("split")
        without = [path for path, split in zip(self._rows, splits, strict=True) if not split]
        if options.splits and not without:
            raise ManifestError(
                f"{self._folder}: its images stand in splits already; ask for no shares"
            )
        left_out = [path for path in without if path not in self._free]
        free = [path for path in without if path in self._free]
        if options.splits:
            rows = {path: self._rows[path] for path in without}
            shared = zip(without, shared_out(rows, options.splits), strict=True)
            self._notes.append(
                f"{len(without)} files stand in no official split: shared out by --splits, so "
                "these splits are yours and not the dataset's"
            )
        else:
            for path in left_out:
                self._rows.drop(path)
            if left_out and self._lists:
                kind = f"file in no split of {self._lists.what}; --splits takes them"
                self._ignored[kind] += len(left_out)
            shared = zip(free, ["test"] * len(free), strict=True)
            if free:
                why = "" if self._lists else self._tree.wanted
                self._notes.append(
                    f"{len(free)} files stand in no official split, so all are test"
                    + (f": {why}" if why else "; --splits divides by person, video and pair")
                )
        for path, split in shared:
            self._rows.put(path, self._rows[path] | {"split": split})

    def _state(self, options: Options) -> None:
        """Put what the user states in the place of what follows from the names."""

        def stated(row: Row) -> Row:
            for name in ("forgery", "family", "source"):
                value = getattr(options, name)
                if isinstance(value, Mapping):
                    value = value.get(row["generator"])
                if value and (row["label"] == "fake" or name == "source"):
                    row[name] = value
            return row

        self._rows.change(stated)
