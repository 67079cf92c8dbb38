"""Crops on disk under conditions on the whole picture and the video they were cut out of."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import benchmark
from benchmark.data.cropping import crop
from benchmark.data.crops import CropSettings
from benchmark.data.cutting import apply_cut, read_cut
from benchmark.data.images import Pixels, read
from benchmark.data.manifest import Manifest, read_manifest
from benchmark.data.originals import picture_roots
from benchmark.data.reencoding import reencode
from benchmark.data.source import ImageSource
from benchmark.errors import BenchmarkError, ImageError, ManifestError
from benchmark.perturbations import apply
from benchmark.scoring.conditions import perturbed
from benchmark.study.resolved import resolve
from benchmark.study.samples import stated_samples
from protocols.conditions import condition
from results.store import load_scores
from tests.red_faces import HEADER, picture, register, save, unregister
from tests.small_data import write_recipe
from tests.test_stages import NOISE, VIDEO, encoded, study_of, write_protocol, write_video


@pytest.fixture(autouse=True)
def _red() -> Iterator[None]:
    register()
    yield
    unregister()


def cropped(folder: Path, rows: list[str], recipe: str = "deepfakebench") -> Manifest:
    """Crop what is in ``folder``/in."""
    (folder / "in" / "manifest.csv").write_text("\n".join([f"{HEADER},frame", *rows]))
    settings = CropSettings(recipe=recipe, detector="red")
    done = crop(read_manifest(folder / "in" / "manifest.csv"), folder / "crops", settings)
    return read_manifest(done.manifest)


def source_of(manifest: Manifest) -> ImageSource:
    manifests = {"data": manifest}
    samples = stated_samples(manifests).assign(problem="")
    return ImageSource(samples, {"data": manifest.root}, pictures=picture_roots(manifests))


def shown(manifest: Manifest, name: str, stage: str, level: int = 5) -> Pixels:
    what = condition(name, level, stage, "test")  # type: ignore[arg-type]
    ((_, found),) = perturbed(what, source_of(manifest), [0], noise_seed=1)
    return found


@pytest.mark.parametrize("recipe", ["deepfakebench", "faceforensics", "genface"])
def test_a_crop_is_made_again_of_its_picture_to_the_bit(tmp_path: Path, recipe: str) -> None:
    pixels = picture((20, 20, 40, 40), size=(300, 500))
    save(tmp_path / "in" / "a.png", pixels)
    manifest = cropped(tmp_path, ["a.png,real,real,real,camera,one,test,"], recipe)
    row = manifest.samples.iloc[0]
    place = read_cut(row["crop_place"], "test")
    on_disk = read(manifest.root, row["sample_id"])
    np.testing.assert_array_equal(apply_cut(place, pixels), on_disk)
    noisy = apply(condition(NOISE, 5, "frame", "t"), pixels, noise_seed=1, sample_id="a.png.png")
    np.testing.assert_array_equal(shown(manifest, NOISE, "frame"), apply_cut(place, noisy))
    crop_alone = apply(
        condition(NOISE, 5, "crop", "t"), on_disk, noise_seed=1, sample_id="a.png.png"
    )
    np.testing.assert_array_equal(shown(manifest, NOISE, "crop"), crop_alone)


def test_a_video_is_encoded_before_its_frame_is_cropped(tmp_path: Path) -> None:
    frames = [picture((20 + 4 * n, 20, 40, 40), size=(96, 128), seed=3) for n in range(4)]
    write_video(tmp_path / "in" / "v.mp4", frames)
    manifest = cropped(tmp_path, ["v.mp4,real,real,real,camera,one,test,2"])
    what = condition(VIDEO, 5, "video", "test")
    whole = encoded(what, tmp_path / "in" / "v.mp4", [2])[2]
    place = read_cut(manifest.samples["crop_place"][0], "test")
    np.testing.assert_array_equal(shown(manifest, VIDEO, "video"), apply_cut(place, whole))


def dataset(folder: Path) -> Manifest:
    """Crops of videos, two a class and split, two frames each."""
    rows = []
    for split in ("train", "val", "test"):
        for label, rest in (("real", "real,real,real,camera"), ("fake", "fake,FS,GAN,G")):
            for number in range(2):
                path = f"{split}/{label}{number}.mp4"
                seed = number if label == "real" else 10 + number
                face = (10, 10, 32, 32)
                frames = [picture(face, size=(64, 64), seed=seed) for _ in range(3)]
                write_video(folder / "in" / path, frames)
                rows += [f"{path},{rest},one,{split},{n}" for n in (0, 2)]
    return cropped(folder, rows, "faceforensics")


def test_a_run_on_crops_scores_all_stages(tmp_path: Path) -> None:
    manifest = dataset(tmp_path)
    protocol = write_protocol(tmp_path, (VIDEO, "video"), (NOISE, "frame"), (NOISE, "crop"))
    study = study_of(protocol, write_recipe(tmp_path, steps=2, evaluate_every=2))
    benchmark.run(
        study, data=manifest.path, out=tmp_path / "run", store=tmp_path / "store", device="cpu"
    )
    scores = load_scores(tmp_path / "run")
    logits = scores.pivot_table(index="sample_id", columns="condition", values="logit").dropna()
    assert len(logits) == 8
    assert logits.shape[1] == 4
    assert (logits.diff(axis=1).iloc[:, 1:].abs() > 0).all(axis=None)


def test_pictures_that_are_gone_are_told_before_training(tmp_path: Path) -> None:
    manifest = dataset(tmp_path)
    study = study_of(write_protocol(tmp_path, (NOISE, "frame")), write_recipe(tmp_path, steps=2))
    resolve(study, manifest.path)
    # Both folders moved together are found; one of them alone is not.
    (tmp_path / "moved").mkdir()
    for name in ("in", "crops"):
        (tmp_path / name).replace(tmp_path / "moved" / name)
    resolve(study, tmp_path / "moved" / "crops" / "manifest.csv")
    (tmp_path / "moved" / "in" / "test" / "real0.mp4").unlink()
    with pytest.raises(BenchmarkError, match=r"real0\.mp4: missing, but '.*' is a crop of it"):
        resolve(study, tmp_path / "moved" / "crops" / "manifest.csv")


def test_crops_without_their_pictures_are_refused_at_stage_frame(tmp_path: Path) -> None:
    manifest = dataset(tmp_path)
    study = study_of(write_protocol(tmp_path, (NOISE, "frame")), write_recipe(tmp_path, steps=2))
    (tmp_path / "crops" / "manifest.json").unlink()
    with pytest.raises(BenchmarkError, match="is no crop of a known picture"):
        resolve(study, manifest.path)


def test_crops_of_stills_are_refused_at_stage_video(tmp_path: Path) -> None:
    rows = []
    for split in ("train", "val", "test"):
        for label, rest in (("real", "real,real,real,camera"), ("fake", "fake,FS,GAN,G")):
            save(tmp_path / "in" / f"{split}{label}.png", picture((10, 10, 32, 32)))
            rows.append(f"{split}{label}.png,{rest},one,{split},")
    manifest = cropped(tmp_path, rows)
    study = study_of(write_protocol(tmp_path, (VIDEO, "video")), write_recipe(tmp_path, steps=2))
    with pytest.raises(BenchmarkError, match="is no frame of a video file, and no crop of one"):
        resolve(study, manifest.path)


def test_a_picture_that_is_another_is_not_read(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", picture((20, 20, 40, 40)))
    manifest = cropped(tmp_path, ["a.png,real,real,real,camera,one,test,"])
    save(tmp_path / "in" / "a.png", picture((20, 20, 40, 40), seed=9))
    with pytest.raises(ImageError, match=r"a\.png: has changed since it was checked"):
        shown(manifest, NOISE, "frame")
    # A manifest that names any folder, and no hash, proves nothing of what lies there.
    manifest.samples["crop_of_sha256"] = ""
    with pytest.raises(ManifestError, match=r"'a\.png': its crop's row has no crop_of_sha256"):
        shown(manifest, NOISE, "frame")


def test_the_folder_of_pictures_is_stated_relative_to_the_crops(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", picture((20, 20, 40, 40)))
    manifest = cropped(tmp_path, ["a.png,real,real,real,camera,one,test,"])
    facts = json.loads((tmp_path / "crops" / "manifest.json").read_text())
    assert facts["pictures"] == "../in"
    copy = read_manifest(reencode(manifest, tmp_path / "copy"))
    assert copy.facts.pictures is None
    assert picture_roots({"data": copy}) == {}
