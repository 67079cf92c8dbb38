"""What language is worth on a frozen tower: MFCLIP with and without it, on forgeries never seen.

    python -m performance.language_worth --data MANIFEST --tower FOLDER [--embeddings FILE]
        [--kept-only] [--rows ROW,ROW] [--seeds 5] [--steps 200] [--out FOLDER]

For each forgery of a manifest a model is trained on the real and forged images of all sources that
have both but those of that forgery, and tested on that one's: real and forged images of one source
alone, so that size and codec tell nothing. The embeddings of the tower are computed once and kept;
what is trained is all that stands behind it: MFCLIP's join, head, predictor and text encoder (of
size tiny), with no noise branch, whose worth is another question. Runs that are done are kept, so
that a stopped script goes on. AUC is the mean over forgeries; a row is compared with cross-entropy
alone by seed and forgery, and the interval is of seeds and groups of images drawn again.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from benchmark.data.images import decode, image_tensor
from benchmark.training.optim import make_optimizer, make_scheduler, measured_state
from benchmark.training.recipe import ResolvedRecipe, load_recipe
from benchmark.training.sampling import BatchOrder, derive
from detectors import create_detector
from detectors.base import Batch, Detector
from detectors.mfclip.model import MFCLIP
from detectors.mfclip.vision import VisionEncoder
from detectors.parts.clip import ClipImage
from detectors.transform import Transform
from results.files import atomic_write
from results.metrics.functions import auc

REFERENCE = "ce-only"
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    REFERENCE: ("mfclip", {"language": "none"}),
    "full": ("mfclip", {}),
    "table-of-classes": ("mfclip", {"fle": "table"}),
    "prompts-permuted": ("mfclip", {"prompts": "permuted"}),
    "level-1": ("mfclip", {"levels": 1}),
    "not-kept-apart": ("mfclip", {"lambda_apart": 0.0, "centred": False}),
    "orthonormal": ("mfclip", {"fle": "orthonormal"}),
    "multi-task-no-text": ("multitask", {}),
    "linear": ("clip-linear", {}),
}
TAXON = ["label", "forgery", "family", "generator"]
DRAWS = 2000


class Given(nn.Module):
    """An image encoder whose embedding is given: (B, d, 1, 1) in the place of images."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, embeddings: Tensor) -> Tensor:
        """Give (B, d)."""
        return embeddings.flatten(1)

    def layers(self) -> list[list[nn.Parameter]]:
        """There is nothing to train."""
        return []


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images of the manifest that have an embedding.

    Attributes:
        table: Their rows.
        embeddings: (N, d).
    """

    table: pd.DataFrame
    embeddings: Tensor

    @property
    def fake(self) -> npt.NDArray[np.bool_]:
        """Whether each is forged."""
        return (self.table["label"] == "fake").to_numpy()


def embedded(data: Path, tower: str, kept: Path, *, kept_only: bool) -> Images:
    """Read a manifest's sources of both classes, and embed what is not kept yet."""
    table = pd.read_csv(data)
    both = table.groupby("source")["label"].transform("nunique") == 2
    table = table[both].reset_index(drop=True)
    known: dict[str, Tensor] = torch.load(kept, weights_only=True) if kept.exists() else {}
    missing = [] if kept_only else [path for path in table["path"] if path not in known]
    if missing:
        encoder = ClipImage(tower, size=224, tuning="frozen").eval()
        transform = Transform(224)
        for path in missing:
            image = transform(image_tensor(decode(data.parent / path)))
            with torch.inference_mode():
                known[path] = encoder(image[None])[0].clone()
        torch.save(known, kept)
    table = table[table["path"].isin(known)].reset_index(drop=True)
    return Images(table=table, embeddings=torch.stack([known[path] for path in table["path"]]))


def build(row: str, taxa: Sequence[tuple[str, ...]], width: int) -> Detector:
    """Build a row's detector behind embeddings of ``width``."""
    name, options = ROWS[row]
    if name != "clip-linear":
        options = {**options, "noise_choice": "none"}
    detector = create_detector(name, size="tiny", taxa=taxa, **options)
    given: Any = Given(width)
    if isinstance(detector, MFCLIP):
        outputs = detector.head[-1].in_features
        assert isinstance(outputs, int)
        detector.vision = VisionEncoder(given, None, width=outputs)
    else:
        detector.image = given
        detector.head = nn.Linear(width, 1)
    return detector


def batch_of(images: Images, rows: npt.NDArray[np.int64], kinds: Sequence[Any]) -> Batch:
    """Give a batch of embeddings."""
    taxa = images.table.iloc[rows][TAXON].itertuples(index=False, name=None)
    return Batch(
        inputs=images.embeddings[rows][..., None, None],
        labels=torch.from_numpy(images.fake[rows].astype(np.float32)),
        taxa=torch.tensor([kinds.index(taxon) if taxon in kinds else -1 for taxon in taxa]),
    )


