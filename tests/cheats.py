"""Submissions that cheat: an honest archive, changed in one way each that a rule must notice."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from results.hashing import content_hash
from results.store import SCORE_SCHEMA

CARD = {
    "paper": "Chollet, CVPR 2017", "code": "https://github.com/a/b", "licence": "Apache-2.0",
    "fidelity": "the paper's",
}  # fmt: skip
Files = dict[str, bytes]


def files_of(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def edited(files: Files, name: str, change: Callable[[Any], Any]) -> Files:
    raw = json.loads(files[name])
    return {**files, name: json.dumps(change(raw) or raw).encode()}


def rescored(
    files: Files, change: Callable[[pd.DataFrame], pd.DataFrame], *, vouched: bool = True
) -> Files:
    """Change the scores of every model, and let submission.json vouch for them."""
    changed = dict(files)
    hashes = {}
    for name in files:
        if name.startswith("scores/"):
            table = change(pq.read_table(io.BytesIO(files[name])).to_pandas())
            table["logit"] = table["logit"].astype(np.float32)
            buffer = io.BytesIO()
            table = table.sort_values(["dataset", "condition", "sample_id"], kind="stable")
            table = table.reset_index(drop=True)
            arrow = pa.Table.from_pandas(table, schema=SCORE_SCHEMA, preserve_index=False)
            pq.write_table(arrow.replace_schema_metadata(None), buffer, store_schema=False)
            changed[name] = buffer.getvalue()
            hashes[Path(name).stem] = content_hash(table)
        if name.startswith("records/"):
            del changed[name]
    return (
        edited(changed, "submission.json", lambda s: {**s, "scores": hashes})
        if vouched
        else changed
    )


def labels(table: pd.DataFrame) -> "pd.Series[bool]":
    return ~table["sample_id"].str.contains("/camera/")


def logits(table: pd.DataFrame, values: Any) -> pd.DataFrame:
    return table.assign(logit=np.asarray(values, dtype=np.float32))


CHEATS: dict[str, tuple[str, Callable[[Files], Files]]] = {
    "scores of another model": (
        "scores-hash",
        lambda f: rescored(f, lambda t: logits(t, t["logit"] + 1), vouched=False),
    ),
    "misclassified samples dropped": (
        "scores-samples",
        lambda f: rescored(f, lambda t: t[(t["logit"] > 0) == labels(t)]),
    ),
    "validation samples left out": (
        "scores-samples",
        lambda f: rescored(f, lambda t: t[~t["sample_id"].str.contains("/val/")]),
    ),
    "one sample dropped": ("scores-samples", lambda f: rescored(f, lambda t: t.iloc[1:])),
    "a damaged condition left out": (
        "scores-samples",
        lambda f: rescored(f, lambda t: t[t["condition"] == "clean"]),
    ),
    "a sample of its own": (
        "scores-samples",
        lambda f: rescored(
            f, lambda t: pd.concat([t, t.head(1).assign(sample_id="mine.png")], ignore_index=True)
        ),
    ),
    "a sample scored twice": (
        "scores-form",
        lambda f: rescored(f, lambda t: pd.concat([t, t.head(1)], ignore_index=True)),
    ),
    "a score that is no number": (
        "scores-form",
        lambda f: rescored(f, lambda t: logits(t, [np.nan, *t["logit"][1:]])),
    ),
    "an endless score": (
        "scores-form",
        lambda f: rescored(f, lambda t: logits(t, [np.inf, *t["logit"][1:]])),
    ),
    "scores that are no table": (
        "scores-form",
        lambda f: {n: (b"PAR1" if n.startswith("scores/") else c) for n, c in f.items()},
    ),
    "huge scores": ("scores-range", lambda f: rescored(f, lambda t: logits(t, t["logit"] * 1e5))),
    "one score for all": (
        "scores-constant",
        lambda f: rescored(f, lambda t: logits(t, 0 * t["logit"])),
    ),
    "decisions as scores": (
        "scores-quantised",
        lambda f: rescored(f, lambda t: logits(t, np.rint(t["logit"]))),
    ),
    "labels with noise": (
        "scores-are-labels",
        lambda f: rescored(f, lambda t: logits(t, 8.0 * labels(t) + 0.1 * t["logit"])),
    ),
    "scores in the order of samples": (
        "scores-in-order",
        lambda f: rescored(f, lambda t: logits(t, np.arange(len(t)) / len(t) + labels(t))),
    ),
    "damage never looked at": (
        "scores-ignore-damage",
        lambda f: rescored(
            f,
            lambda t: logits(
                t,
                t["sample_id"].map(t[t["condition"] == "clean"].set_index("sample_id")["logit"]),
            ),
        ),
    ),
    "P(real) in place of P(fake)": (
        "scores-upside-down",
        lambda f: rescored(f, lambda t: logits(t, -t["logit"])),
    ),
    "test labels used": (
        "scores-too-good",
        lambda f: rescored(
            f,
            lambda t: logits(
                t, t["logit"] + 4.0 * (labels(t) & t["sample_id"].str.contains("/test/"))
            ),
        ),
    ),
    "a record that claims more": (
        "claims-agree",
        lambda f: edited(
            f,
            next(n for n in f if n.startswith("records/cross-forgery")),
            lambda r: r["cells"][0]["metrics"]["AUC"].update(value=0.9999),
        ),
    ),
    "an edited protocol under its name": (
        "protocol-hash",
        lambda f: edited(f, "run.json", lambda r: r["protocols"][0]["test"].pop() and None),
    ),
    "a protocol of its own": (
        "protocol-known",
        lambda f: edited(f, "run.json", lambda r: r["protocols"][0].update(name="easy")),
    ),
    "another version": (
        "protocol-known",
        lambda f: edited(f, "run.json", lambda r: r["protocols"][0].update(version=99)),
    ),
    "other data": (
        "data-fingerprint",
        lambda f: edited(f, "run.json", lambda r: r["data"]["data"].update(fingerprint="0" * 64)),
    ),
    "a training set left out": (
        "entries-complete",
        lambda f: edited(f, "run.json", lambda r: r["entries"].pop(0) and None),
    ),
    "a bad cell made a gap": (
        "entries-complete",
        lambda f: edited(
            f, "run.json", lambda r: r["entries"][0].update(model=None, gap="too slow")
        ),
    ),
    "a model that stands in for another": (
        "models-agree",
        lambda f: edited(
            f, "run.json", lambda r: r["entries"][0].update(model=r["entries"][1]["model"])
        ),
    ),
    "a card without its code": (
        "card-complete",
        lambda f: edited(f, "submission.json", lambda s: s["card"].update(code=" ")),
    ),
    "trained on the test": (
        "statement",
        lambda f: edited(f, "submission.json", lambda s: s.update(trained_on_test=True)),
    ),
    "a name that leads elsewhere": (
        "form-files",
        lambda f: edited(f, "submission.json", lambda s: s.update(name="../../etc/passwd")),
    ),
    "an unknown key": (
        "form-files",
        lambda f: edited(f, "submission.json", lambda s: s.update(verified=True)),
    ),
    "an endless field": (
        "form-fields",
        lambda f: edited(f, "run.json", lambda r: r.update(title="x" * 100_000)),
    ),
    "a file that is no JSON": ("form-files", lambda f: {**f, "run.json": b"{"}),
    "no statement at all": (
        "form-files",
        lambda f: {n: c for n, c in f.items() if n != "submission.json"},
    ),
    "images": ("archive-contents", lambda f: {**f, "images/1.png": b"\x89PNG"}),
    "a pickle": ("archive-contents", lambda f: {**f, "models/x.pkl": b"\x80\x04."}),
    "samples of its own": ("archive-contents", lambda f: {**f, "samples.parquet": b"PAR1"}),
    "a path out of the folder": ("archive-names", lambda f: {**f, "../evil.json": b"{}"}),
    "an absolute path": ("archive-names", lambda f: {**f, "/etc/cron.d/x": b""}),
    "a path of another system": ("archive-names", lambda f: {**f, "models\\..\\x.json": b"{}"}),
    "names that differ in case alone": (
        "archive-names",
        lambda f: {**f, "models/A.json": b"{}", "models/a.json": b"{}"},
    ),
    "a bomb": ("archive-size", lambda f: {**f, "models/bomb.json": b" " * (15 << 20)}),
    "a huge JSON file": ("archive-size", lambda f: {**f, "models/x.json": bytes(17 << 20)}),
    "thousands of files": (
        "archive-size",
        lambda f: {**f, **{f"models/m{n}.json": b"{}" for n in range(2100)}},
    ),
}
