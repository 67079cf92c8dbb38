"""The samples table: one row a face image, validated to the cell.

``validate`` is the only door: a table that went through it has exactly the columns of ``COLUMNS``
(and a user's own, which are subgroups), no missing values, and unique ids.
"""

import hashlib
import unicodedata

import pandas as pd

from protocols.errors import SamplesError

LABELS = ("real", "fake")
FORGERIES = ("EFS", "AM", "FS", "FR", "unknown", "real")
FAMILIES = ("GAN", "diffusion", "autoencoder", "graphics", "unknown", "real")
SPLITS = ("train", "val", "test")
CHOICES = {"label": LABELS, "forgery": FORGERIES, "family": FAMILIES, "split": SPLITS}

REQUIRED = ("sample_id", "label", "forgery", "family", "generator", "split")
OPTIONAL = ("source", "group", "identity", "pair", "sha256")
COLUMNS = (*REQUIRED, *OPTIONAL)
_AT_ONCE = 65536  # rows
TAXONOMY = ("label", "forgery", "family", "generator")


def validate(table: pd.DataFrame, where: str, first_row: int = 2) -> pd.DataFrame:
    """Check a table of samples and fill what may be left out.

    Args:
        table: At least the columns of ``REQUIRED``; every value is read as text.
        where: What the errors call the table: its file.
        first_row: Number of its first row as the user counts (2: a CSV file with a header).

    Returns:
        A new table sorted by ``sample_id``: ``COLUMNS`` first, then the user's own columns.
        ``source`` defaults to ``unknown``, ``group`` to the sample's id, the others to "".

    Raises:
        SamplesError: A column or value is missing, not a choice, contradictory or a duplicate.
    """
    missing = [name for name in REQUIRED if name not in table.columns]
    if missing:
        raise SamplesError(
            f"{where}: column '{missing[0]}' is missing; there are {', '.join(table.columns)}"
        )
    if table.empty:
        raise SamplesError(f"{where}: the table has no rows")
    table = table.reset_index(drop=True)
    own = [name for name in table.columns if name not in COLUMNS]
    text = {name: table[name].fillna("").astype(str) for name in COLUMNS if name in table}
    text["sample_id"] = text["sample_id"].map(lambda s: unicodedata.normalize("NFC", s))
    _fill(text, len(table))
    checked = pd.DataFrame({name: text[name] for name in COLUMNS})
    checked = pd.concat([checked, table[own]], axis=1)
    _check_values(checked, where, first_row)
    _check_reals(checked, where, first_row)
    _check_ids(checked, where, first_row)
    return checked.sort_values("sample_id", kind="stable", ignore_index=True)


def fingerprint(samples: pd.DataFrame) -> str:
    """Name the data: sha256 over sorted (id, content, label, taxonomy, split, group).

    Independent of where the files lie and of the order and further columns of the manifest.

    Raises:
        SamplesError: A sample has no content hash.
    """
    if (samples["sha256"] == "").any():
        first = samples.loc[samples["sha256"] == "", "sample_id"].iloc[0]
        raise SamplesError(f"'{first}' has no sha256, so the data has no fingerprint")
    columns = ["sample_id", "sha256", *TAXONOMY, "source", "split", "group", "identity", "pair"]
    digest = hashlib.sha256()
    ordered = samples.sort_values("sample_id")
    for start in range(0, len(ordered), _AT_ONCE):
        part = ordered.iloc[start : start + _AT_ONCE]
        rows = part[columns[0]].str.cat(part[columns[1:]], sep="\x1f")
        digest.update("".join(f"{row}\x1e" for row in rows).encode())
    return digest.hexdigest()


def _fill(text: dict[str, "pd.Series[str]"], length: int) -> None:
    """Put in the columns that a manifest may leave out."""
    for name in OPTIONAL:
        default = "unknown" if name == "source" else ""
        text.setdefault(name, pd.Series([default] * length, dtype=object))
    text["source"] = text["source"].where(text["source"] != "", "unknown")
    text["group"] = text["group"].where(text["group"] != "", text["sample_id"])


def _check_values(table: pd.DataFrame, where: str, first_row: int) -> None:
    """Refuse empty required values and values that are no choice."""
    for name in REQUIRED:
        _refuse(table, table[name] == "", where, first_row, f"'{name}' is empty")
    for name, choices in CHOICES.items():
        wrong = ~table[name].isin(choices)
        if wrong.any():
            value = table.loc[wrong, name].iloc[0]
            message = f"'{name}' is '{value}', not one of {', '.join(choices)}"
            _refuse(table, wrong, where, first_row, message)


def _check_reals(table: pd.DataFrame, where: str, first_row: int) -> None:
    """Refuse a row whose label and taxonomy contradict each other."""
    real = table["label"] == "real"
    for name in ("forgery", "family"):
        as_real = table[name] == "real"
        _refuse(table, real & ~as_real, where, first_row, f"label is real, '{name}' is not")
        _refuse(table, ~real & as_real, where, first_row, f"label is fake, '{name}' is real")


def _check_ids(table: pd.DataFrame, where: str, first_row: int) -> None:
    """Refuse ids that are no relative POSIX path, and duplicates."""
    ids = table["sample_id"]
    outside = ids.str.startswith("/") | ids.str.contains("\\", regex=False)
    outside |= ids.str.contains(r"(?:^|/)\.\.(?:/|$)", regex=True)
    _refuse(table, outside, where, first_row, "the path must be relative, with /, and have no ..")
    again = ids.duplicated()
    _refuse(table, again, where, first_row, "the same sample stands in an earlier row")


def _refuse(
    table: pd.DataFrame, wrong: "pd.Series[bool]", where: str, first_row: int, message: str
) -> None:
    """Raise SamplesError naming the first wrong row and how many there are."""
    if not wrong.any():
        return
    index = int(wrong.to_numpy().argmax())
    more = f" ({int(wrong.sum()) - 1} more such rows)" if wrong.sum() > 1 else ""
    sample = table["sample_id"].iloc[index]
    raise SamplesError(f"{where}, row {index + first_row} ('{sample}'): {message}{more}")


def taxa(samples: pd.DataFrame) -> list[tuple[str, ...]]:
    """List the distinct (label, forgery, family, generator) of ``samples``, sorted."""
    distinct = samples[list(TAXONOMY)].drop_duplicates()
    return sorted(distinct.itertuples(index=False, name=None))
