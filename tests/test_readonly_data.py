"""A dataset may lie where nothing can be written: commands leave it as it is, and say so early."""

import errno
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import benchmark
from benchmark.cli.app import app
from tests.small_data import write_dataset, write_recipe


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "300"})
    return done.exit_code, done.output


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Give the time and size of all that lies in a folder, its folders too."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def test_no_command_writes_beside_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_dataset(tmp_path / "data", count=4)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    before = state(tmp_path / "data")
    assert call("data", "check", manifest)[0] == 0
    assert call("data", "show", manifest)[0] == 0
    call("data", "audit", manifest, "-o", tmp_path / "audit")
    assert (tmp_path / "audit").is_dir()
    benchmark.run(
        "everything",
        data=manifest,
        detectors=["spectrum"],
        size="tiny",
        recipe=write_recipe(tmp_path, steps=2),
        out=tmp_path / "out",
        store=tmp_path / "store",
    )
    assert state(tmp_path / "data") == before


def test_a_manifest_that_cannot_be_written_is_told_before_an_image_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path / "data", count=4).unlink()

    def refused(**_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    def decoded(*_: Any) -> None:
        raise AssertionError("an image was decoded")

    monkeypatch.setattr("benchmark.data.manifest.tempfile.TemporaryFile", refused)
    monkeypatch.setattr("benchmark.data.checking.decode_bytes", decoded)
    code, said = call("data", "index", tmp_path / "data")
    assert code == 1
    assert "manifest.csv: cannot be written (Read-only file system); write it elsewhere" in said
