"""A run folder with seeded scores: what a report is built from, without images or detectors."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from leaderboard.view import Context, views
from protocols import ELSEWHERE, Expansion, Protocol, expand, fingerprint, load_protocol, validate
from results.evaluation import evaluate_contents
from results.literature import Literature
from results.run import RunContents
from results.schema import Dataset, Entry, ModelFacts, RunFacts
from results.sealing import seal_run
from results.statistics.joint import Bootstrap
from results.store import write_model, write_run, write_samples, write_scores


class Generator(NamedTuple):
    name: str
    forgery: str
    family: str
    source: str
    test: int


GENERATORS = (
    Generator("DFDC-mixed", "FS", "unknown", "dfdc-faces", 115),
    Generator("FLUX.1-schnell", "EFS", "diffusion", "sfhq-t2i", 23),
    Generator("SDXL", "EFS", "diffusion", "sfhq-t2i", 23),
    Generator("StableDiffusion-2.1", "EFS", "diffusion", "sdfd", 7),
    Generator("StarGAN", "AM", "GAN", "stargan-celeba", 60),
    Generator("StyleGAN", "EFS", "GAN", "140k", 127),
)
REALS = {"140k": 133, "dfdc-faces": 115, "lfw": 121, "stargan-celeba": 112}
DETECTORS = {
    "mfclip": ("MFCLIP", "gradient", ("total", "classification", "contrast", "mask")),
    "xception": ("Xception", "gradient", ("total",)),
    "clip-linear": ("CLIP linear", "gradient", ("total",)),
    "spectrum": ("Spectrum", "estimator", ()),
}
NOTHING_PUBLISHED = Literature((), ())
PROTOCOLS = ("cross-generator", "cross-forgery", "cross-dataset", "robustness-basic")


def fake_samples(
    generators: Sequence[Generator] = GENERATORS, reals: dict[str, int] | None = None
) -> pd.DataFrame:
    """Make a samples table in which train and val hold as many images as test."""
    rows = []
    for split in ("train", "val", "test"):
        for generator in generators:
            kind = (generator.forgery, generator.family, generator.name, generator.source)
            rows += [("fake", *kind, split, i) for i in range(generator.test)]
        for source, number in (REALS if reals is None else reals).items():
            rows += [("real", "real", "real", "camera", source, split, i) for i in range(number)]
    names = ["label", "forgery", "family", "generator", "source", "split", "number"]
    table = pd.DataFrame(rows, columns=names)
    table["sample_id"] = (
        table["source"] + "/" + table["generator"] + "/" + table["split"] + "/"
        + table["number"].astype(str) + ".png"
    )  # fmt: skip
    table["group"] = table["source"] + "/" + table["generator"] + "/" + table["split"] + "/video"
    table["group"] += (table["number"] // 4).astype(str)
    table["sha256"] = table["sample_id"]
    samples = validate(table.drop(columns="number"), "fake.csv")
    samples.insert(0, "dataset", "data")
    samples["problem"] = ""
    return samples


def make_run(
    folder: Path,
    *,
    samples: pd.DataFrame | None = None,
    protocols: Sequence[str | Protocol] = PROTOCOLS,
    detectors: Sequence[str] = tuple(DETECTORS),
    synthetic: bool = False,
    title: str = "Six generators",
    seeds: Sequence[int] = (0,),
    reference: str | None = None,
    elsewhere: Sequence[str] = (),
) -> Path:
    """Write a run: each model does better on what it has seen, worse under damage.

    ``elsewhere`` names detectors that were trained elsewhere, beside the others.
    """
    samples = fake_samples() if samples is None else samples
    loaded = [load_protocol(p) if isinstance(p, str) else p for p in protocols]
    expansions = [
        expand(
            protocol, samples, trained=bool(detectors) or not elsewhere, elsewhere=bool(elsewhere)
        )
        for protocol in loaded
    ]
    entries = [
        entry
        for expansion in expansions
        for entry in _entries(expansion, detectors=detectors, elsewhere=elsewhere, seeds=seeds)
    ]
    data = Dataset(
        name="faces",
        fingerprint=fingerprint(samples),
        n_samples=len(samples),
        n_missing=int((samples["problem"] != "").sum()),
        synthetic=synthetic,
    )
    facts = RunFacts(
        study="fake",
        title=title,
        protocols=[protocol.model_dump(mode="json") for protocol in loaded],
        data={"data": data},
        entries=entries,
        reference=reference,
        batch_size=32,
        versions={"forgerybench": "0.1.0", "python": "3.11.9", "torch": "2.11.0"},
    )
    write_run(folder, facts)
    write_samples(folder, samples)
    by_name = {expansion.protocol.name: expansion for expansion in expansions}
    for number, entry in enumerate(entries):
        if entry.model:
            _write_model(folder, by_name[entry.protocol], entry, samples, number)
    seal_run(folder)
    return folder


def _entries(
    expansion: Expansion,
    *,
    detectors: Sequence[str],
    elsewhere: Sequence[str],
    seeds: Sequence[int],
) -> Iterator[Entry]:
    """Say which models stand for the training sets of a protocol."""
    for training in expansion.training_sets:
        here = elsewhere if training.name == ELSEWHERE else detectors
        for detector in here:
            for seed in seeds[:1] if here is elsewhere else seeds:
                yield Entry(
                    protocol=expansion.protocol.name,
                    training=training.name,
                    detector=detector,
                    seed=seed,
                    model=None
                    if training.gap
                    else model_id(expansion, training.name, detector, seed),
                    gap=str(training.gap) if training.gap else None,
                )


def contexts(run: Path, literature: Literature = NOTHING_PUBLISHED) -> list[Context]:
    """Lay out what the tables and figures of each protocol of a run are built from."""
    contents = RunContents(run)
    bootstrap = Bootstrap(contents)
    return [
        Context(view=view, contents=contents, bootstrap=bootstrap, literature=literature)
        for view in views(contents, evaluate_contents(contents, bootstrap))
    ]


def model_id(expansion: Expansion, training: str, detector: str, seed: int) -> str:
    safe = "".join(sign if sign.isalnum() else "-" for sign in training)
    name = "".join(sign if sign.isalnum() else "-" for sign in detector).lstrip("-")
    return f"{name}-{expansion.protocol.name}-{safe}-{seed}"


def _write_model(
    folder: Path, expansion: Expansion, entry: Entry, samples: pd.DataFrame, number: int
) -> None:
    rng = np.random.default_rng(number)
    assert entry.model is not None
    training = next(t for t in expansion.training_sets if t.name == entry.training)
    title, fit, losses = DETECTORS.get(entry.detector, (entry.detector, "gradient", ("total",)))
    n_fake = int((samples["label"].iloc[training.rows] == "fake").sum())
    n_val_fake = int((samples["label"].iloc[training.val] == "fake").sum())
    unknown = entry.training == ELSEWHERE
    gradient = fit == "gradient" and not unknown
    facts = ModelFacts(
        id=entry.model,
        detector=entry.detector,
        title=title,
        fit="none" if unknown else fit,
        size="tiny",
        init="weights:0123456789ab" if unknown else "random" if gradient else "none",
        options={},
        parameters=1_234_567 if gradient else 129,
        trainable=1_234_567 if gradient else 129,
        track="common",
        recipe="tiny",
        recipe_values={"learning_rate": 1e-3, "epochs": 6},
        seed=entry.seed,
        training=entry.training,
        reals=training.statement,
        n_real=len(training.rows) - n_fake,
        n_fake=n_fake,
        n_val_real=len(training.val) - n_val_fake,
        n_val_fake=n_val_fake,
        steps=120 if gradient else 0,
        epochs=6.0 if gradient else 0.0,
        best_step=100 if gradient else 0,
        val_auc=0.93,
        stopped="all epochs done" if gradient else "fitted",
        history=[_history_row(step, losses, rng) for step in range(1, 121)] if gradient else [],
    )
    write_model(folder, facts)
    write_scores(folder, entry.model, _scores(expansion, entry, samples, rng))


def _history_row(step: int, losses: Sequence[str], rng: np.random.Generator) -> dict[str, float]:
    falling = {name: np.exp(-step / 40) + rng.uniform(0, 0.2) for name in losses}
    row = {"step": float(step), **{name: float(value) for name, value in falling.items()}}
    if step % 20 == 0:
        row["val_auc"] = float(1 - 0.5 * np.exp(-step / 30) - rng.uniform(0, 0.05))
    return row


def _scores(
    expansion: Expansion, entry: Entry, samples: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    strength = dict(zip(DETECTORS, (1.6, 1.1, 0.7, 0.5), strict=True)).get(entry.detector, 1.0)
    training = next(t for t in expansion.training_sets if t.name == entry.training)
    rows = np.union1d(expansion.rows(entry.training), training.val)
    chosen = samples.iloc[rows]
    seen = np.zeros(len(samples), dtype=bool)
    for cell in expansion.cells:
        if cell.training == entry.training and cell.seen:
            seen[cell.test.rows] = True
    tables = []
    for condition in expansion.protocol.expanded_conditions:
        gain = strength * np.where(seen[rows], 2.0, 0.5) / (1 + condition.severity / 2)
        logits = rng.normal(size=len(rows)) + gain * ((chosen["label"] == "fake") - 0.5)
        tables.append(
            pd.DataFrame(
                {
                    "dataset": chosen["dataset"],
                    "sample_id": chosen["sample_id"],
                    "condition": condition.key,
                    "logit": np.asarray(logits, dtype=np.float32),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
