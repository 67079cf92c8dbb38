"""The commands on what runs have found."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from results.evaluation import evaluate
from results.store import write_record
from tests.fake_run import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return make_run(
        folder, protocols=["cross-forgery"], detectors=["mfclip", "spectrum"], seeds=(0, 1)
    )


def invoke(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "240"})
    return done.exit_code, done.output


def test_compare_prints_a_table_says_the_seeds_and_writes_csv(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared.csv"
    options = ("--train-on", "AM", "--resamples", 100, "--seed", 3, "--out", out)
    code, said = invoke("compare", run, "mfclip", "spectrum", *options)
    assert code == 0, said
    assert "AUC of mfclip minus spectrum" in said
    assert "training seeds 0, 1 of mfclip, 0, 1 of spectrum; 100 resamples" in said
    table = pd.read_csv(out)
    assert table["training"].tolist() == ["AM"] * 3
    assert (table["resampling_seed"] == 3).all()
    assert f"│ {table['difference'].iloc[0]:+.3f} " in said


@pytest.mark.parametrize(
    ("command", "whole"),
    [
        (("compare", "mfclip", "spectrum", "--resamples", "100"),
         ("│ test EFS ", "│ 133 real + 127 forged │", "cross-forgery, trained on AM, clean")),
        (("inspect", "cross-forgery/EFS/FS", "--detector", "mfclip", "--seed", "1"),
         ("│ logit │ P(fake) │ generator ".replace("│", "┃"), "dfdc-faces/DFDC-mixed/test/")),
    ],
    ids=["compare", "inspect"],
)  # fmt: skip
def test_tables_of_a_run_can_be_read_at_80_columns(
    run: Path, command: tuple[str, ...], whole: tuple[str, ...]
) -> None:
    arguments = [command[0], str(run), *command[1:]]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    for text in whole:
        assert text in done.stdout
    drawn = [line for line in done.stdout.splitlines() if line[:1] in "│┃┏└"]
    assert max(map(len, drawn)) <= 80


def test_published_numbers_can_be_read_at_80_columns() -> None:
    said = CliRunner().invoke(app, ["list", "published"], env={"COLUMNS": "80"}).stdout
    assert max(map(len, said.splitlines())) <= 80
    for text in (
        "│ Table III ",
        " 320 ",
        "│ genface-cross-diffusion │",
        "│ ACC, AUC of 13 models ",
    ):
        assert text in said


def test_compare_of_an_unknown_detector_is_one_line(run: Path) -> None:
    code, said = invoke("compare", run, "mfclip", "spectra")
    assert code == 1
    assert "did you mean 'spectrum'" in said


@pytest.mark.parametrize("form", ["csv", "json", "model-index", "eval-results"])
def test_export_writes_each_form(run: Path, tmp_path: Path, form: str) -> None:
    for record in evaluate(run):
        write_record(run, record)
    model = "mfclip-cross-forgery-AM-0"
    more = {
        "model-index": ("--model", model),
        "eval-results": ("--model", model, "--dataset", "a/b"),
    }
    out = tmp_path / "out"
    code, said = invoke("export", run, "--format", form, "--out", out, *more.get(form, ()))
    assert code == 0, said
    assert f"Export: {out} (" in said
    assert "AUC" in out.read_text()


def test_export_refuses_options_of_another_form(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said = invoke("export", run, "--format", "csv", "--out", out, "--model", "x")
    assert (code, out.exists()) == (1, False)
    assert "--model: csv has all models" in said
    code, said = invoke("export", run, "--format", "json", "--out", out, "--dataset", "a/b")
    assert code == 1
    assert "--dataset is of eval-results alone" in said


def test_published_numbers_are_listed_with_their_source_and_protocol() -> None:
    code, said = invoke("list", "published")
    assert code == 0, said
    assert "MFVLR, arXiv 2605.10071v1" in said
    assert "test-best" in said
    assert "genface-within-fs" in said
