"""How long the metrics and their intervals take, against one sort of the scores.

    python -m performance.metrics_speed [--samples 10000000] [--rounds 5] [--json report.json]

The ratio of AUC, EER and AP together to one ``numpy.argsort`` of the same float32 logits is the
median over pairs timed one after the other. Memory is that on top of labels and logits.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from performance.measuring import Row, hardware, paired, peak_megabytes, write_report
from results.measured import Measured
from results.metrics.checking import Counts
from results.metrics.registry import beside, metric
from results.metrics.roc import Ranked, rank
from results.schema import Value
from results.statistics.bootstrap import RESAMPLES, Draws

METRICS = {"AUC": Ranked.auc, "EER": Ranked.eer, "AP": Ranked.average_precision}
CPU = torch.device("cpu")
# FaceForensics++'s test videos at 32 frames, in the 70 sets that share people.
FRAMES, CLUSTERS = 22_400, 70
INTERVALS = {
    "AUC": ("AUC",),
    "AUC, EER, AP": tuple(METRICS),
    "all of a record": tuple(name for name in beside() if not metric(name).not_resampled),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # numpy sorts with one; so the clock is the process's own
    tables = {
        f"metrics, {options.samples} logits": [point_row(options.samples, options.rounds)],
        f"intervals, {FRAMES} frames, {options.resamples} resamples": [
            interval_row(clusters, title, names, options.resamples, options.rounds)
            for clusters in (CLUSTERS, FRAMES)
            for title, names in INTERVALS.items()
        ],
    }
    write_report(tables, hardware(CPU), options.json)


def point_row(samples: int, rounds: int) -> Row:
    """Time the metrics of many logits, and take their memory."""
    labels, logits = drawn(samples)

    def metrics() -> list[float]:
        ranked = rank(labels, logits)
        return [float(metric(ranked)) for metric in METRICS.values()]

    times = paired({"metrics": metrics, "sort": lambda: np.argsort(logits)}, rounds, CPU)
    return {
        "argsort, s": times["sort"]["seconds"],
        "AUC + EER + AP, s": times["metrics"]["seconds"],
        "ratio": times["sort"]["ratio"],
        "peak MB": peak_megabytes(metrics, CPU),
    }


def interval_row(
    clusters: int, title: str, names: Sequence[str], resamples: int, rounds: int
) -> Row:
    """Time the resamples of one cell."""
    labels, logits = drawn(FRAMES)
    of: Counts = np.arange(FRAMES) * clusters // FRAMES
    cell = Measured(labels, logits, level="image", carried=Value(value=0.5))

    def bootstrap() -> object:
        return cell.replicates(names, Draws.of_cell(labels, of, resamples=resamples))

    return {
        "clusters": clusters,
        "metrics": title,
        "s a cell": paired({"bootstrap": bootstrap}, rounds, CPU)["bootstrap"]["seconds"],
        "peak MB": peak_megabytes(bootstrap, CPU),
    }


def drawn(samples: int) -> tuple[Counts, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    """Draw labels and logits of AUC 0.76."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, samples)
    return labels, (rng.standard_normal(samples) + labels).astype(np.float32)


if __name__ == "__main__":
    main()
