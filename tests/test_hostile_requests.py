"""Requests that were told the wrong thing: the message says what is wrong, its remedy works."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import results.exports
from benchmark.cli.app import app
from benchmark.cli.options import read_data, read_list
from benchmark.data.tree import list_images
from benchmark.errors import BenchmarkError, ManifestError
from detectors.catalog import detector_class
from detectors.errors import UnknownDetectorError
from results.exports import Exported
from tests.small_data import write_dataset


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    return done.exit_code, " ".join(done.output.split())


def test_a_protocol_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, count=1)
    code, text = call("plan", tmp_path / "no.yaml", "--data", manifest)
    assert code == 1
    assert "no.yaml: there is no such protocol file, nor one of a study" in text.replace("- ", "-")
    assert "names no" not in text


def test_a_plan_needs_no_hashes_and_names_the_same_models(tmp_path: Path) -> None:
    stated = write_dataset(tmp_path / "a", count=2)
    silent = write_dataset(tmp_path / "b", count=2, with_hashes=False)
    wanted = ["--detectors", "spectrum", "--size", "tiny", "--store", tmp_path / "store"]
    told = [call("plan", "cross-generator", "--data", each, *wanted) for each in (stated, silent)]
    assert told[0][0] == told[1][0] == 0, told
    assert told[0] == told[1]


def test_an_equals_sign_in_a_path_is_part_of_it(tmp_path: Path) -> None:
    odd = tmp_path / "a=b"
    odd.mkdir()
    path = odd / "m=1.csv"
    path.touch()
    assert read_data([str(path)]) == path
    assert read_data([f"faces={path}"]) == {"faces": path}
    assert read_data(["faces=nowhere=1.csv"]) == {"faces": Path("nowhere=1.csv")}
    with pytest.raises(BenchmarkError, match="several manifests need a role each"):
        read_data([str(path), f"faces={path}"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b", ["a", "b"]),
        (' a , b,"c, d" ', ["a", "b", "c, d"]),
        ('"A, B"', ["A, B"]),
        ("a b", ["a b"]),
    ],
)
def test_a_name_with_a_comma_stands_in_quotes(text: str, names: list[str]) -> None:
    assert read_list(text) == names


def test_a_quote_that_is_not_closed_is_told() -> None:
    with pytest.raises(BenchmarkError, match="no list of names between commas: unexpected end"):
        read_list('"a, b')
    assert read_list(None) is None


def test_linked_folders_are_named_where_nothing_else_is_there(tmp_path: Path) -> None:
    write_dataset(tmp_path / "there", count=1)
    (tmp_path / "here").mkdir()
    for name in ("real", "fake"):
        (tmp_path / "here" / name).symlink_to(tmp_path / "there", target_is_directory=True)
    with pytest.raises(ManifestError, match="2 links to folders were not entered: a link may lead"):
        list_images(tmp_path / "here")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match=r"no images in it; these are read: [. a-z]*$"):
        list_images(tmp_path / "empty")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_replaces_a_file_only_when_told(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = Exported("new", 1, 0)
    monkeypatch.setattr(results.exports, f"to_{form}", lambda _: exported)
    out = tmp_path / "thesis.tex"
    out.write_text("mine")
    code, text = call("export", tmp_path, "--format", form, "--out", out)
    assert (code, out.read_text()) == (1, "mine")
    assert "exists already: choose another file, or replace it with --force" in text
    code, text = call("export", tmp_path, "--format", form, "--out", out, "--force")
    assert (code, out.read_text()) == (0, "new"), text


def test_a_comparison_replaces_a_file_only_when_told(tmp_path: Path) -> None:
    out = tmp_path / "thesis.tex"
    out.write_text("mine")
    code, text = call("compare", tmp_path, "a", "b", "--out", out)
    assert (code, out.read_text()) == (1, "mine")
    assert "exists already" in text


@pytest.mark.parametrize("name", ["./mydet.py:Mine", "../x:y", ".:x", ".a:C", "/abs.py:M", "a b:c"])
def test_a_file_as_a_detector_is_told_how_ones_own_is_named(name: str) -> None:
    with pytest.raises(UnknownDetectorError, match=r"named package\.module:Class|no module"):
        detector_class(name)
