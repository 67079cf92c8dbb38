"""New splits, and frames as files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.audit.measuring import measure
from benchmark.data.checking import check, overview
from benchmark.data.extracting import extract
from benchmark.data.facts import read_dataset_facts
from benchmark.data.frames import evenly, frame_key, thinned
from benchmark.data.images import decode, read
from benchmark.data.indexing import index_folder
from benchmark.data.manifest import read_manifest
from benchmark.data.splitting import divided, split_manifest, tied_together
from benchmark.errors import BenchmarkError, ImageError, ManifestError
from protocols import validate
from tests.conftest import draw
from tests.test_data_trees import clip

SHARES = (0.6, 0.2, 0.2)


def people(count: int = 120) -> pd.DataFrame:
    """A real image and two forgeries of each person, of two sources and generators."""
    rows = []
    for person in range(count):
        source = "a" if person % 3 else "b"
        for name in ("camera", "one", "two"):
            real = name == "camera"
            rows.append(
                {
                    "sample_id": f"{name}/{person:03d}.png",
                    "label": "real" if real else "fake",
                    "forgery": "real" if real else "FS",
                    "family": "real" if real else "GAN",
                    "generator": name,
                    "split": "test",
                    "source": source,
                    "identity": f"p{person}",
                }
            )
    return validate(pd.DataFrame(rows), "people")


def test_nobody_stands_on_two_sides_and_all_shares_are_met() -> None:
    samples = divided(people(), SHARES)
    assert not [w for w in overview(samples).warnings if "more than one split" in w]
    for _, rows in samples.groupby(["source", "generator"]):
        found = rows["split"].value_counts(normalize=True)
        for split, share in zip(("train", "val", "test"), SHARES, strict=True):
            assert found[split] == pytest.approx(share, abs=0.03)


def test_a_seed_names_one_split_and_another_names_another() -> None:
    samples = people()
    assert divided(samples, SHARES, seed=1).equals(divided(samples, SHARES, seed=1))
    assert not divided(samples, SHARES, seed=1).equals(divided(samples, SHARES, seed=2))


def test_a_share_of_nothing_has_nothing() -> None:
    assert set(divided(people(), (0.5, 0.0, 0.5))["split"]) == {"train", "test"}


@pytest.mark.parametrize("shares", [(0.5, 0.2, 0.2), (1.2, -0.2, 0.0)])
def test_shares_sum_to_one(shares: tuple[float, float, float]) -> None:
    with pytest.raises(ManifestError, match="must sum to 1"):
        divided(people(), shares)


def test_too_few_sets_are_told() -> None:
    samples = people().assign(pair="one")
    with pytest.raises(ManifestError, match="all 360 samples are 1 sets that hang together"):
        divided(samples, SHARES)


def test_look_alikes_hang_together_when_told(tmp_path: Path) -> None:
    rows = ["path,label,forgery,family,generator,split"]
    for number in range(6):
        Image.fromarray(draw(64, 64, seed=number)).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,real,real,real,camera,test")
    Image.open(tmp_path / "1.png").save(tmp_path / "4.jpg", quality=70)
    rows.append("4.jpg,real,real,real,camera,test")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    manifest = read_manifest(tmp_path / "manifest.csv")
    ids = list(manifest.samples["sample_id"])
    assert len(set(tied_together(manifest.samples))) == 7
    sets = dict(zip(ids, tied_together(manifest.samples, measure(manifest)), strict=True))
    assert len(set(sets.values())) == 6
    assert sets["1.png"] == sets["4.jpg"]


def test_the_command_writes_a_manifest_that_states_its_root(
    tmp_path: Path, make_image: Callable[..., Path]
) -> None:
    for number in range(12):
        for label in ("real", "fake"):
            make_image(tmp_path / "set" / label / f"{number}.png", seed=2 * number + len(label) % 2)
    for number in range(12):
        make_image(tmp_path / "set" / "fake" / f"{number}.png", seed=100 + number)
    index_folder(tmp_path / "set")
    out = tmp_path / "new.parquet"
    arguments: list[Any] = ["data", "split", str(tmp_path / "set" / "manifest.csv"), "-o", str(out)]
    done = CliRunner().invoke(app, [*arguments, "--shares", "0.5,0.25,0.25", "--look-alikes"])
    assert done.exit_code == 0, done.output
    assert "(train 12, val 6, test 6)" in done.stdout
    assert read_dataset_facts(out).root == "set"
    assert not check(read_manifest(out))["problem"].any()
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 1
    assert "there is a manifest already" in again.stderr


@pytest.mark.parametrize(
    ("count", "wanted", "numbers"),
    [
        (10, 4, [0, 3, 6, 9]),
        (3, 4, [0, 1, 2]),
        (4, 4, [0, 1, 2, 3]),
        (9, 1, [4]),
        (10, 1, [4]),
        (0, 4, []),
        (100, 2, [0, 99]),
    ],
)
def test_frames_are_evenly_spaced_by_the_stated_rule(
    count: int, wanted: int, numbers: list[int]
) -> None:
    assert evenly(count, wanted) == numbers


def test_the_rule_is_linspace_cut_to_whole_numbers() -> None:
    for count in (33, 250, 301, 977):
        assert evenly(count, 32) == list(np.linspace(0, count - 1, 32, dtype=int))


def test_frames_are_sorted_by_number() -> None:
    assert thinned(["v/10.png", "v/9.png", "v/1.png"], 2) == ["v/1.png", "v/10.png"]
    assert frame_key("v/frame_2.png") < frame_key("v/frame_10.png")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    clip(tmp_path / "set" / "real" / "a.mp4", 30)
    clip(tmp_path / "set" / "fake" / "G" / "b.mp4", 20)
    index_folder(tmp_path / "set", frames=4)
    return tmp_path / "set" / "manifest.csv"


def test_extracted_frames_have_the_same_pixels_and_columns(videos: Path, tmp_path: Path) -> None:
    lazy = read_manifest(videos)
    extracted = read_manifest(extract(lazy, tmp_path / "frames"))
    assert len(extracted.samples) == len(lazy.samples) == 8
    by_time = {
        (str(row["group"]), str(row["time"])): row for row in extracted.samples.to_dict("records")
    }
    for row in lazy.samples.itertuples():
        other = by_time[str(row.group), str(row.time)]
        assert other["label"] == row.label
        assert np.array_equal(
            read(lazy.root, str(row.sample_id)), read(extracted.root, str(other["sample_id"]))
        )
    assert "real/a.mp4/000029.png" in set(extracted.samples["sample_id"])
    assert not check(extracted)["problem"].any()


def test_an_extraction_goes_on_where_it_stopped(videos: Path, tmp_path: Path) -> None:
    lazy, out = read_manifest(videos), tmp_path / "frames"

    class StopError(Exception):
        pass

    done: list[int] = []

    def stop() -> None:
        done.append(1)
        if len(done) == 5:
            raise StopError

    with pytest.raises(StopError):
        extract(lazy, out, workers=0, on_progress=stop)
    assert not (out / "manifest.csv").exists()
    there = sorted(out.rglob("*.png"))
    before = {path: path.stat().st_mtime_ns for path in there}
    assert there
    command = CliRunner().invoke(app, ["data", "extract", str(videos), str(out)])
    assert command.exit_code == 0, command.output
    assert {path: path.stat().st_mtime_ns for path in there} == before
    assert len(sorted(out.rglob("*.png"))) == 8
    assert decode(there[0]).shape == (32, 48, 3)


def test_what_cannot_be_extracted_is_told(
    videos: Path, tmp_path: Path, make_manifest: Callable[..., Path]
) -> None:
    with pytest.raises(BenchmarkError, match=r"'a\.png' is no frame of a video"):
        extract(read_manifest(make_manifest()), tmp_path / "out")
    video = videos.parent / "real" / "a.mp4"
    video.write_bytes(video.read_bytes()[:900])
    with pytest.raises(ImageError, match=r"a\.mp4"):
        extract(read_manifest(videos), tmp_path / "frames")
    assert not (tmp_path / "frames" / "manifest.csv").exists()


def test_boxes_stay_boxes_of_whole_frames(videos: Path, tmp_path: Path) -> None:
    table = pd.read_csv(videos, dtype=str, keep_default_na=False).head(1).assign(box="2 3 10 12")
    table.to_csv(videos.with_name("boxes.csv"), index=False)
    lazy = read_manifest(videos.with_name("boxes.csv"))
    extracted = read_manifest(extract(lazy, tmp_path / "frames"))
    (one,), (other,) = lazy.samples["sample_id"], extracted.samples["sample_id"]
    assert other.endswith(".png#xywh=2,3,10,12")
    assert np.array_equal(read(lazy.root, one), read(extracted.root, other))
    assert len(list((tmp_path / "frames").rglob("*.png"))) == 1


def test_a_split_of_linked_images_stays_linked(
    tmp_path: Path, make_image: Callable[..., Path]
) -> None:
    (tmp_path / "set").mkdir()
    for seed, label in enumerate(("real", "fake")):
        for number in range(3):
            make_image(tmp_path / "far" / label / f"{number}.png", seed=10 * seed + number)
        (tmp_path / "set" / label).symlink_to(tmp_path / "far" / label)
    manifest = index_folder(tmp_path / "set", links=True).manifest
    written = split_manifest(manifest, tmp_path / "new.csv", (0.5, 0.0, 0.5))
    assert not check(written)["problem"].any()
    assert read_dataset_facts(tmp_path / "new.csv").links
