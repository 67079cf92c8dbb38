"""What is published of one's own measurements is sealed, and its numbers follow from its scores."""

import re
from pathlib import Path

import pytest

from results.run import RunContents
from results.store import read_run
from results.verifying import verify

PUBLISHED = Path(__file__).parents[1] / "results" / "published"
RUNS = [
    PUBLISHED / name for name in ("faces-cpu", "faces-language", "faces-mfclip", "faces-robustness")
]
# Plots are pictures too, so it is their folder that counts.
_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".mp4"}


@pytest.mark.parametrize("run", RUNS, ids=lambda run: str(run.name))
def test_a_published_run_is_what_was_sealed_and_its_records_follow_from_its_scores(
    run: Path,
) -> None:
    verdict = verify(run)
    assert verdict.faults == ()
    assert not [note for note in verdict.notes if "no record" in note]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: str(run.name))
def test_a_published_run_holds_no_image_and_no_place_of_a_machine(run: Path) -> None:
    for path in run.rglob("*"):
        if path.is_file() and "figures" not in path.relative_to(run).parts:
            assert path.suffix not in _IMAGES, path
        if path.suffix == ".json":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r'"(/|[A-Z]:\\|~)[^"]*"', text), path


@pytest.mark.parametrize("run", RUNS, ids=lambda run: str(run.name))
def test_a_published_run_has_every_model_of_its_study(run: Path) -> None:
    assert all(entry.model and entry.gap is None for entry in read_run(run).entries)
    contents = RunContents(run)
    assert set(contents.models) == {entry.model for entry in contents.facts.entries}
