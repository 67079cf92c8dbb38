"""Scores of strangers: npz files, pickles and tables that would harm whoever reads them."""

import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.data.arrays import read_npz, read_pickle
from benchmark.data.columns import Stated, scores_of
from benchmark.data.outside import read_outside
from benchmark.errors import BenchmarkError
from benchmark.study.importing import ImportSettings, check_name, import_scores
from protocols.files import read_text
from results.errors import ResultError
from tests.small_data import write_dataset
from tests.traps import MakesFolder

EIGHT = b"\0" * 8


def npy(shape: str, descr: object, data: bytes = EIGHT) -> bytes:
    """Write an array whose header says what it likes."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def zipped(path: Path, *members: tuple[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (npy("(1000000000000,)", "<f8"), "of another shape"),
        (npy("(200000000000, 1)", "<f8"), "of another shape"),
        (npy("(99999999999999999999999,)", "<f8"), "of another shape"),
        (npy("(-1,)", "<f8"), "of another shape"),
        (npy("(True,)", "<f8"), "of another shape"),
        (npy("(100000000000,)", "|V0", b""), r"holds \|V0; numbers and texts can be read"),
        (npy("(10000000000,)", "<U0", b""), "an array of empty texts"),
        (npy("(0, 1000000000)", "<f8", b""), "1000000000 columns; at most 1000 are read"),
        (npy("(1, 3000)", "|u1", b"\0" * 3000), "3000 columns; at most 1000 are read"),
        (npy("(1,)", [("a", "<f8")]), "numbers and texts can be read"),
        (npy("(1,)", "<M8[s]"), "numbers and texts can be read"),
        (npy("(1,)", "|O"), "Python objects, which could run code"),
        (npy("'x'", "<f8"), "cannot be read as npz"),
        (pickle.dumps([1]), "cannot be read as npz"),
        (b"", "cannot be read as npz"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_an_array_is_no_larger_than_its_bytes(member: bytes, said: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.npz", ("path.npy", member))
    with pytest.raises(BenchmarkError, match=said) as error:
        read_npz(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_an_npz_of_too_many_values_is_not_made_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "x.npz", path=np.arange(10))
    assert read_npz(tmp_path / "x.npz")["path"].tolist() == list(range(10))
    monkeypatch.setattr("benchmark.data.arrays.MOST_VALUES", 9)
    with pytest.raises(BenchmarkError, match="10 values; at most 9 are read"):
        read_npz(tmp_path / "x.npz")


def test_objects_in_an_npz_are_never_made(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    np.savez(tmp_path / "x.npz", path=np.array([MakesFolder(ran)], dtype=object))
    with pytest.raises(BenchmarkError, match=r"'path\.npy' holds Python objects"):
        read_npz(tmp_path / "x.npz")
    raw = zipped(tmp_path / "y.npz", ("path.npy", pickle.dumps(MakesFolder(ran))))
    with pytest.raises(BenchmarkError, match="cannot be read as npz"):
        read_npz(raw)
    assert not ran.exists()


def broken(kind: int, data: bytes) -> bytes:
    """Change bytes of a member, or what the table of contents says of it."""
    made, entry = bytearray(data), data.index(b"PK\x01\x02")
    if kind == zipfile.ZIP_STORED:  # encrypted, as it says
        made[6] |= 1
        made[entry + 8] |= 1
    else:
        for place in range(44, 64):
            made[place] ^= 255
    return bytes(made)


@pytest.mark.parametrize(
    "kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_broken_archives_of_any_compression_are_one_line(kind: int, tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "x.npz", ("path.npy", npy("(100,)", "<f8", os.urandom(800))), kind=kind
    )
    path.write_bytes(broken(kind, path.read_bytes()))
    with pytest.raises(BenchmarkError, match=r"x\.npz: cannot be read as npz \([^\n]+\)$"):
        read_npz(path)


def test_a_name_that_stands_in_an_npz_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zipped(tmp_path / "x.npz", *[("path.npy", npy("(1,)", "<f8"))] * 2)
    with pytest.raises(BenchmarkError, match=r"'path\.npy' stands there twice"):
        read_npz(path)
    with pytest.raises(BenchmarkError, match=r"'x\.txt' is no array"):
        read_npz(zipped(tmp_path / "y.npz", ("x.txt", b"x")))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises(ResultError, match="a named pipe; name a file"):
        read_npz(tmp_path / "x.npz")


def reduced(function: Callable[..., Any], *arguments: Any) -> bytes:
    """Pickle a call."""

    class Call:
        def __reduce__(self) -> Any:
            return function, arguments

    return pickle.dumps({"pred": Call()}, protocol=2)


def built(kind: np.dtype[Any], raw: bytes, shape: tuple[int, ...] = (1,)) -> bytes:
    """Pickle an array whose state says what it likes."""

    class State:
        def __reduce__(self) -> Any:
            recreate = np.zeros(1).__reduce__()
            return recreate[0], recreate[1], (1, shape, kind, False, raw)

    return pickle.dumps({"pred": State()}, protocol=2)


@pytest.mark.parametrize(
    "data",
    [
        # Each made objects of bytes, or took memory without end, with NumPy's own functions.
        reduced(np.ndarray, (1,), "O", b"A" * 8),
        reduced(np.ndarray, (10**12,)),
        b"\x80\x02}U\x04predcnumpy.core.multiarray\n_reconstruct\nNNN\x87Rs.",
        reduced(np.dtype, "O"),
        reduced(np.dtype, [("a", "O")]),
        reduced(np.dtype, "V8"),
        reduced(np.dtype, "f8,O"),
        built(np.dtype("O"), b"A" * 8),
        built(np.dtype("f8"), b"A" * 7),
        built(np.dtype("f8"), b"A" * 8, (10**12,)),
        built(np.dtype("f8"), b"A" * 8, (-1,)),
        reduced(os.mkdir, "ran"),
        reduced(eval, "1"),
        reduced(np.load, "x"),
        b"\x80\x04c_codecs\nencode\n\x8c\x01x\x8c\x05rot13\x86R.",
        b"\x80\x04cbuiltins\ngetattr\n.",
        b"\x80\x04cnumpy\nload\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x10ctypeslib.ctypes\x93.",
        b"\x80\x04Nr\xff\xff\xff\x7f.",  # remembers 2^31 objects: 16 GiB
        b"\x80\x02" + b")" + b"\x85" * 20_000 + b".",  # tuples in tuples
        b"\x80\x04\x82\x01.",  # an extension
        b"\x80\x04\x8c\x01xQ.",  # a persistent id
        b"(inumpy\nndarray\n.",
        b"",
        b"\x80\x04.",
        b"\x80\x04]",
        b"L" + b"9" * 100_000 + b"L\n.",
        b"\0" * 100,
    ],
    ids=range(28),
)
def test_a_pickle_makes_nothing_but_numbers_texts_and_lists(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "metric_dict_best.pickle"
    path.write_bytes(data)
    with pytest.raises(BenchmarkError, match=r"cannot be read as arrays: .") as error:
        read_pickle(path)
    assert "\n" not in str(error.value)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_honest_pickles_are_read_whatever_their_protocol(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pickle"
    held = {
        "auc": np.float64(0.5),
        "pred": np.array([0.25, 0.5], ">f4"),
        "label": np.array([[0, 1], [2, 3]]).T,
        "is": np.array([True]),
        "image": ["a", "é"],
        "n": 10**12,
        "none": None,
    }
    if protocol < 2:  # these name a constructor of plain objects
        held = {"image": ["a", "é"], "n": 10**12, "none": None}
    path.write_bytes(pickle.dumps(held, protocol=protocol))
    found = read_pickle(path)
    assert list(found) == list(held)
    for name, value in held.items():
        np.testing.assert_array_equal(found[name], np.asarray(value, dtype=object))


def nested(levels: int) -> list[Any]:
    """Make lists of which each holds the next twice."""
    made: list[Any] = []
    for _ in range(levels):
        made = [made, made]
    return made


@pytest.mark.parametrize(
    ("pred", "image"),
    [
        (nested(40), ["a", "b"]),
        ([0.5, "x"], ["a", "b"]),
        ([0.5, 0.5], nested(40)),
        ([0.5, 0.5], ["a", ["b"]]),
        ([0.5], ["a", "b"]),
        (np.zeros((2, 2)), ["a", "b"]),
        (5, ["a"]),
        (None, ["a"]),
        ([0.5], "a"),
    ],
)
def test_what_deepfakebench_does_not_write_is_told(pred: Any, image: Any, tmp_path: Path) -> None:
    (tmp_path / "metric_dict_best.pickle").write_bytes(pickle.dumps({"pred": pred}))
    (tmp_path / "data_dict_test.pickle").write_bytes(pickle.dumps({"image": image}))
    with pytest.raises(BenchmarkError, match="must be there, numbers and texts, and of one length"):
        read_outside(tmp_path)


def test_tables_of_endless_columns_are_refused(tmp_path: Path) -> None:
    wide = tmp_path / "x.csv"
    wide.write_text(",".join(f"c{i}" for i in range(200_000)) + "\n" + "1," * 199_999 + "1\n")
    with pytest.raises(BenchmarkError, match="200000 columns; at most 1000 are read"):
        read_outside(wide)
    keys = tmp_path / "x.jsonl"
    keys.write_text("".join(f'{{"k{i}": 1}}\n' for i in range(30_000)))
    with pytest.raises(BenchmarkError, match="30000 keys; at most 1000 are read"):
        read_outside(keys)


def test_logits_that_no_run_keeps_are_refused_by_row(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("path,logit\na,1\nb,1e308\n")
    stated = Stated(positive="fake")
    with pytest.raises(BenchmarkError, match=r"x\.csv, row 3: 1e\+308 is no logit within 1e\+06"):
        scores_of(read_outside(path), stated, path)
    path.write_text("path,f,r\na,1e308,-1e308\n")
    stated = Stated(fake="f", real="r", kind="logit")
    with pytest.raises(BenchmarkError, match="row 2: inf is no logit within"):
        scores_of(read_outside(path), stated, path)


@pytest.mark.parametrize("name", ["", " ", "\n", "a\udcff", "x" * 100_000])
def test_a_detector_needs_a_name_that_can_be_read(name: str) -> None:
    with pytest.raises(BenchmarkError, match="names no detector") as error:
        check_name(name)
    assert len(str(error.value)) < 200
    check_name("é <b> ../x")


def test_a_protocol_that_is_named_twice_is_one(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=4)
    ids = [line.split(",")[0] for line in manifest.read_text().splitlines()[1:]]
    scores = tmp_path / "x.csv"
    lines = [f"{each},{0.25 + 0.01 * at}" for at, each in enumerate(ids) if "test" in each]
    scores.write_text("\n".join(["path,prob_fake", *lines]))
    done = import_scores(
        ImportSettings(
            file=scores, detector="x", out=tmp_path / "run", data=manifest,
            protocols=["cross-generator", "cross-generator"],
        )
    )  # fmt: skip
    assert done.page.is_file()


@pytest.mark.parametrize(
    "value", ["0.1_0", "1_0", "\u0660.\u0665", "\uff10.5", "\u0661", "0x1", "5" * 99 + "_"]
)
@pytest.mark.parametrize("source", ["csv", "jsonl", "npz", "gend"])
def test_a_number_is_one_that_any_program_reads(value: str, source: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{'csv' if source == 'gend' else source}"
    if source == "npz":
        np.savez(path, path=np.array(["a"]), fake_logit=np.array([value]))
    elif source == "jsonl":
        path.write_text(f'{{"path": "a", "fake_logit": "{value}"}}', encoding="utf-8")
    else:
        names = "files,labels,prob_class_0" if source == "gend" else "path,labels,fake_logit"
        path.write_text(f"{names}\na,0,{value}\n", encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"row [12]: '.{1,40}' is no number$"):
        scores_of(read_outside(path), Stated(), path)


@pytest.mark.parametrize("value", ["\u0663", "3" * 5000, "1_0", "-1", "\u00b3"])
def test_a_frame_is_a_whole_number(value: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"path,frame,fake_logit\na.mp4,{value},0.5\n", encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"row 2: 'frame' is not a whole number from 0"):
        scores_of(read_outside(path), Stated(), path)


def test_columns_that_differ_by_case_alone_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"Path": "a", "PATH": "b", "fake_logit": 0.5}', encoding="utf-8")
    with pytest.raises(BenchmarkError, match="'Path' and 'PATH' differ by case alone"):
        scores_of(read_outside(path), Stated(), path)


def test_no_more_room_is_taken_than_a_file_is_large(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("path,fake_logit\na,1\n")
    tracemalloc.start()
    read_text(path, 1 << 28)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20
