"""Scores of a few images by one trained detector."""

import csv
import io
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmark.data.images import Place, decode, image_tensor, stored_facts
from benchmark.data.loader import default_workers, load
from benchmark.data.tree import IMAGE_SUFFIXES
from benchmark.environment import resolve_device
from benchmark.errors import BenchmarkError, ImageError
from benchmark.scoring.ready import Form, scoring_form
from benchmark.training.store import MODEL_FACTS, ModelStore, check_trained, default_store
from detectors.base import Detector, Known
from detectors.catalog import check_stated, detector_class, load_detector
from results.files import atomic_write, csv_text
from results.schema import ModelFacts
from results.store import read_facts


@dataclass(frozen=True, kw_only=True)
class ImageScore:
    """One image's score: its logit, and P(fake), the logit's sigmoid."""

    path: str
    logit: float

    @property
    def p_fake(self) -> float:
        """P(fake) in [0, 1]."""
        return 1 / (1 + math.exp(-self.logit)) if self.logit > -700 else 0.0


@dataclass(frozen=True, kw_only=True)
class ScoredFiles:
    """What became of some paths: scores of the images, and a sentence for each that is none.

    Attributes:
        detector: Title of the detector; ``form`` the precision and form in which it scored.
        scores: Of the images.
        problems: Of the others.
    """

    detector: str
    form: str
    scores: tuple[ImageScore, ...]
    problems: tuple[str, ...]


def score_paths(
    paths: Sequence[Path],
    *,
    model: str,
    store: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "float32",
    allow_code: Collection[str] = (),
    each: Callable[[Path, Detector, Tensor], None] | None = None,
) -> ScoredFiles:
    """Score images, one at a time, so that no image changes another's score.

    Args:
        paths: Images, or folders whose images are taken in order of their names.
        model: Id of a model in the store, or folder or Hub name of a trained detector.
        store: The store of trained models; the user's cache folder if left out.
        out: A CSV file to write too: path, logit, p_fake, precision. It must not be there yet.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``float32`` or ``bfloat16``, as in a run.
        allow_code: Modules of one's own that a model's facts may name.
        each: Is given every image that was scored: its path, the detector, (3, h, w) in [0, 1].

    Raises:
        BenchmarkError: There is no image or no such model, or ``out`` is there already.
        CodeError: The model's facts name a module that is not allowed.
        WeightsError: The model does not fit, or is not to be had from the Hub.
    """
    if out is not None and out.exists():
        raise BenchmarkError(f"{out} exists already: choose another file or remove it")
    found = list(_images(paths))
    if not found:
        raise BenchmarkError(f"no images in {', '.join(map(str, paths))}")
    models = ModelStore(store or default_store())
    detector = trained_detector(model, models, allow_code).to(resolve_device(device))
    form = scoring_form(detector, precision)
    scores, problems = _scores(found, detector, form, each)
    if out is not None:
        atomic_write(out, _csv(scores, form.told.partition(",")[0]))
    return ScoredFiles(
        detector=detector.card.title,
        form=form.told,
        scores=tuple(scores),
        problems=tuple(problems),
    )


def _scores(
    found: Sequence[Path],
    detector: Detector,
    form: Form,
    each: Callable[[Path, Detector, Tensor], None] | None,
) -> tuple[list[ImageScore], list[str]]:
    """Score images one by one; give the scores, and why others have none."""
    scores: list[ImageScore] = []
    problems: list[str] = []
    loaded = load(
        ([path] for path in found),
        where=lambda path: (path, 0),
        opened=lambda _: nullcontext(partial(_read, detector=detector)),
        size=lambda file: 0 if isinstance(file, ImageError) else file.image.nbytes,
        workers=default_workers(detector.device),
    )
    with closing(loaded):
        for path, (file,) in zip(found, loaded, strict=True):
            if isinstance(file, ImageError):
                problems.append(str(file))
                continue
            logit = float(form.detector.logits([file.image], file.known)[0])
            if not math.isfinite(logit):
                problems.append(
                    f"{path}: {detector.card.title} gives it {logit}, which is no score"
                )
                continue
            scores.append(ImageScore(path=str(path), logit=logit))
            if each is not None:
                each(path, detector, file.image)
    return scores, problems


def trained_detector(model: str, store: ModelStore, allowed: Collection[str]) -> Detector:
    """Load a model of the store by its id, or a detector by its folder or Hub name."""
    if not model.strip():
        raise BenchmarkError("'' names no model: give the id of one, a folder or a Hub name")
    store.check_named(model)
    folder = store.root / model if store.has(model) else Path(model)
    facts = folder / MODEL_FACTS
    if not facts.is_file():
        return load_detector(model)
    known = read_facts(facts, ModelFacts)
    stated = check_stated(known.detector, facts, allowed)
    check_trained(folder, known)
    return detector_class(stated).from_pretrained(folder)


class _File(NamedTuple):
    """A (3, h, w) image in [0, 1] and what the detector may know beside it."""

    image: Tensor
    known: Known


def _read(path: Path, detector: Detector) -> _File | ImageError:
    """Read an image, or tell what is wrong with it: the others are scored all the same."""
    try:
        return _File(image_tensor(decode(path)), _known(path, detector))
    except ImageError as error:
        return error


def _known(path: Path, detector: Detector) -> Known:
    """Give what the detector needs to know of an image beside its pixels."""
    if "file" not in detector.card.needs:
        return Known()
    return Known(facts=torch.tensor([stored_facts(Place(path))], dtype=torch.float32))


def _images(paths: Iterable[Path]) -> Iterable[Path]:
    """Give files as they are, and the images of folders."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        else:
            yield path


def _csv(scores: Iterable[ImageScore], precision: str) -> str:
    """Write scores as CSV, each with the precision in which it was computed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "logit", "p_fake", "precision"])
    writer.writerows(
        [csv_text(row.path), repr(row.logit), repr(row.p_fake), precision] for row in scores
    )
    return text.getvalue()
