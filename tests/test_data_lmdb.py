"""DeepfakeBench's LMDB becomes its folder of frames: bytes as they are, nothing outside of it."""

import json
import sys
from pathlib import Path

import lmdb
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.indexing import index_folder
from benchmark.data.lmdb import unpack_database
from benchmark.errors import BenchmarkError
from tests.test_data_unpacking import encoded

REAL = "FaceForensics++/original_sequences/youtube/c23/frames/000/00.png"
FAKE = "FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/000_003/00.png"


def database(folder: Path, entries: dict[str, bytes]) -> Path:
    with (
        lmdb.open(str(folder), map_size=1 << 24) as environment,
        environment.begin(write=True) as transaction,
    ):
        for key, value in entries.items():
            transaction.put(key.encode(), value)
    return folder


def test_frames_of_deepfakebench_in_lmdb_become_a_manifest(tmp_path: Path) -> None:
    entries = {
        REAL: encoded(1),
        FAKE.replace("/", "\\"): encoded(2),
        FAKE.replace("/frames/", "/masks/"): encoded(3),
        FAKE.replace("frames", "landmarks").replace("png", "npy"): b"numbers",
    }
    source = database(tmp_path / "FaceForensics++_lmdb", entries)
    before = (source / "data.mdb").read_bytes()
    arguments = ["data", "unpack", str(source), str(tmp_path / "rgb")]
    for _ in range(2):  # the second finds all there
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        assert "Left out: 1 entries that are no images (.npy)" in done.stdout
        assert "(3 images)" in done.stdout
    assert (source / "data.mdb").read_bytes() == before
    assert (tmp_path / "rgb" / FAKE).read_bytes() == encoded(2)
    content = {
        label: {"test": {"c23": {name: {"label": label, "frames": [f"./datasets/rgb/{path}"]}}}}
        for label, name, path in (("FF-real", "000", REAL), ("FF-DF", "000_003", FAKE))
    }
    (tmp_path / "ff.json").write_text(json.dumps({"FaceForensics++": content}))
    indexed = index_folder(tmp_path / "rgb", adapter="deepfakebench", table=tmp_path / "ff.json")
    samples = indexed.manifest.samples.set_index("sample_id")
    assert not indexed.problems
    assert samples.loc[FAKE, "mask"] == FAKE.replace("/frames/", "/masks/")
    assert samples.loc[[REAL, FAKE], "label"].tolist() == ["real", "fake"]


def test_what_an_entry_must_not_be_is_named_and_the_others_are_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "elsewhere").mkdir()
    out.mkdir()
    (out / "link").symlink_to(tmp_path / "elsewhere")
    entries = {"a/good.png": encoded(1), "../evil.png": encoded(2), "/root.png": encoded(3)}
    entries |= {"a/empty.png": b"", "link/x.png": encoded(4), "a/\x1b[2Jx.png": encoded(5)}
    done = unpack_database(database(tmp_path / "db", entries), out)
    assert done.images == 2
    assert sorted(done.problems) == ["../evil.png", "a/\\x1b[2Jx.png", "a/empty.png", "link/x.png"]
    assert sorted(path.name for path in tmp_path.rglob("*.png")) == ["good.png", "root.png"]
    assert (out / "root.png").is_file()


def test_a_database_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    good = database(tmp_path / "good", {f"{n}.png": bytes(3000) for n in range(40)})
    data = (good / "data.mdb").read_bytes()
    last = max(at for at in range(0, len(data), 4096) if any(data[at : at + 4096]))
    for name, content in (("text", b"x" * 9000), ("empty", b""), ("cut", data[:last])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.mdb").write_bytes(content)
        with pytest.raises(BenchmarkError, match=rf"{name}/data\.mdb: (cut short|cannot be)"):
            unpack_database(tmp_path / name, tmp_path / "out")
    (tmp_path / "none").mkdir()
    with pytest.raises(BenchmarkError, match=r"data\.mdb: no image in it"):
        unpack_database(database(tmp_path / "none", {"a.txt": b"x"}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_the_package_it_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = database(tmp_path / "db", {"a.png": encoded(1)})
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(BenchmarkError, match=r"pip install 'forgerybench\[lmdb\]'"):
        unpack_database(source, tmp_path / "out")
