"""Scores that were made elsewhere as a model of a run: matched to its samples, marked, not re-run.

The run is one that is there, or is begun for a protocol and its data; no image is decoded.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from benchmark.data.columns import OutsideScores, Stated, scores_of
from benchmark.data.images import file_of
from benchmark.data.manifest import Manifest
from benchmark.data.outside import read_outside, written_hash
from benchmark.errors import BenchmarkError
from benchmark.study.binding import Data, bind
from benchmark.study.matched import By, MatchedRows, matched_rows, spread, turned
from benchmark.study.samples import MISSING_HASH, dataset_facts, stated_samples
from benchmark.study.sharing import locked
from leaderboard.report import report
from protocols import ELSEWHERE, Protocol, expand, load_protocol
from protocols.pool import Positions
from protocols.samples import COLUMNS
from protocols.text import printable
from results.faults import checked_contents
from results.files import atomic_write, csv_table, file_hash, own_file
from results.hashing import content_hash
from results.metrics.checking import Floats
from results.metrics.registry import check_metrics
from results.run import protocols_of
from results.schema import Entry, Imported, ModelFacts, RunFacts
from results.sealing import seal_run
from results.store import (
    SCORE_COLUMNS,
    read_run,
    write_model,
    write_run,
    write_samples,
    write_scores,
)

Unscored = Literal["gap", "wrong"]
_BATCH_SIZE = 48  # of a run that is begun here: a later sitting goes on with it
_WORKERS = 4
MISSING, UNDER = "missing", "not scored under "  # how a sample without a score is listed
_LONGEST_NAME = 200  # it names files too


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """What is to be imported, and where to.

    Attributes:
        file: The scores.
        detector: What tables call it.
        out: Folder of the run: one that is there, or a new one.
        data: The manifests of a new run; of one that is there None, or the same again.
        protocols: Of a new run.
        stated: What the user says of the columns.
        by: What a row is of: a ``sample``, or a ``group`` (a video), for each of whose samples its
            score then stands.
        unscored: ``gap``: a cell that lacks a score has no numbers. ``wrong``: what has no score
            counts as a wrong answer, worse than all that were given.
    """

    file: Path
    detector: str
    out: Path
    data: Data | None = None
    protocols: Sequence[str] = ()
    stated: Stated = field(default_factory=Stated)
    by: By = "sample"
    unscored: Unscored = "gap"


class ImportedRun(NamedTuple):
    """What was imported.

    Attributes:
        page: The report's page.
        model: The model's id.
        facts: What its facts say of the file.
        problems: Every row and sample that is not one to one: ``row``, ``id``, ``why``.
        rows_file: Where they stand; None where there are none.
    """

    page: Path
    model: str
    facts: Imported
    problems: pd.DataFrame
    rows_file: Path | None


class _Run(NamedTuple):
    """The run that a model is added to."""

    facts: RunFacts
    samples: pd.DataFrame
    protocols: list[Protocol]
    is_new: bool


def import_scores(settings: ImportSettings) -> ImportedRun:
    """Make a model of a run of scores that were made elsewhere, and write its report.

    Raises:
        BenchmarkError: The file, its columns or the run cannot be used as asked; two rows of one
            sample differ; no row is of a sample; the run has another model of that name.
        ManifestError, ProtocolError, ResultError: Likewise, for their parts.
    """
    check_name(settings.detector)
    given = scores_of(read_outside(settings.file), settings.stated, settings.file)
    with locked(settings.out):
        run = _run_of(settings)
        conditions = [c for protocol in run.protocols for c in protocol.expanded_conditions]
        path, samples = settings.file, run.samples
        rows = matched_rows(given, samples, conditions, by=settings.by, path=path)
        values, direction = turned(given, rows, samples, path=path)
        scores = dict(spread(rows, values, samples, by=settings.by))
        needed = _needed(run)
        missing = {key: np.setdiff1d(at, scores[key][0] if key in scores else [])
                   for key, at in needed.items()}  # fmt: skip
        total, lacking = (sum(len(at) for at in each.values()) for each in (needed, missing))
        if settings.unscored == "wrong":
            scores = _wrong(scores, missing, samples)
        told = Imported(
            file=path.name,
            sha256=written_hash(path),
            kind=given.kind,
            direction=direction,
            by=settings.by,
            unscored=settings.unscored,
            rows=len(given.ids),
            unmatched=int((rows.places < 0).sum()),
            repeated=rows.repeated,
            statuses=dict(sorted(Counter(why for why in given.status if why).items())),
            clipped=given.clipped,
            needed=total,
            given=total - lacking,
        )
        model = _write(settings, run, _table(scores, samples), told)
        problems = _problems(given, rows, missing, samples)
        rows_file = _written(settings.out, model, problems)
        return ImportedRun(report(settings.out), model, told, problems, rows_file)


def check_name(detector: str) -> None:
    """Raise BenchmarkError for what nobody could read in a table: nothing, or no text."""
    readable = detector.strip() and not any("\ud800" <= sign <= "\udfff" for sign in detector)
    if not readable or len(detector) > _LONGEST_NAME:
        raise BenchmarkError(
            f"'{printable(detector)[:40]}' names no detector: choose a --detector of 1 to "
            f"{_LONGEST_NAME} signs in UTF-8"
        )


def _run_of(settings: ImportSettings) -> _Run:
    """Read the run, or begin one."""
    out = settings.out
    if not (out / "run.json").is_file():
        return _begun(settings)
    # It is sealed anew: what was edited since must not pass for what was scored.
    samples = checked_contents(out).samples
    facts = read_run(out)
    protocols = protocols_of(facts)
    there = [protocol.name for protocol in protocols]
    wanted = [load_protocol(name).name for name in settings.protocols]
    if lacking := [name for name in wanted if name not in there]:
        raise BenchmarkError(
            f"{out} holds a run of {', '.join(there)}, not of {lacking[0]}: leave --protocol out, "
            "or choose another --out"
        )
    if settings.data is not None:
        manifests = bind(protocols, settings.data, allow_missing=bool(facts.unbound))
        _refuse_other(out, stated_samples(manifests), samples)
    return _Run(facts, samples, protocols, False)


def _begun(settings: ImportSettings) -> _Run:
    """Begin a run that has no model yet."""
    if not settings.protocols or settings.data is None:
        raise BenchmarkError(
            f"{settings.out} holds no run yet: say which with --protocol NAME and --data MANIFEST"
        )
    from benchmark.environment import environment, resolve_device

    # One that is named twice is one; two of one name are refused where the run is read.
    protocols = [load_protocol(name) for name in dict.fromkeys(settings.protocols)]
    for protocol in protocols:
        check_metrics(protocol)
    manifests = bind(protocols, settings.data, allow_missing=True)
    samples = _hashed(manifests)
    facts = RunFacts(
        study=protocols[0].name,
        title=protocols[0].title,
        protocols=[protocol.model_dump(mode="json") for protocol in protocols],
        data=dataset_facts(manifests, samples),
        entries=[],
        batch_size=_BATCH_SIZE,
        versions=environment(resolve_device("auto")),
        unbound=sorted({role for p in protocols for role in p.roles if role not in manifests}),
    )
    return _Run(facts, samples, protocols, True)


def _hashed(manifests: Mapping[str, Manifest]) -> pd.DataFrame:
    """Take manifests at their word; what they give no content hash of is read for it."""
    samples = stated_samples(manifests)
    roots = {role: manifest.root for role, manifest in manifests.items()}

    def digest(dataset: str, sample_id: str, stated: str) -> str:
        path = roots[dataset] / file_of(sample_id)
        return stated or (file_hash(path) if path.is_file() else MISSING_HASH)

    columns = (samples[name] for name in ("dataset", "sample_id", "sha256"))
    with ThreadPoolExecutor(_WORKERS) as pool:
        digests = list(pool.map(digest, *columns))
    # Nothing is known of the images but what is said of them: none is looked at.
    return samples.assign(sha256=digests, problem="")


def _refuse_other(out: Path, stated: pd.DataFrame, samples: pd.DataFrame) -> None:
    """Raise BenchmarkError unless manifests say what the run's samples say."""
    names = ["dataset", *(name for name in COLUMNS if name != "sha256")]
    same = stated[names].astype(str).equals(samples[names].astype(str))
    if same:
        known = stated["sha256"] != ""
        same = bool((stated["sha256"][known] == samples["sha256"][known]).all())
    if not same:
        raise BenchmarkError(f"{out} holds a run on other data than --data: choose another --out")


