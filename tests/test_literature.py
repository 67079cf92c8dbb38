"""Published numbers are read strictly, stand apart, and are compared with their like only."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from detectors import CATALOG
from leaderboard.report import report
from leaderboard.tables.literature import _reported_cell, is_comparable, literature_tables
from leaderboard.tables.table import Section, Table, to_csv, to_latex, to_markdown
from protocols import load_protocol, protocol_names
from results.errors import ResultError
from results.literature import Literature, MatchedNumber, Name, Reported, read_literature
from results.store import read_model
from tests.fake_run import contexts, make_run

HEAD = "model,train,test,level,metric,value,selection,source,table,repeated,doubtful"
NAMES = "source,table,kind,published,protocol,ours\n"


def write(folder: Path, *rows: str, head: str = HEAD, names: str = "") -> Path:
    (folder / "numbers.csv").write_text("\n".join([head, *rows]) + "\n")
    (folder / "names.csv").write_text(NAMES + names)
    return folder


def row(
    value: str = "0.9",
    metric: str = "AUC",
    repeated: str = "false",
    doubtful: str = "false",
    **other: str,
) -> str:
    cells = {
        "model": "M", "train": "A", "test": "B", "level": "image", "metric": metric,
        "value": value, "selection": "val", "source": "S", "table": "1", "repeated": repeated,
        "doubtful": doubtful,
    }  # fmt: skip
    return ",".join((cells | other).values())


def test_every_published_number_here_is_read() -> None:
    literature = read_literature()
    of = {
        source: [n for n in literature.numbers if n.source.startswith(source)]
        for source in ("DeepfakeBench", "MFVLR")
    }
    assert len(of["DeepfakeBench"]) == 70
    assert {n.selection for n in of["DeepfakeBench"]} == {"test-best"}
    assert len({(n.table, n.model, n.train, n.test) for n in of["MFVLR"]}) == 587
    assert {n.selection for n in of["MFVLR"]} == {"unknown"}
    (value,) = (n.value for n in of["DeepfakeBench"] if (n.model, n.test) == ("SPSL", "DFD"))
    assert value == Decimal("0.8122")


def test_every_name_here_means_a_detector_or_a_set_of_a_protocol() -> None:
    for name in read_literature().names:
        if name.kind == "model":
            assert name.ours in CATALOG
        else:
            assert name.protocol in protocol_names()
            protocol = load_protocol(name.protocol)
            sides = protocol.train if name.kind == "train" else protocol.test
            assert name.ours in {n for s in sides for n in ([s.name] if s.name else s.only or ())}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [row("90")],
            r"numbers\.csv: line 2: 'value' is wrong: input should be less than or equal",
        ),
        ([row("-")], "line 2: 'value' is wrong"),
        ([row(selection="best")], "line 2: 'selection' is wrong: input should be 'val', 'last', "),
        ([row(level="frame")], "line 2: 'level' is wrong"),
        (
            [row(metric="AUROC")],
            "line 2: 'metric' is wrong: is 'AUROC', not one of AUC, AP, .*mIoU",
        ),
        ([row(metric="log-loss")], "is 'log-loss', not one of AUC"),
        ([row(source="")], "line 2: 'source' is wrong"),
        ([row(repeated="no")], "line 2: 'repeated' is wrong: .*is true or false, not 'no'"),
        ([row(), row("0.8")], "two values of AUC for 1, A, M, B"),
        ([row(), row(model="N")], "numbers of 1, A, M, B are those of another cell .* says false"),
        ([row(repeated="true")], "numbers of 1, A, M, B are not those of another .* says true"),
        ([row(doubtful="")], "line 2: 'doubtful' is wrong: .*is true or false, not ''"),
        ([row("0.91", "ACC"), row("0.79")], "AUC of 1, A, M, B is below 2 ACC - 1, .*'doubtful'"),
        ([row("0.9", "ACC"), row("0.8", doubtful="true")], "not what 'doubtful' says: true"),
        ([row() + ",more"], "line 2: "),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, rows: list[str], sentence: str) -> None:
    with pytest.raises(ResultError, match=sentence):
        read_literature(write(tmp_path, *rows))


def test_other_columns_an_unknown_source_and_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"the columns must be model, train, .*; found a, b"):
        read_literature(write(tmp_path, head="a,b"))
    with pytest.raises(ResultError, match=r"names\.csv: no number is from 'T'"):
        read_literature(write(tmp_path, row(), names="T,,model,M,,mfclip\n"))
    with pytest.raises(ResultError, match="part of the repository, not of the installed package"):
        read_literature(tmp_path / "nowhere")


def test_an_auc_that_its_accuracy_rules_out_is_marked_where_it_is_shown(tmp_path: Path) -> None:
    doubtful = [n for n in read_literature().numbers if n.doubtful]
    told = {(n.model, n.train, n.test, n.metric, str(n.value)) for n in doubtful}
    assert told == {
        ("DIRE", "CollDiff", "DDPM", "ACC", "0.9152"),
        ("DIRE", "CollDiff", "DDPM", "AUC", "0.8105"),
        ("FreqNet", "CollDiff", "DDPM", "ACC", "0.9348"),
        ("FreqNet", "CollDiff", "DDPM", "AUC", "0.8542"),
    }
    number = Reported.model_validate(dict(zip(HEAD.split(","), row().split(","), strict=True)))
    marked = number.model_copy(update={"doubtful": True})
    cell = _reported_cell(MatchedNumber(reported=marked, training="A", test="B", detectors=()))
    table = Table("t", "AUC", "image", "c", "d", ("B",), (Section("", (("M", (cell,)),)),))
    assert "*0.9*†§" in to_markdown(table)
    assert "- § doubtful: of as many real as forged images" in to_markdown(table)
    assert "\\textit{0.9}$^{\\dagger \\S}$" in to_latex(table)
    assert "$^{\\S}$ doubtful" in to_latex(table)


def test_what_is_rounded_off_in_print_makes_no_number_doubtful(tmp_path: Path) -> None:
    rounded_off = write(tmp_path, row("0.70", "ACC"), row("0.39"))
    assert not any(n.doubtful for n in read_literature(rounded_off).numbers)


def test_two_numbers_that_both_repeat_are_found_across_test_sets(tmp_path: Path) -> None:
    same = [row("0.5", "ACC", "true"), row("0.9", "AUC", "true")]
    other = [line.replace("M,A,B", "N,A,C") for line in same]
    literature = read_literature(write(tmp_path, *same, *other))
    assert all(number.repeated for number in literature.numbers)
    apart = [row("0.9", test="C", model="N"), row("0.9")]
    assert not any(n.repeated for n in read_literature(write(tmp_path, *apart)).numbers)


def literature_of(**changes: str) -> Literature:
    facts = {
        "model": "Meso", "train": "fs", "test": "efs", "level": "image", "metric": "AUC",
        "value": "0.7250", "selection": "val", "source": "S", "table": "1", "repeated": "false",
        "doubtful": "false",
    }  # fmt: skip
    names = [("train", "fs", "FS"), ("test", "efs", "EFS")]
    return Literature(
        [Reported.model_validate(facts | changes)],
        [
            Name(source="S", table="", kind="model", published="Meso", protocol="", ours="mfclip"),
            *(
                Name(
                    source="S", table="1", kind=kind, published=published,
                    protocol="cross-forgery", ours=ours,
                )
                for kind, published, ours in names
            ),
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run(
        tmp_path_factory.mktemp("run"),
        protocols=["cross-forgery"],
        detectors=["mfclip", "spectrum"],
    )
    for path in (run / "models").iterdir():
        path.write_text(path.read_text().replace('"size": "tiny"', '"size": "base"'))
    return run


def test_reported_numbers_stand_beside_measured_ones_in_their_own_style(
    run: Path,
) -> None:
    (table,) = literature_tables(*contexts(run, literature_of()))
    assert [section.title for section in table.sections] == [
        "measured here",
        "reported: S, 1; weights chosen on validation samples",
        "measured minus reported",
    ]
    (mine,) = (cells[0] for name, cells in table.sections[0].rows if name == "MFCLIP, on FS")
    ((_, (theirs,)),) = table.sections[1].rows
    ((name, (difference,)),) = table.sections[2].rows
    assert theirs.marks == {"reported"}
    assert name == "MFCLIP, on FS, minus Meso of S, 1"
    assert mine.raw is not None
    assert difference.raw == pytest.approx(mine.raw - 0.725)
    assert "*0.7250*†" in to_markdown(table)
    assert "\\textit{0.7250}$^{\\dagger}$" in to_latex(table)
    assert "0.725" in to_csv(table)


@pytest.mark.parametrize(
    "changes", [{"selection": "test-best"}, {"selection": "unknown"}, {"model": "Other"}]
)
def test_what_is_not_alike_is_shown_but_not_subtracted(run: Path, changes: dict[str, str]) -> None:
    (table,) = literature_tables(*contexts(run, literature_of(**changes)))
    assert len(table.sections) == 2
    assert any("there is no difference" in note for note in table.notes)


def test_another_level_or_set_is_not_shown_at_all(run: Path) -> None:
    (context,) = contexts(run)
    for changes in ({"level": "video"}, {"train": "other"}, {"table": "2"}):
        others = replace(context, literature=literature_of(**changes))
        assert list(literature_tables(others)) == []


def test_a_small_model_reproduces_nothing(run: Path) -> None:
    (matched,) = literature_of().under("cross-forgery")
    model = read_model(run, "mfclip-cross-forgery-FS-0")
    assert is_comparable(matched, model)
    assert not is_comparable(matched, model.model_copy(update={"size": "tiny"}))
    assert not is_comparable(matched, model.model_copy(update={"fit": "estimator"}))


def test_a_page_shows_reported_numbers_marked_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip"])
    monkeypatch.setattr("leaderboard.report.read_literature", literature_of)
    page = report(run).read_text()
    assert '<td class="reported" data-value="0.725" title="Meso, fs to efs: S, 1">' in page
    assert '0.7250</span><abbr title="† reported' in page
    assert "Numbers marked † are others" in page
    assert (run / "tables" / "cross-forgery-AUC-image-reported.csv").is_file()
