"""What an audit found, one sentence each, and what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.data.audit.likeness import alike
from benchmark.data.audit.measuring import Measures
from benchmark.data.duplicates import twins
from benchmark.data.images import file_of
from benchmark.data.words import LABEL_WORDS

_KINDS = (
    "broken files",
    "label polarity",
    "same bytes",
    "same file",
    "same group",
    "same identity",
    "same pair",
    "look-alikes",
    "class balance",
    "sources",
    "shortcuts",
)
_REMEDY = {
    "broken files": "fetch them again, or remove their rows",
    "label polarity": "mend the labels; in some lists 1 is real",
    "same bytes": "remove all but one, or split again with 'forgerybench data split'",
    "same file": "split again with 'forgerybench data split'",
    "same group": "split again with 'forgerybench data split'",
    "same identity": "split again with 'forgerybench data split'",
    "same pair": "split again with 'forgerybench data split'",
    "look-alikes": "split again with 'forgerybench data split --look-alikes'",
    "class balance": "give the split both classes, or leave it out",
    "sources": "add images of the other class from it, or compare within sources alone",
    "shortcuts": "bring both classes to one encoding and size with 'forgerybench data reencode', "
    "crop them alike, or use a protocol that ends in -aligned",
}
_MOST_EXAMPLES = 12
# A split of so many times more of one class is told: accuracy on it says little.
_UNBALANCED = 20


@dataclass(frozen=True)
class Finding:
    """Something that makes results mean less.

    Attributes:
        kind: One of ``_KINDS``.
        sentence: What, in one line.
        number: How many samples, values or pairs.
        examples: Samples, or pairs of them, that show it.
    """

    kind: str
    sentence: str
    number: int
    examples: tuple[tuple[str, ...], ...] = ()

    @property
    def remedy(self) -> str:
        """What to do."""
        return _REMEDY[self.kind]


def findings(samples: pd.DataFrame, measures: Measures) -> list[Finding]:
    """Find all but shortcuts, in the order of ``_KINDS``.

    Args:
        samples: Validated, in the order of ``measures``.
        measures: Of each.
    """
    table = samples.assign(sha256=measures.sha256, file=samples["sample_id"].map(file_of))
    return [
        *_broken(table, measures.problems),
        *_polarity(table),
        *_same_bytes(table),
        *_crossing(table),
        *_look_alikes(table, measures),
        *_balance(table),
        *_one_class_sources(table),
    ]


def _broken(table: pd.DataFrame, problems: Sequence[str]) -> Iterator[Finding]:
    """Name files that are missing or cannot be read."""
    bad = [(str(s), p) for s, p in zip(table["sample_id"], problems, strict=True) if p]
    if bad:
        yield Finding(
            "broken files",
            f"{len(bad)} of {len(table)} images cannot be used; '{bad[0][0]}': {bad[0][1]}",
            len(bad),
            tuple((sample,) for sample, _ in bad[:_MOST_EXAMPLES]),
        )


def _polarity(table: pd.DataFrame) -> Iterator[Finding]:
    """Hold labels against the folders' words."""
    said = table["file"].map(_said)
    wrong = table[(said != "") & (said != table["label"])]
    if len(wrong):
        first = wrong.iloc[0]
        every = "all" if len(wrong) == (said != "").sum() else f"{len(wrong)}"
        yield Finding(
            "label polarity",
            f"{every} of the {(said != '').sum()} images whose folders say real or fake have the "
            f"other label; '{first['sample_id']}' is {first['label']}",
            len(wrong),
            tuple((str(sample),) for sample in wrong["sample_id"][:_MOST_EXAMPLES]),
        )


def _said(file: str) -> str:
    """Give what the folders of a file say: real, fake, or "" if nothing or both."""
    words = {LABEL_WORDS.get(folder.lower(), "") for folder in PurePosixPath(file).parts[:-1]}
    words.discard("")
    return words.pop() if len(words) == 1 else ""


def _same_bytes(table: pd.DataFrame) -> Iterator[Finding]:
    """Name equal files in both classes or in two splits."""
    for each in twins(table):
        yield Finding("same bytes", each.sentence(), each.number, ((each.first, each.second),))


def _crossing(table: pd.DataFrame) -> Iterator[Finding]:
    """Name files, videos, people and pairs in two splits."""
    for kind, column, within in (
        ("same file", "file", []),
        ("same group", "group", []),
        ("same identity", "identity", ["source"]),
        ("same pair", "pair", []),
    ):
        known = table[table[column] != ""]
        splits = known.groupby([*within, column])["split"].transform("nunique")
        crossing = known[splits > 1]
        if crossing.empty:
            continue
        values = crossing.groupby([*within, column], sort=True)
        examples = []
        for _, rows in values:
            sides = rows.drop_duplicates("split")["sample_id"]
            examples.append((str(sides.iloc[0]), str(sides.iloc[1])))
            if len(examples) == _MOST_EXAMPLES:
                break
        first = str(crossing.iloc[0][column])
        yield Finding(
            kind,
            f"{values.ngroups} values of '{column}' stand in more than one split ('{first}' first)",
            values.ngroups,
            tuple(examples),
        )


def _look_alikes(table: pd.DataFrame, measures: Measures) -> Iterator[Finding]:
    """Name pictures that look the same in two splits; equal bytes are told elsewhere."""
    sides = pd.factorize(table["split"])[0].astype(np.int64)
    if len(np.unique(sides)) < 2:
        return
    pairs = _told_nowhere_else(alike(measures, sides), table)
    if len(pairs):
        ids = table["sample_id"].to_numpy()
        examples = tuple((str(ids[a]), str(ids[b])) for a, b in pairs[:_MOST_EXAMPLES])
        yield Finding(
            "look-alikes",
            f"{len(pairs)} pairs of pictures in different splits look the same ('{examples[0][0]}' "
            f"and '{examples[0][1]}' first)",
            len(pairs),
            examples,
        )


def _told_nowhere_else(pairs: npt.NDArray[np.int64], table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Drop pairs that share what other findings tell: bytes, group or pair."""
    keep = np.ones(len(pairs), np.bool_)
    for column in ("sha256", "group", "pair"):
        values = table[column].to_numpy()
        one, other = values[pairs[:, 0]], values[pairs[:, 1]]
        keep &= ~((one == other) & (one != ""))
    return pairs[keep]


def _balance(table: pd.DataFrame) -> Iterator[Finding]:
    """Name splits with one class, or with far more of one."""
    for split, rows in table.groupby("split", sort=True):
        counts = rows["label"].value_counts()
        few, many = int(counts.min()), int(counts.max())
        if len(counts) == 1:
            yield Finding(
                "class balance", f"split '{split}' has {counts.index[0]} images alone", many
            )
        elif many > _UNBALANCED * few:
            yield Finding(
                "class balance",
                f"split '{split}' has {many} {counts.idxmax()} images for {few} of the other class",
                many,
            )


def _one_class_sources(table: pd.DataFrame) -> Iterator[Finding]:
    """Name sources of one class where there are several: whatever tells the source tells the class.

    With one source there is nothing to be told apart.
    """
    classes = table.groupby("source")["label"].nunique()
    lonely = classes.index[classes == 1]
    if len(classes) < 2 or lonely.empty:
        return
    labels = table.drop_duplicates("source").set_index("source")["label"]
    named = ", ".join(f"{name} ({labels[name]})" for name in lonely[:_MOST_EXAMPLES])
    yield Finding(
        "sources",
        f"{len(lonely)} of {len(classes)} sources have one class alone: {named}; what tells the "
        "source tells the class",
        len(lonely),
    )