def _needed(run: _Run) -> dict[str, Positions]:
    """Give the positions that the cells of what was trained elsewhere need, by condition."""
    found: dict[str, Positions] = {}
    for protocol in run.protocols:
        expansion = expand(protocol, run.samples, run.facts.unbound, trained=False, elsewhere=True)
        for cell in expansion.cells:
            key = cell.condition.key
            found[key] = np.union1d(found.get(key, np.empty(0, np.int64)), cell.test.all_rows)
    return found


def _wrong(
    scores: Mapping[str, tuple[Positions, Floats]],
    missing: Mapping[str, Positions],
    samples: pd.DataFrame,
) -> dict[str, tuple[Positions, Floats]]:
    """Let what has no score be wrong: reals beyond the greatest logit, fakes below the least."""
    every = np.concatenate([logits for _, logits in scores.values()])
    low, high = every.min() - 1, every.max() + 1
    found = dict(scores)
    for key, at in missing.items():
        fake = (samples["label"].iloc[at] == "fake").to_numpy()
        known, logits = scores.get(key, (np.empty(0, np.int64), np.empty(0)))
        answers = np.where(fake, low, high)
        found[key] = np.concatenate([known, at]), np.concatenate([logits, answers])
    return found


def _table(scores: Mapping[str, tuple[Positions, Floats]], samples: pd.DataFrame) -> pd.DataFrame:
    """Put scores as a run keeps them."""
    tables = [
        samples.iloc[at][["dataset", "sample_id"]].assign(
            condition=key, logit=logits.astype(np.float32)
        )
        for key, (at, logits) in scores.items()
    ]
    return pd.concat(tables, ignore_index=True)[list(SCORE_COLUMNS)]


