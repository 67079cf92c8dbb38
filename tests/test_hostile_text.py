"""Hostile JSON, YAML and names: one clear line, or the value that was meant; never a traceback."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.data.adapters.folders.metadata import read_metadata
from benchmark.data.facts import read_dataset_facts
from benchmark.errors import BenchmarkError, ManifestError
from benchmark.study.schema import load_study, study_of
from benchmark.training.recipe import load_recipe
from benchmark.training.store import MODEL_FACTS, ModelStore
from detectors.errors import WeightsError
from detectors.loading import read_json as read_config
from detectors.pretrained import tensor_files
from protocols.errors import ProtocolError
from protocols.files import MOST_DEPTH, parse_json
from protocols.reading import read_text, read_yaml
from protocols.schema import load_protocol
from protocols.text import check_file_name, printable
from results.errors import ResultError
from results.files import own_file
from results.files import read_json as read_result
from results.store import read_model, read_run, read_scores, scores_path
from tests.small_data import write_recipe

Reader = Callable[[Path], Any]


def facts_of(path: Path) -> object:
    return read_dataset_facts(path.with_suffix(".csv"))


JSON_READERS = [
    pytest.param(read_result, ResultError, id="results"),
    pytest.param(read_config, WeightsError, id="detectors"),
    pytest.param(facts_of, ManifestError, id="facts"),
]
HOSTILE_JSON = {
    "deep": b"[" * 100_000,
    "deep and whole": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    "just too deep": b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1),
    "twice": b'{"format": 1, "format": 1}',
    "huge number": b'{"format": ' + b"9" * 1_000_000 + b"}",
    "NaN": b'{"format": NaN}',
    "infinity": b'{"format": -Infinity}',
    "not UTF-8": b'{"format": "\xff"}',
    "UTF-16": '{"format": 1}'.encode("utf-16"),
    "NUL": b"\0" * 10,
    "nothing": b"",
}


@pytest.mark.parametrize(("read", "error"), JSON_READERS)
@pytest.mark.parametrize("data", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
def test_hostile_json_is_one_line_that_names_the_file(
    read: Reader, error: type[Exception], data: bytes, tmp_path: Path
) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(error, match=r"x\.json: not (JSON|UTF-8)") as told:
        read(tmp_path / "x.json")
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 400


@pytest.mark.parametrize(("read", "error"), JSON_READERS)
def test_json_with_a_mark_of_byte_order_is_read(
    read: Reader, error: type[Exception], tmp_path: Path
) -> None:
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"format": 1}')
    read(tmp_path / "x.json")


@pytest.mark.parametrize("text", ["1e999", '"\\ud800"', '{"a": ["\\uDC00"]}'])
def test_json_that_others_would_stumble_over_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"too large|half a character"):
        parse_json(text)


def test_json_as_it_should_be_is_read_as_it_stands() -> None:
    whole = {"a": [1, -2.5e-3, None, True, "\U0001f600"], "b": {"c": 10**30}}
    assert parse_json(json.dumps(whole)) == whole
    assert parse_json("[" * MOST_DEPTH + "]" * MOST_DEPTH) != []


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket is short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD_FILES = [a_pipe, a_socket, a_device, Path.mkdir]


@pytest.mark.parametrize("make", ODD_FILES)
@pytest.mark.parametrize(("read", "error"), JSON_READERS)
def test_what_is_no_regular_file_is_not_waited_for(
    read: Reader, error: type[Exception], make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "x.json")
    with pytest.raises(error, match=r"x\.json: .*name a file"):
        read(tmp_path / "x.json")


@pytest.mark.parametrize("make", ODD_FILES)
@pytest.mark.parametrize("read", [load_protocol, load_study, load_recipe, study_of])
def test_yaml_is_read_from_regular_files_alone(
    read: Callable[[str], object], make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "own.yaml")
    with pytest.raises((ProtocolError, BenchmarkError), match=r"own\.yaml: .*name a file"):
        read(str(tmp_path / "own.yaml"))


def test_a_file_without_end_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "own.yaml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ProtocolError, match=r"own\.yaml: larger than 256 KiB"):
        read_text(tmp_path / "own.yaml")
    with (tmp_path / "run.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ResultError, match=r"run\.json: larger than 64 MiB"):
        read_run(tmp_path)
    with pytest.raises(WeightsError, match=r"run\.json: larger than 64 MiB"):
        read_config(tmp_path / "run.json")


HOSTILE_YAML = {
    "bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", r"write out what '\*a' stands for"),
    "alias as a key": ("a: &a x\n*a : 1", r"write out what '\*a'"),
    "in itself": ("&a [*a]", r"write out what '\*a'"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "deep and whole": ("[" * 500 + "]" * 500, "nested too deeply"),
    "twice": ("name: a\nname: b", "the key 'name' stands there twice"),
    "merged": ("<<: {a: 1}\na: 2", "the key '<<' is no text"),
    "a number as a key": ("1: x", "the key '1' is no text; put it in quotes"),
    "a truth as a key": ("no: x", "the key 'no' is no text; put it in quotes"),
    "a list as a key": ("? [a]\n: x", r"the key '\[...\]' is no text"),
    "huge number": ("a: " + "9" * 100_000, "a number of 100000 digits; 40 at most"),
    "a tag": ("a: !!int x", "the tag 'tag:yaml.org,2002:int' is not read"),
    "code": ("!!python/object/apply:os.system [ls]", "the tag .* is not read"),
    "no such day": ("a: !!timestamp 2024-99-99", "the tag .* is not read"),
    "escape": ("a: \x1b[2J", "not YAML"),
    "half a character": ('a: "\\ud800"', "not YAML"),
    "two documents": ("a: 1\n---\nb: 2", "not YAML"),
}


@pytest.mark.parametrize(("text", "said"), HOSTILE_YAML.values(), ids=HOSTILE_YAML)
def test_hostile_yaml_is_one_line(text: str, said: str) -> None:
    with pytest.raises(ProtocolError, match=said) as told:
        read_yaml(text, "own.yaml")
    assert "\n" not in str(told.value)
    assert str(told.value).startswith("own.yaml: not YAML")


def test_yaml_takes_texts_for_nothing_else() -> None:
    text = "day: 2024-01-31\ntime: 1:30\noctal: 010\nend: .inf\nn: -7\nx: -2.5\nyes_: yes\nq: '1'"
    assert read_yaml(text, "own.yaml") == {
        "day": "2024-01-31",
        "time": "1:30",
        "octal": "010",
        "end": ".inf",
        "n": -7,
        "x": -2.5,
        "yes_": True,
        "q": "1",
    }


@pytest.mark.parametrize("value", ["inf", ".inf", "1e999", "nan", "-inf"])
def test_a_recipe_takes_no_number_without_bounds(value: str, tmp_path: Path) -> None:
    path = Path(write_recipe(tmp_path))
    path.write_text(path.read_text().replace("lr: 0.1", f"lr: {value}"))
    with pytest.raises(ProtocolError, match=r"small\.yaml: 'lr' is"):
        load_recipe(str(path))


HOSTILE_NAMES = [
    *("", ".", "..", ".hidden", "../up", "/root", "a/b", "a\\b", "a\nb", "a\0b", "a\x1b[2J"),
    *("\u202egpj", "a\udcff", " a", "a ", "c:x", "a" * 300, "\N{GRINNING FACE}" * 60),
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_that_leads_elsewhere_names_no_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"the label '.*' cannot name a file") as told:
        check_file_name(name, "the label")
    assert printable(str(told.value)) == str(told.value)
    for use in (scores_path, read_model, read_scores):
        with pytest.raises(ResultError, match="cannot name a file"):
            use(tmp_path, name)
    with pytest.raises(ResultError, match="cannot name a file"):
        own_file(tmp_path, name, ".json")


def test_a_name_of_any_language_names_a_file(tmp_path: Path) -> None:
    for name in ("xception-1a2b", "größe", "模型", "a.b_c", "v1.0"):
        assert check_file_name(name, "the label") == name
        assert own_file(tmp_path, name, ".json") == tmp_path / f"{name}.json"


def test_a_store_has_no_model_outside_itself(tmp_path: Path) -> None:
    (tmp_path / MODEL_FACTS).write_text("{}")
    (tmp_path / "store").mkdir()
    assert not ModelStore(tmp_path / "store").has("..")


@pytest.mark.parametrize("index", ["{}", '{"weight_map": 3}', '{"weight_map": {"a": "../b"}}'])
def test_an_index_of_weights_names_files_of_its_folder(index: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(WeightsError, match="'weight_map' must name files of its folder"):
        tensor_files(tmp_path)


@pytest.mark.parametrize("data", [b"file_name\xff,a\n", b"x" * 200_000 + b",file_name\n"])
def test_a_header_of_metadata_that_cannot_be_read_is_told(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_bytes(data)
    with pytest.raises(ManifestError, match=r"metadata\.csv: the header cannot be read"):
        read_metadata(tmp_path, [tmp_path / "metadata.csv"])


@pytest.mark.parametrize("make", ODD_FILES)
def test_metadata_are_regular_files(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "metadata.jsonl")
    with pytest.raises(ResultError, match=r"metadata\.jsonl: .*name a file"):
        read_metadata(tmp_path, [tmp_path / "metadata.jsonl"])
