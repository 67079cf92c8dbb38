import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark.synthetic.camera import CAMERAS, decode_jpeg, encode, photograph
from benchmark.synthetic.faces import EDITS, POPULATIONS, Portrait, draw_person, draw_shot, edit
from benchmark.synthetic.forgeries import GENERATORS
from benchmark.synthetic.generate import MANIFEST_COLUMNS, EmbeddedSetError, SetSizes, generate
from benchmark.synthetic.images import Task, carry_out_task
from benchmark.synthetic.makers import lost_power, smooth
from benchmark.synthetic.render import render_face
from results.files import file_hash

Row = dict[str, str]
Values = NDArray[np.float64]

SMALL = SetSizes(train=2, val=2, test=2)
NAMES = tuple(generator.name for generator in GENERATORS)


def rows_of(manifest: Path) -> list[Row]:
    with manifest.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of the smallest set."""
    root = tmp_path_factory.mktemp("embedded") / "small"
    return generate(root, counts=SMALL, workers=1)


# ---------------------------------------------------------------- what is written


def test_a_set_has_every_generator_and_real_photographs_in_both_sources_and_all_splits(
    small: Path,
) -> None:
    rows = rows_of(small)
    assert len(rows) == SMALL.images
    for source in ("embedded-a", "embedded-b"):
        for split in ("train", "val", "test"):
            found = [r["generator"] for r in rows if (r["source"], r["split"]) == (source, split)]
            assert {name: found.count(name) for name in set(found)} == {
                "camera": 6,
                **dict.fromkeys(NAMES, 2),
            }


def test_the_generators_fill_a_grid_of_three_forgeries_and_two_families(small: Path) -> None:
    grid: dict[tuple[str, str], set[str]] = {}
    for row in rows_of(small):
        grid.setdefault((row["forgery"], row["family"]), set()).add(row["generator"])
    assert grid.pop(("real", "real")) == {"camera"}
    assert set(grid) == {(f, g) for f in ("EFS", "AM", "FS") for g in ("GAN", "diffusion")}
    assert all(len(names) == 2 for names in grid.values())
    assert all(name.startswith("synthetic-") for names in grid.values() for name in names)


def test_the_manifest_has_its_columns_and_tells_the_truth_about_the_files(small: Path) -> None:
    assert small.read_text(encoding="utf-8").splitlines()[0] == ",".join(MANIFEST_COLUMNS)
    rows = rows_of(small)
    for row in rows:
        with Image.open(small.parent / row["path"]) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert image.size == (int(row["width"]), int(row["height"])) == (128, 128)
        assert row["label"] == ("real" if row["generator"] == "camera" else "fake")
        assert row["group"] == row["path"]
        assert row["sha256"] == file_hash(small.parent / row["path"])
    files = {p.relative_to(small.parent).as_posix() for p in small.parent.rglob("*.jpg")}
    assert files == {row["path"] for row in rows}


def test_no_identity_is_in_two_splits_or_two_sources(small: Path) -> None:
    places: dict[str, set[tuple[str, str]]] = {}
    for row in rows_of(small):
        places.setdefault(row["identity"], set()).add((row["source"], row["split"]))
    assert all(len(place) == 1 for place in places.values())


def test_manipulations_and_swaps_name_the_photograph_of_the_same_person_and_split(
    small: Path,
) -> None:
    rows = rows_of(small)
    by_path = {row["path"]: row for row in rows}
    for row in rows:
        if row["forgery"] in ("real", "EFS"):
            assert row["pair"] == ""
            continue
        real = by_path[row["pair"]]
        assert real["label"] == "real"
        assert (real["identity"], real["split"]) == (row["identity"], row["split"])


def test_a_forgery_is_encoded_with_the_tables_of_its_photograph(small: Path) -> None:
    for row in rows_of(small):
        if not row["pair"]:
            continue
        with (
            Image.open(small.parent / row["path"]) as fake,
            Image.open(small.parent / row["pair"]) as real,
        ):
            assert fake.quantization == real.quantization  # type: ignore[attr-defined]
            assert fake.info.keys() == real.info.keys()


# ---------------------------------------------------------------- same seed, same bytes


def test_the_number_of_workers_changes_no_byte(small: Path, tmp_path: Path) -> None:
    other = generate(tmp_path / "set", counts=SMALL, workers=2)
    assert other.read_bytes() == small.read_bytes()


def test_an_identity_is_the_same_when_it_is_drawn_alone(small: Path, tmp_path: Path) -> None:
    wanted = {row["path"]: row for row in rows_of(small)}
    rows = carry_out_task(tmp_path, 0, Task(source=1, split=2, who=1, people=2))
    assert rows == [wanted[row["path"]] for row in rows]


def test_another_seed_changes_every_image(small: Path, tmp_path: Path) -> None:
    known = {row["path"]: row["sha256"] for row in rows_of(small)}
    rows = carry_out_task(tmp_path, 1, Task(source=0, split=0, who=0, people=2))
    assert len(rows) == 15
    assert all(known[row["path"]] != row["sha256"] for row in rows)


def test_a_complete_set_is_left_as_it_is(small: Path) -> None:
    before = small.stat().st_mtime_ns

    def never(done: int, total: int) -> None:
        raise AssertionError(f"drew {done} of {total} again")

    assert generate(small.parent, counts=SMALL, workers=1, on_progress=never) == small
    assert small.stat().st_mtime_ns == before


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_generation_leaves_nothing(tmp_path: Path, workers: int) -> None:
    def interrupt(done: int, total: int) -> None:
        assert (done, total) == (1, 12)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "set", counts=SMALL, workers=workers, on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- refusals


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedSetError, match="asked for 1 identities in 'val', but a face swap"):
        SetSizes(val=1)
    with pytest.raises(EmbeddedSetError, match="asked for seed -1: give 0 or more"):
        generate(tmp_path / "set", seed=-1)
    with pytest.raises(EmbeddedSetError, match="asked for 0 workers: give 1 or more"):
        generate(tmp_path / "set", workers=0)


def test_a_folder_with_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(EmbeddedSetError, match=r"holds something other than the embedded set"):
        generate(tmp_path, counts=SMALL)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_a_set_of_another_seed_or_size_is_refused(small: Path) -> None:
    with pytest.raises(EmbeddedSetError, match="the embedded set of seed 0, but seed 7 was asked"):
        generate(small.parent, seed=7, counts=SMALL)
    with pytest.raises(EmbeddedSetError, match=r"of counts \[2, 2, 2\], but counts \[44, 10, 20\]"):
        generate(small.parent)


def test_a_damaged_set_is_refused(small: Path) -> None:
    image = small.parent / rows_of(small)[0]["path"]
    for file, name in ((image, image.name), (small, "manifest.csv")):
        whole = file.read_bytes()
        file.write_bytes(whole[:-1])
        with pytest.raises(EmbeddedSetError, match=f"{name}: was changed or is missing; remove"):
            generate(small.parent, counts=SMALL)
        file.write_bytes(whole)
    passport = small.parent / "embedded.json"
    whole = passport.read_bytes()
    passport.write_bytes(b"{}")
    with pytest.raises(EmbeddedSetError, match=r"embedded\.json: cannot be read"):
        generate(small.parent, counts=SMALL)
    passport.write_bytes(whole)
    assert generate(small.parent, counts=SMALL) == small


# ---------------------------------------------------------------- parts


def portrait(seed: int = 0) -> Portrait:
    rng = np.random.default_rng(seed)
    return Portrait(draw_person(rng, POPULATIONS[0]), draw_shot(rng, POPULATIONS[0]))


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_changes_the_face_and_leaves_the_surroundings(what: str) -> None:
    before = portrait()
    after = edit(before, what, np.random.default_rng(1))
    change = np.abs(render_face(after).light - render_face(before).light).max(2)
    assert change.max() > 0.05
    assert change[:20, :20].max() == 0
    assert change[-20:, :20].max() == 0


def test_noise_of_a_photograph_is_correlated_as_demosaicing_leaves_it() -> None:
    flat = np.full((204, 204, 3), 0.3, np.float32)
    image = photograph(flat, CAMERAS[1], np.random.default_rng(0)).astype(float)
    red, green = (image[..., c] - image[..., c].mean() for c in (0, 1))
    assert 1 < green.std() < 15
    assert np.corrcoef(red.ravel(), green.ravel())[0, 1] > 0.3
    assert np.corrcoef(red[:, 1:].ravel(), red[:, :-1].ravel())[0, 1] > 0.1


def test_a_jpeg_is_decoded_to_nearly_what_was_encoded() -> None:
    light = render_face(portrait()).light[:128, :128]
    image = np.asarray(light * 255, np.uint8)
    back = decode_jpeg(encode(image, 97, CAMERAS[0].sampling))
    assert np.abs(back.astype(float) - image).mean() < 3


def test_lost_power_is_what_a_blur_took() -> None:
    rng = np.random.default_rng(0)
    before = np.repeat(rng.normal(0.5, 0.1, (128, 128, 1)), 3, 2).astype(np.float32)
    whole = np.ones((128, 128), np.float32)
    lost = lost_power(before, smooth(before, 1.0), whole)
    assert lost[64, 64] == pytest.approx(0.01, rel=0.2)  # the noise's variance: all of it
    assert lost[2, 2] < 0.1 * lost[64, 64]
    assert lost_power(before, before, whole).max() == 0


@pytest.mark.parametrize("generator", GENERATORS, ids=NAMES)
def test_a_tool_keeps_the_picture_and_its_brightness(generator: Any) -> None:
    photo = photograph(render_face(portrait(3)).light, CAMERAS[0], np.random.default_rng(0))
    image = (photo[4:132, 4:132] / np.float32(255)).astype(np.float32)
    made = generator.make(image, np.random.default_rng(1))
    assert (made.shape, made.dtype) == (image.shape, np.float32)
    assert np.abs((made - image).mean((0, 1))).max() < 0.01
    assert 0.001 < np.abs(made - image).mean() < 0.06
    power = np.full((128, 128), 1e-4, np.float32)
    grain = generator.grain(power, np.random.default_rng(2))
    assert abs(grain.mean()) < 1e-3
    assert 0.004 < grain.std() < 0.04


# Of 120 pixels = 2 * 3 * 4 * 5. Repeated pixels leave a gap where the others leave a peak.
@pytest.mark.parametrize(
    ("name", "peak", "more"),
    [
        ("synthetic-transposed", (60, 0), True),
        ("synthetic-shuffle", (30, 30), True),
        ("synthetic-swap-repeat", (60, 0), False),
        ("synthetic-swap-thirds", (40, 40), True),
        ("synthetic-edit-quincunx", (60, 60), True),
        ("synthetic-edit-stripe", (20, 0), True),
    ],
)
def test_up_sampling_marks_the_frequency_of_its_stride(
    name: str, peak: tuple[int, int], more: bool
) -> None:
    photo = photograph(render_face(portrait(3)).light, CAMERAS[0], np.random.default_rng(0))
    image = (photo[4:124, 4:124] / np.float32(255)).astype(np.float32)
    generator = next(g for g in GENERATORS if g.name == name)
    made = generator.make(image, np.random.default_rng(1))
    after, before = (np.abs(np.fft.fft2(x.mean(2)))[peak] for x in (made, image))
    assert after > 2 * before if more else after < before / 2