def run(
    images: Images, row: str, forgery: str, seed: int, recipe: ResolvedRecipe
) -> dict[str, Any]:
    """Train one model and score all images of what it has not seen."""
    table = images.table
    unseen = set(table.loc[table["forgery"] == forgery, "source"])
    is_seen = ~table["source"].isin(unseen).to_numpy()
    train = np.flatnonzero(is_seen & (table["split"] == "train").to_numpy())
    val = np.flatnonzero(is_seen & (table["split"] == "val").to_numpy())
    test = np.flatnonzero(~is_seen)
    kinds = list(table.iloc[train][TAXON].drop_duplicates().itertuples(index=False, name=None))
    torch.manual_seed(derive(seed, "weights"))
    detector = build(row, kinds, images.embeddings.shape[1])
    optimizer = make_optimizer(recipe, detector)
    schedule = make_scheduler(recipe, optimizer)
    order = BatchOrder(
        train[~images.fake[train]],
        train[images.fake[train]],
        batch_size=recipe.batch_size,
        balanced=True,
        seed=seed,
    )
    best, logits, cosines = -1.0, np.zeros(len(test)), []
    for step in range(1, recipe.steps + 1):
        detector.train()
        batch = batch_of(images, order.batch(step - 1), kinds)
        optimizer.zero_grad()
        detector.loss(batch)["total"].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(detector.parameters(), recipe.clip or 1e9)
        optimizer.step()
        schedule.step()
        if step % recipe.evaluate_every and step < recipe.steps:
            continue
        cosines.append(measured_state(detector, batch).get("state_cosine_max", float("nan")))
        found = auc(images.fake[val].astype(np.int64), scored(detector, images, val))
        if found > best:
            best, logits = found, scored(detector, images, test)
    fake = images.fake[test].astype(np.int64)
    return {
        "row": row, "unseen": forgery, "seed": seed, "prompts": len(kinds), "val_auc": best,
        "auc": auc(fake, logits), "cosine_max": float(np.max(cosines)),
        "rows": test.tolist(), "logits": [float(logit) for logit in logits],
    }  # fmt: skip


def scored(
    detector: Detector, images: Images, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Give the logits of rows."""
    detector.eval()
    with torch.inference_mode():
        found: npt.NDArray[np.float64] = (
            detector(images.embeddings[rows][..., None, None]).double().numpy()
        )
    return found


def summary(runs: Sequence[dict[str, Any]], images: Images) -> pd.DataFrame:
    """Compare every row with the reference: means, differences, 95 % intervals.

    Seeds, and in each forgery the groups of images, are drawn again with replacement; a draw uses
    the same ones for both rows.
    """
    by = {(r["row"], r["unseen"], r["seed"]): r for r in runs}
    forgeries = sorted({r["unseen"] for r in runs})
    random = np.random.default_rng(0)
    table = []
    for row in [row for row in ROWS if any(r["row"] == row for r in runs)]:
        seeds = [
            seed for seed in sorted({r["seed"] for r in runs})
            if all((name, f, seed) in by for name in (row, REFERENCE) for f in forgeries)
        ]  # fmt: skip
        if not seeds:
            continue
        means = {f: np.mean([by[row, f, s]["auc"] for s in seeds]) for f in forgeries}
        gains = [
            by[row, f, s]["auc"] - by[REFERENCE, f, s]["auc"] for f in forgeries for s in seeds
        ]
        pairs = {
            (f, s): [np.array(by[name, f, s]["logits"]) for name in (row, REFERENCE)]
            for f in forgeries
            for s in seeds
        }
        rows_of = {f: np.array(by[row, f, seeds[0]]["rows"]) for f in forgeries}
        drawn = [_drawn(pairs, rows_of, images, random) for _ in range(DRAWS)]
        low, high = np.quantile(drawn, [0.025, 0.975])
        table.append({
            "row": row, "seeds": len(seeds), "auc": np.mean(list(means.values())),
            **{f"auc_{f}": mean for f, mean in means.items()},
            "difference": np.mean(gains), "low": low, "high": high,
            "cosine_max": np.mean([by[row, f, s]["cosine_max"] for f in forgeries for s in seeds]),
        })  # fmt: skip
    return pd.DataFrame(table).round(4)


def _drawn(
    pairs: dict[tuple[str, int], list[npt.NDArray[np.float64]]],
    rows_of: dict[str, npt.NDArray[np.int64]],
    images: Images,
    random: np.random.Generator,
) -> float:
    """Give the difference between two rows in one draw of seeds and groups."""
    seeds = sorted({seed for _, seed in pairs})
    chosen = random.choice(seeds, len(seeds))
    groups, fake = images.table["group"].to_numpy(), images.fake
    gains = []
    for forgery, rows in rows_of.items():
        names, place = np.unique(groups[rows], return_inverse=True)
        counts = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))
        again = np.repeat(np.arange(len(rows)), counts[place])
        truth = fake[rows][again].astype(np.int64)
        for seed in set(chosen.tolist()):
            ours, others = (logits[again] for logits in pairs[forgery, seed])
            weight = int((chosen == seed).sum())
            gains += [auc(truth, ours) - auc(truth, others)] * weight
    return float(np.mean(gains))


def main() -> None:
    """Run what is not done, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tower", required=True)
    parser.add_argument("--embeddings", type=Path, default=Path("embeddings.pt"))
    parser.add_argument("--kept-only", action="store_true")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("language-worth"))
    asked = parser.parse_args()
    images = embedded(asked.data, asked.tower, asked.embeddings, kept_only=asked.kept_only)
    stated = load_recipe("frozen").resolved(len(images.table)).model_dump()
    recipe = ResolvedRecipe(**{**stated, "steps": asked.steps, "evaluate_every": 20})
    (asked.out / "runs").mkdir(parents=True, exist_ok=True)
    forgeries = sorted(set(images.table.loc[images.fake, "forgery"]))
    runs = []
    for seed in range(asked.seeds):
        for row in asked.rows.split(","):
            for forgery in forgeries:
                file = asked.out / "runs" / f"{row}-{forgery}-{seed}.json"
                if not file.exists():
                    found = run(images, row, forgery, seed, recipe)
                    atomic_write(file, json.dumps(found))
                    print(row, forgery, seed, round(found["auc"], 3), flush=True)
                runs.append(json.loads(file.read_text(encoding="utf-8")))
    table = summary(runs, images)
    atomic_write(asked.out / "language-worth.csv", table.to_csv(index=False, lineterminator="\n"))
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
