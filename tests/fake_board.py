"""Entries without a run: as many detectors and cells as wanted, with resamples, seeded."""

import numpy as np

from leaderboard.board.schema import (
    REPLICATES,
    BoardDataset,
    BoardEntry,
    EntryCell,
    Number,
    State,
    replicates_of,
)
from results.schema import CardFacts

DATA = BoardDataset(
    name="faces", fingerprint="f" * 16, n_samples=4000, n_missing=0, synthetic=False
)
CARD = CardFacts(
    paper="A paper (arXiv 1901.08971)", year=2019, kind="spatial", code="https://github.com/a/b",
    licence="Apache-2.0", fidelity="the paper's",
)  # fmt: skip
DRAWS = np.random.default_rng(0).normal(size=REPLICATES)


def make_entry(
    name: str,
    *,
    strength: float = 0.8,
    cells: int = 4,
    state: State = "recomputed",
    version: int = 1,
    reason: str = "",
    protocol: str = "cross-forgery",
    conditions: tuple[tuple[str, int], ...] = (("clean", 0),),
    metrics: tuple[str, ...] = ("AUC", "ACC"),
    holes: tuple[int, ...] = (),
    draws: str = "images",
    seed: int = 0,
) -> BoardEntry:
    """Make an entry of mean ``strength`` over ``cells`` cells, of which every third is seen."""
    rng = np.random.default_rng(seed)
    made = []
    for condition, severity in conditions:
        for at in range(cells):
            value = float(np.clip(strength - severity * 0.04 + rng.normal() * 0.004, 0, 1))
            resampled = value + 0.01 * DRAWS + 0.002 * rng.normal(size=REPLICATES)
            if at in holes:
                continue
            made.append(
                EntryCell(
                    training=f"T{at // 10}",
                    test=f"S{at % 10}",
                    role="data",
                    condition=condition if not severity else f"{condition}-{severity}",
                    condition_name=condition,
                    severity=severity,
                    level="image",
                    seen=at % 3 == 0,
                    headline=True,
                    n_real=200,
                    n_fake=200,
                    metrics={
                        m: Number(value=value, low=value - 0.02, high=value + 0.02) for m in metrics
                    },
                    replicates=replicates_of(resampled) if state == "recomputed" else None,
                )
            )
    return BoardEntry(
        entry=name, version=version, reason=reason, title=name.replace("-", " ").title(),
        state=state, protocol=protocol, protocol_version=1, protocol_hash="0" * 12,
        protocol_title=protocol.replace("-", " ").title(), protocol_summary="What it shows.",
        protocol_citation="A source", metrics=metrics, levels=("image",), data={"data": DATA},
        draws=draws, detector=name, seed=0, size="base", init="imagenet", track="common",
        parameters=1_000_000 + 1000 * seed, card=CARD, cells=tuple(made),
    )  # fmt: skip
