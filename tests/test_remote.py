"""Data and runs on object stores: read as local ones are, and nothing else is fetched."""

import json
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.cli.preview import preview
from benchmark.data import publishing, remote
from benchmark.data.images import decode, read
from benchmark.data.manifest import read_manifest
from benchmark.data.publishing import publish
from benchmark.data.remote import address_of, local_manifest, local_run, refuse_address
from benchmark.errors import BenchmarkError, ImageError, ManifestError
from benchmark.study.binding import check_folder
from benchmark.study.resolved import resolve
from detectors.fetching import OFFLINE
from leaderboard.board.build import gather
from results.errors import ResultError
from results.store import load_scores
from results.verifying import verify
from tests.fake_run import make_run
from tests.small_data import write_dataset, write_recipe
from tests.small_study import run, study


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORGERYBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(remote._Known, "copies", {})
    monkeypatch.setattr(remote._Known, "held", None)
    monkeypatch.setattr(remote, "_ROOTS", {})
    return tmp_path / "home" / "remote"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3-compatible server on this machine, with a bucket."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ |= environment
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir("s3://bucket")
    yield "s3://bucket"
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty folder of a store."""
    if request.param == "s3":
        yield f"{request.getfixturevalue('s3')}/{os.urandom(4).hex()}"
        return
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    yield "memory://shelf/sets"
    memory.store.clear()


def put(folder: Path, address: str) -> str:
    """Copy a folder to a store."""
    filesystem, path = fsspec.core.url_to_fs(address)
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            filesystem.pipe_file(f"{path}/{file.relative_to(folder)}", file.read_bytes())
    filesystem.invalidate_cache()
    return address


@pytest.fixture
def dataset(store: str, tmp_path: Path) -> str:
    """The address of a manifest whose images lie beside it."""
    write_dataset(tmp_path / "faces", count=4)
    return f"{put(tmp_path / 'faces', f'{store}/faces')}/manifest.csv"


def test_a_study_on_a_store_has_the_same_scores_as_on_a_disk(dataset: str, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, steps=4)
    run(tmp_path / "faces" / "manifest.csv", recipe, tmp_path / "local" / "run")
    run(dataset, recipe, tmp_path / "far" / "run")  # type: ignore[arg-type]
    outcomes = [tmp_path / name / "run" for name in ("local", "far")]
    scores = [load_scores(each) for each in outcomes]
    assert len(scores[0]) > 0
    assert scores[0].equals(scores[1])
    pages = [(each / "index.html").read_bytes() for each in outcomes]
    assert pages[0] == pages[1]
    tables = preview(resolve(study(recipe), dataset), store=tmp_path / "far" / "store")
    work = dict(tables[-1].rows)
    assert work["models to train"] == "0"


def test_images_are_fetched_when_they_are_read_and_once(
    dataset: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(local_manifest(dataset))
    assert manifest.name == "faces"
    fetched: list[str] = []
    fetch = remote._fetch

    def counting(address: str, path: Path) -> None:
        fetched.append(address)
        fetch(address, path)

    monkeypatch.setattr(remote, "_fetch", counting)
    name = "one/real/test0.png"
    first = read(manifest.root, name)
    assert fetched == [f"{dataset.removesuffix('/manifest.csv')}/{name}"]
    assert (read(manifest.root, name) == first).all()
    assert len(fetched) == 1
    there = pickle.loads(pickle.dumps(manifest.root))
    assert (read(there, name) == first).all()  # as in a worker process
    assert len(list(cache.glob("*/image-*/one/real/test0.png"))) == 1


def test_a_file_that_was_replaced_is_fetched_again(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "one/real/test0.png"
    manifest = read_manifest(local_manifest(dataset))
    before = read(manifest.root, name)
    other = tmp_path / "faces" / "one/real/test1.png"
    folder = dataset.removesuffix("/manifest.csv")
    filesystem, path = fsspec.core.url_to_fs(f"{folder}/{name}")
    filesystem.pipe_file(path, other.read_bytes())
    filesystem.invalidate_cache()
    monkeypatch.setattr(remote._Known, "copies", {})  # as in the next process
    after = read(manifest.root, name)
    assert (after == decode(other)).all()
    assert not (after == before).all()


def test_what_is_not_there_is_named_by_its_address(dataset: str, store: str) -> None:
    with pytest.raises(ManifestError, match=rf"{store}/faces/none\.csv: there is no such file"):
        local_manifest(f"{store}/faces/none.csv")
    root = read_manifest(local_manifest(dataset)).root
    with pytest.raises(ImageError, match=rf"{store}/faces/none\.png: missing"):
        read(root, "none.png")
    with pytest.raises(BenchmarkError, match="faces: holds no run"):
        local_run(f"{store}/faces")


@pytest.mark.parametrize("name", ["../other/x.png", "a/../../x.png", "/etc/x.png"])
def test_no_sample_leads_out_of_the_folder_that_was_named(dataset: str, name: str) -> None:
    root = read_manifest(local_manifest(dataset)).root
    with pytest.raises(ImageError, match="leads out of the manifest's folder"):
        read(root, name)


@pytest.mark.parametrize(
    "root", ["/etc", "../other", "s3://elsewhere/set", "memory://elsewhere", "a/../../b"]
)
def test_a_file_names_no_place_to_fetch_from(
    store: str, tmp_path: Path, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path / "faces", count=1)
    (tmp_path / "faces" / "manifest.json").write_text(json.dumps({"format": 1, "root": root}))
    address = put(tmp_path / "faces", f"{store}/hostile")
    found = local_manifest(f"{address}/manifest.csv")
    with pytest.raises(ManifestError, match="only what lies below the manifest's folder"):
        read_manifest(found)


def test_a_manifest_on_disk_that_names_addresses_makes_nothing_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was fetched")

    path = write_dataset(tmp_path / "faces", count=1)
    monkeypatch.setattr(remote, "open_store", refuse)
    for address in ("s3://elsewhere/set", "memory://elsewhere"):
        (tmp_path / "faces" / "manifest.json").write_text(
            json.dumps({"format": 1, "root": address})
        )
        root = read_manifest(path).root
        with pytest.raises(ImageError, match="missing"):
            read(root, "one/real/test0.png")
        with pytest.raises(ImageError, match="missing"):
            read(path.parent, f"{address}/x.png")


def test_images_below_the_folder_may_be_stated(store: str, tmp_path: Path) -> None:
    write_dataset(tmp_path / "set" / "images", count=1)
    (tmp_path / "set" / "images" / "manifest.csv").rename(tmp_path / "set" / "m.csv")
    (tmp_path / "set" / "m.json").write_text(json.dumps({"format": 1, "root": "images"}))
    manifest = read_manifest(local_manifest(f"{put(tmp_path / 'set', f'{store}/set')}/m.csv"))
    wanted = decode(tmp_path / "set" / "images" / "one/real/test0.png")
    assert (read(manifest.root, "one/real/test0.png") == wanted).all()


def test_offline_nothing_is_fetched(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OFFLINE, "1")
    for give in (local_manifest, local_run):
        with pytest.raises(BenchmarkError, match="nothing is fetched, since --offline was given"):
            give(f"{s3}/x/manifest.csv")


def test_the_cache_is_bounded_and_drops_what_was_used_longest_ago(
    dataset: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = read_manifest(local_manifest(dataset)).root
    names = [f"one/real/{split}{n}.png" for split in ("train", "val", "test") for n in range(4)]
    monkeypatch.setattr(remote, "_RECENT", 2)
    monkeypatch.setenv(remote.CACHE_BYTES, "5000")
    for number, name in enumerate(names):
        read(root, name)
        (path,) = cache.glob(f"*/image-*/{name}")
        os.utime(path, ns=(number, number))
    kept = [name for name in names if list(cache.glob(f"*/image-*/{name}"))]
    assert 2 <= len(kept) < len(names)
    assert kept == names[-len(kept) :]
    assert read(root, names[0]).shape == (24, 24, 3)  # fetched again


def test_a_run_on_a_store_is_read_as_a_local_one_is(store: str, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "faces", count=4)
    run(manifest, write_recipe(tmp_path, steps=4), tmp_path / "run")
    address = put(tmp_path / "run", f"{store}/run")
    copy = local_run(address)
    assert copy.name == "run"
    assert local_run(f"{address}/") == copy
    assert load_scores(copy).equals(load_scores(tmp_path / "run"))
    assert not verify(copy, tmp_path / "store").faults
    assert gather([copy]) == gather([tmp_path / "run"])
    assert not list(copy.glob("figures"))  # what follows from the rest is not fetched
    # Another model's scores are another copy; the one that is being read stays as it is.
    filesystem, path = fsspec.core.url_to_fs(address)
    filesystem.pipe_file(f"{path}/host.json", b'{"sittings": []}')
    filesystem.invalidate_cache()
    assert local_run(address) != copy
    assert copy.is_dir()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://b/x.csv", "s3://b/x.csv"),
        (Path("s3://b/x.csv"), "s3://b/x.csv"),
        ("hf://datasets/o/n/m.csv", "hf://datasets/o/n/m.csv"),
        ("faces/manifest.csv", None),
        ("/s3:/x", None),
        ("file:///etc/passwd", None),
        ("https://host/x.csv", None),
        ("simplecache::s3://b/x.csv", None),
        ("s3://b/x::memory://y", None),
    ],
)
def test_addresses_are_of_object_stores_alone(text: str | Path, address: str | None) -> None:
    assert address_of(text) == address


def test_a_store_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def info(self, _: str) -> None:
            raise PermissionError("Access Denied")

    monkeypatch.setattr(remote, "open_store", lambda _: (Failing(), "b/m.csv"))
    with pytest.raises(BenchmarkError, match=r"m\.csv: cannot be fetched \(Access Denied\)"):
        local_manifest("s3://b/m.csv")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: Any, **__: Any) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", lacks)
    with pytest.raises(BenchmarkError, match=r"Install s3fs .*forgerybench\[remote\]"):
        local_manifest("s3://b/m.csv")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("sound") / "run", detectors=["xception"])


def test_a_published_run_is_read_as_the_local_one(sound: Path, store: str) -> None:
    address = f"{store}/runs/mine"
    count = publish(sound, address)
    filesystem, path = fsspec.core.url_to_fs(address)
    assert len(filesystem.find(path)) == count
    there = local_run(address)
    assert not verify(there).faults
    assert load_scores(there).equals(load_scores(sound))


def test_a_publication_that_is_stopped_is_no_run_and_goes_on(
    sound: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{store}/runs/mine"
    publish(sound, address)
    filesystem, path = fsspec.core.url_to_fs(address)
    filesystem.pipe_file(f"{path}/scores/gone-0123456789ab.parquet", b"of an earlier state")
    put_file, done = publishing._put, []

    def stop(store: Any, name: str, source: Path) -> None:
        put_file(store, name, source)
        done.append(name)
        if len(done) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(publishing, "_put", stop)
    with pytest.raises(KeyboardInterrupt):
        publish(sound, address)
    filesystem.invalidate_cache()
    with pytest.raises(BenchmarkError, match="holds no run"):
        local_run(address)
    monkeypatch.setattr(publishing, "_put", put_file)
    assert len(filesystem.find(path)) >= publish(sound, address) > 3
    filesystem.invalidate_cache()
    assert not filesystem.exists(f"{path}/scores/gone-0123456789ab.parquet")
    assert not verify(local_run(address)).faults


def test_what_is_published_is_a_sound_run_to_a_place_of_its_own(
    sound: Path, tmp_path: Path
) -> None:
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    with pytest.raises(BenchmarkError, match="is no address, such as s3://bucket/folder"):
        publish(sound, str(tmp_path / "folder"))
    memory.pipe_file("/other/notes.txt", b"mine")
    with pytest.raises(BenchmarkError, match="holds other files and no run"):
        publish(sound, "memory://other")
    other = json.loads((sound / "run.json").read_text()) | {"study": "another"}
    memory.pipe_file("/theirs/run.json", json.dumps(other).encode())
    with pytest.raises(BenchmarkError, match="memory://theirs: holds another run"):
        publish(sound, "memory://theirs")
    for text in (b"[[", b"[" * 100_000, b"\xff", b'{"study": NaN}'):
        memory.pipe_file("/theirs/run.json", text)
        with pytest.raises(BenchmarkError, match="is no run's"):
            publish(sound, "memory://theirs")
    assert memory.cat_file("/other/notes.txt") == b"mine"
    edited = tmp_path / "edited"
    shutil.copytree(sound, edited)
    path = next((edited / "models").glob("*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"val_auc": 0.999}))
    with pytest.raises(ResultError, match="nothing is taken from a run that is not what it says"):
        publish(edited, "memory://new")
    assert not memory.exists("/new")
    memory.store.clear()


@pytest.mark.parametrize(
    ("option", "address"),
    [
        ("--out", "s3://b/run"),
        ("--store", "memory://x"),
        ("--log", "hf://a/b"),
        ("--out", "file:///x"),
    ],
)
def test_nothing_is_written_to_an_address(
    option: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"--out": "run"} | {option: address}
    words = [word for pair in given.items() for word in pair]
    command = ["run", "everything", "--data", "m.csv", "--detectors", "spectrum", "--size", "tiny"]
    said = CliRunner().invoke(app, [*command, *words], env={"COLUMNS": "400"})
    assert said.exit_code == 1
    assert f"{option} {address}: is written to a folder of this machine" in said.output.replace(
        "///", "//"
    ).replace("file://x", "file:///x")
    assert not list(tmp_path.iterdir())
    with pytest.raises(BenchmarkError, match="is written to a folder of this machine"):
        check_folder(Path("s3://b/run"))


def test_a_folder_whose_name_ends_with_a_colon_may_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine:").mkdir()
    refuse_address(Path("mine:/run"), "--out")