def _write(settings: ImportSettings, run: _Run, table: pd.DataFrame, told: Imported) -> str:
    """Add the model to the run; give its id.

    Raises:
        BenchmarkError: The run has a detector of that name already.
    """
    name, out = settings.detector, settings.out
    ordered = table.sort_values(list(SCORE_COLUMNS[:3]), ignore_index=True)
    digest = hashlib.sha256(f"{name}\n{content_hash(ordered)}".encode()).hexdigest()[:12]
    slug = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in name.lower())
    model = f"{slug.strip('-') or 'imported'}-{digest}"
    others = {entry.model for entry in run.facts.entries if entry.detector == name}
    if others - {model}:
        raise BenchmarkError(
            f"{out} has a detector '{name}' already, with other scores: choose another --detector"
        )
    facts = ModelFacts(
        id=model, detector=name, title=name, fit="none", size="unknown", init="unknown",
        options={}, parameters=0, trainable=0, track="unknown", recipe="none", recipe_values={},
        seed=0, training=ELSEWHERE, reals="unknown", n_real=0, n_fake=0, n_val_real=0,
        n_val_fake=0, steps=0, epochs=0.0, best_step=0, val_auc=None, stopped="imported",
        history=[], catalog=False, imported=told,
    )  # fmt: skip
    if run.is_new:
        write_samples(out, run.samples)
    write_model(out, facts)
    write_scores(out, model, table)
    entries = [
        *(entry for entry in run.facts.entries if entry.detector != name),
        *(
            Entry(
                protocol=protocol.name,
                training=ELSEWHERE,
                detector=name,
                seed=0,
                model=model,
                gap=None,
            )
            for protocol in run.protocols
        ),
    ]
    write_run(out, run.facts.model_copy(update={"entries": entries}))
    seal_run(out)
    return model


def _problems(
    given: OutsideScores,
    rows: MatchedRows,
    missing: Mapping[str, Positions],
    samples: pd.DataFrame,
) -> pd.DataFrame:
    """List every row and sample that is not one to one."""
    found: list[tuple[object, str, str]] = []
    for number, name in enumerate(given.ids):
        row = number + given.first_row
        if rows.places[number] < 0:
            found.append((row, name, f"unmatched: {rows.why[number]}"))
        elif not rows.first[number]:
            found.append((row, name, "double: says again what a row before says"))
        elif given.status[number]:
            found.append((row, name, f"status: {given.status[number]}"))
    ids = samples["sample_id"].to_numpy()
    for key, at in missing.items():
        found += [("", str(ids[place]), f"{MISSING}: {UNDER}{key}") for place in at]
    return pd.DataFrame(found, columns=["row", "id", "why"])


def _written(out: Path, model: str, problems: pd.DataFrame) -> Path | None:
    """Write the list beside the run's other files; nothing where there is nothing to list."""
    path = own_file(out / "imports", model, ".csv")
    if problems.empty:
        path.unlink(missing_ok=True)
        return None
    atomic_write(path, csv_table(problems))
    return path
