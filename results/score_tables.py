"""The scores of a run as labelled tables: a row an image and condition, or a video."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from results.errors import ResultError
from results.faults import checked_contents
from results.metrics.functions import probability
from results.store import read_model, read_run, read_scores, scores_path

_OF_SAMPLE = ("label", "forgery", "family", "generator", "source", "split", "group")
_OF_VIDEO = ("model", "detector", "title", "training", "seed", "dataset", "group", "condition")


class ScoreTables(NamedTuple):
    """Scores of a run.

    Attributes:
        images: A row a model, image and condition: ``model``, ``detector``, ``title``,
            ``training``, ``seed``, ``imported``; ``dataset``, ``sample_id``, ``label``,
            ``forgery``, ``family``, ``generator``, ``source``, ``split``, ``group``;
            ``condition``, ``logit``, ``p_fake``.
        videos: A row a model, group, label and condition: the mean ``p_fake`` of its ``frames``.
            Empty where no image is of a group.
    """

    images: pd.DataFrame
    videos: pd.DataFrame


def score_tables(run: str | Path, model: str | None = None) -> ScoreTables:
    """Put the scores of a run beside what is known of each image.

    Args:
        run: The run's folder.
        model: Id of a model; None: all that have scores.

    Raises:
        ResultError: There is no such model, none has scores, a file is missing or wrong, or the run
            is not what it was sealed as.
    """
    entries = {entry.model: entry for entry in reversed(read_run(run).entries) if entry.model}
    if model is not None and model not in entries:
        raise ResultError(
            f"{run}: has no model '{model}'; there are {', '.join(entries) or 'none'}"
        )
    wanted = [model] if model else [each for each in entries if scores_path(run, each).is_file()]
    if not wanted:
        raise ResultError(f"{run}: no model has scores yet")
    samples = checked_contents(run).samples.set_index(["dataset", "sample_id"])[list(_OF_SAMPLE)]
    tables = []
    for name in reversed(wanted):
        facts, entry = read_model(run, name), entries[name]
        said: dict[str, str | int] = {
            "model": name,
            "detector": entry.detector,
            "title": facts.title,
            "training": entry.training,
            "seed": entry.seed,
            "imported": facts.imported is not None,
        }
        scores = read_scores(run, name).join(samples, on=["dataset", "sample_id"])
        scores = scores.assign(p_fake=probability(scores["logit"].to_numpy()), **said)
        tables.append(scores)
    order = [*said, "dataset", "sample_id", *_OF_SAMPLE, "condition", "logit", "p_fake"]
    images = pd.concat(tables, ignore_index=True)[order]
    return ScoreTables(images, _videos(images))


def _videos(images: pd.DataFrame) -> pd.DataFrame:
    """Average P(fake) over the frames of each video and label."""
    grouped = images[images["group"] != ""].groupby([*_OF_VIDEO, "label"], sort=False)
    means = grouped["p_fake"].agg(["size", "mean"]).reset_index()
    return means.rename(columns={"size": "frames", "mean": "p_fake"})
