from pathlib import Path

import pytest

from benchmark import models


def code_hash(detector: str) -> str:
    return models._code_hash.__wrapped__(detector)


def edit(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let a module's file read as if it had another line."""
    edited = Path(f"{module.replace('.', '/')}.py").parts
    read = Path.read_bytes

    def changed(path: Path) -> bytes:
        return read(path) + (b"# edited" if path.parts[-len(edited) :] == edited else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)


@pytest.mark.parametrize(
    ("detector", "module", "counts"),
    [
        ("xception", "detectors.backbones", True),
        ("sbi", "detectors.blending", True),
        ("sbi", "detectors.backbones", True),
        ("spectrum", "detectors.regression", True),
        ("multitask", "detectors.mfclip.vision", True),
        ("xception", "detectors.blending", False),
        ("xception", "detectors.base", False),
    ],
)
def test_what_a_detector_is_built_on_is_part_of_its_models_ids(
    detector: str, module: str, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_hash(detector)
    assert before == code_hash(detector)
    edit(monkeypatch, module)
    assert (code_hash(detector) != before) == counts


def test_ones_own_detector_counts_with_what_it_takes_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine_alone.py").write_text("from detectors.filters import grey\n")
    before = code_hash("mine_alone:Mine")
    edit(monkeypatch, "detectors.filters")
    assert code_hash("mine_alone:Mine") != before
