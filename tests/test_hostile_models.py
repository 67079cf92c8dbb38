"""Networks, checkpoints and archives of strangers: refused in one line."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from detectors import WeightsError, create_detector
from detectors.catalog import detector_class
from detectors.errors import DetectorError
from detectors.loading import read_json, read_tensors
from detectors.parts.frozen import FrozenFeatures
from detectors.pretrained import read_checkpoint
from leaderboard.submissions.archive import ArchiveError, read_archive
from protocols.errors import ProtocolError
from results.run import protocols_of
from results.store import read_run
from tests.fake_run import make_run


def test_complex_weights_do_not_become_their_real_part(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(2), "b": torch.zeros(2, dtype=torch.complex64)}
    torch.save(tensors, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth: 'b' holds complex numbers"):
        read_checkpoint(tmp_path / "x.pth")
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=r"x\.safetensors: 'b' holds complex numbers"):
        read_tensors([tmp_path / "x.safetensors"])


@pytest.mark.parametrize("shape", [[2**63], [2] * 5000, [-1], [2**40, 2**40], ["2"], 2])
def test_a_header_of_absurd_shapes_is_one_line(shape: object, tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(WeightsError, match=r"x\.safetensors: "):
        read_tensors([path])


def test_a_pipe_of_weights_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="is no regular file"):
        read_tensors([tmp_path / "x.safetensors"])


def test_a_number_that_no_float_holds_is_none_of_settings(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a": 1e999}')
    with pytest.raises(WeightsError, match="not JSON"):
        read_json(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"raise SystemExit(0)", "SystemExit: 0"),
        (b"exit()", "SystemExit"),
        (b"def", "SyntaxError: invalid syntax"),
        (b"\0", "SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_a_module_that_cannot_be_imported_is_an_error_and_no_end(
    content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"hostile_{abs(hash(content))}"
    (tmp_path / f"{name}.py").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DetectorError, match=f"module '{name}' cannot be imported .{said}"):
        detector_class(f"{name}:Net")


def test_a_network_that_ends_the_program_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hostile_net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        raise SystemExit(0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DetectorError, match="its network ends the program"):
        create_detector("hostile_net:Net")


@pytest.mark.parametrize("kind", ["file", "pipe", "loop"])
def test_features_are_kept_in_a_folder_alone(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "x"
    if kind == "file":
        place.write_text("mine")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(place)
    with pytest.raises(WeightsError, match="x: no folder, so no features can be kept in it"):
        FrozenFeatures(place)


def test_only_a_regular_file_is_opened_as_a_submission(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "device.zip").symlink_to("/dev/zero")
    (tmp_path / "loop.zip").symlink_to(tmp_path / "loop.zip")
    (tmp_path / "folder.zip").mkdir()
    said = {"pipe": "a named pipe", "device": "a device", "loop": "Too many", "folder": "a folder"}
    for name, why in said.items():
        with pytest.raises(ArchiveError, match=why) as error:
            read_archive(tmp_path / f"{name}.zip", tmp_path / "out")
        assert error.value.rule == "archive-readable"
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "no.zip", tmp_path / "out")


def test_what_is_broken_in_an_archive_is_one_rule(tmp_path: Path) -> None:
    for number, kind in enumerate((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)):
        path = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(path, "w", kind) as archive:
            archive.writestr("run.json", os.urandom(2000))
        data = bytearray(path.read_bytes())
        for place in range(46, 70):
            data[place] ^= 255
        path.write_bytes(data)
        with pytest.raises(ArchiveError, match=r"it is no whole zip file: .") as error:
            read_archive(path, tmp_path / f"out{number}")
        assert error.value.rule == "archive-readable"
    named = tmp_path / "named.zip"
    with zipfile.ZipFile(named, "w") as archive:
        archive.writestr("é", b"x")  # as UTF-8, which is then broken
    named.write_bytes(named.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(ArchiveError, match="it is no whole zip file: 'utf-8' codec"):
        read_archive(named, tmp_path / "out")


@pytest.mark.parametrize("name", [None, [], {"a": 1}, -1, 10**39])
def test_a_protocol_in_a_run_that_is_none_is_one_line(name: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", protocols=("cross-generator",), detectors=("xception",))
    facts = read_run(run)
    facts.protocols[0]["name"] = name
    with pytest.raises(ProtocolError, match=r"^a protocol of the run: [^\n]*name[^\n]*$"):
        protocols_of(facts)
