from pathlib import Path

import pytest

from benchmark.training import jobs


def code_hash(detector: str) -> str:
    return jobs._code_hash.__wrapped__(detector)


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
        ("xception", "detectors.parts.backbones", True),
        ("sbi", "detectors.parts.blending", True),
        ("sbi", "detectors.parts.backbones", True),
        ("spectrum", "detectors.parts.regression", True),
        ("multitask", "detectors.mfclip.vision", True),
        ("xception", "detectors.parts.blending", False),
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
    (tmp_path / "mine_alone.py").write_text("from detectors.parts.filters import grey\n")
    before = code_hash("mine_alone:Mine")
    edit(monkeypatch, "detectors.parts.filters")
    assert code_hash("mine_alone:Mine") != before


@pytest.mark.parametrize("name", ["weights.pth", "folder"])
def test_weights_that_an_option_names_count_by_what_they_hold(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.mkdir() if name == "folder" else path.touch()
    held = path / "model.safetensors" if path.is_dir() else path
    held.write_bytes(b"first")
    before = jobs._identify(str(path))
    held.write_bytes(b"other")
    assert jobs._identify(str(path)) != before
    assert jobs._identify("xception") == "xception"
