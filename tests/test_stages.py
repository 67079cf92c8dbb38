"""Conditions on whole videos and on whole pictures, before the face is cut out."""

from collections.abc import Callable, Iterable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import benchmark
from benchmark.data.images import MAX_PIXELS, file_of, read
from benchmark.data.manifest import Manifest, read_manifest
from benchmark.data.source import ImageSource
from benchmark.errors import BenchmarkError, ImageError, ManifestError
from benchmark.perturbations import apply
from benchmark.perturbations.videos import CODECS, reencoding
from benchmark.scoring.conditions import perturbed
from benchmark.study.resolved import resolve
from benchmark.study.samples import stated_samples
from benchmark.study.schema import Study, StudyDetector, StudyProtocol
from protocols import ProtocolError, perturbations
from protocols.conditions import Condition, condition
from results.store import load_scores
from tests.small_data import SMALL, write_recipe

Pixels = NDArray[np.uint8]
MakePixels = Callable[..., Pixels]
HEADER = "path,label,forgery,family,generator,source,split"
VIDEO = "deeperforensics/video-compression"
NOISE = "imagenet-c/gaussian-noise"


def write_video(path: Path, frames: list[Pixels]) -> None:
    """Write a nearly lossless H.264 video with B-frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("h264", rate=30, options={"crf": "4", "threads": "1"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())


def encoded(what: Condition, path: Path, numbers: Iterable[int]) -> dict[int, Pixels]:
    """Give some frames of a video under a condition, each encoded once."""
    with reencoding(what, path, max_pixels=MAX_PIXELS) as frames:
        return {number: frames.at(number) for number in numbers}


def moving(draw: MakePixels, count: int, height: int = 48, width: int = 64) -> list[Pixels]:
    """A picture that moves by two pixels a frame."""
    wide = draw(height, width + 2 * count)
    return [np.ascontiguousarray(wide[:, 2 * n : 2 * n + width]) for n in range(count)]


def source_of(manifest: Manifest) -> ImageSource:
    samples = stated_samples({"data": manifest}).assign(problem="")
    return ImageSource(samples, {"data": manifest.root})


def manifest_of(folder: Path, columns: str, *rows: str) -> Manifest:
    path = folder / "manifest.csv"
    path.write_text("\n".join([HEADER + columns, *rows]))
    return read_manifest(path)


def test_a_box_cuts_the_face_out_of_its_picture(tmp_path: Path, draw: MakePixels) -> None:
    Image.fromarray(draw(60, 80)).save(tmp_path / "a.png")
    row = "a.png,real,real,real,camera,one,test,"
    samples = manifest_of(tmp_path, ",box", row + "10 20 30 25", row + "0 0 5 5", row).samples
    assert samples["sample_id"].tolist() == [
        "a.png", "a.png#xywh=0,0,5,5", "a.png#xywh=10,20,30,25",
    ]  # fmt: skip
    assert set(samples["group"]) == {"a.png"}
    np.testing.assert_array_equal(
        read(tmp_path, "a.png#xywh=10,20,30,25"), draw(60, 80)[20:45, 10:40]
    )
    assert file_of("a#1.png#xywh=10,20,30,25") == "a#1.png"


@pytest.mark.parametrize("box", ["1 2 3", "1,2,3,4", "-1 0 5 5", "0 0 0 5", "a b c d"])
def test_what_is_no_box_is_told(tmp_path: Path, box: str) -> None:
    row = f'a.png,real,real,real,camera,one,test,"{box}"'
    with pytest.raises(ManifestError, match="row 2: 'box' is not left, top, width and height"):
        manifest_of(tmp_path, ",box", row)


def test_a_box_that_leaves_the_picture_is_told(tmp_path: Path, draw: MakePixels) -> None:
    Image.fromarray(draw(60, 80)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="box 70 0 11 5 leaves the 80 x 60 picture"):
        read(tmp_path, "a.png#xywh=70,0,11,5")
    with pytest.raises(ImageError, match="'1,2,3' is no box; write xywh=left,top,width,height"):
        read(tmp_path, "a.png#xywh=1,2,3")


def test_at_stage_frame_the_picture_is_damaged_and_then_cut(
    tmp_path: Path, draw: MakePixels
) -> None:
    Image.fromarray(draw(60, 80)).save(tmp_path / "a.png")
    row = "a.png,real,real,real,camera,one,test,10 20 30 25"
    source = source_of(manifest_of(tmp_path, ",box", row))
    name = source.samples["sample_id"][0]
    found = {}
    for stage in ("frame", "crop"):
        what = condition(NOISE, 1, stage, "test")
        ((_, found[stage]),) = perturbed(what, source, [0], noise_seed=1)
    whole = apply(condition(NOISE, 1, "frame", "test"), draw(60, 80), noise_seed=1, sample_id=name)
    np.testing.assert_array_equal(found["frame"], whole[20:45, 10:40])
    assert not np.array_equal(found["frame"], found["crop"])


@pytest.mark.parametrize("name", CODECS)
def test_a_video_is_encoded_with_its_movement(tmp_path: Path, draw: MakePixels, name: str) -> None:
    frames = moving(draw, 12)
    write_video(tmp_path / "v.mp4", frames)
    mild, coarse = (
        encoded(condition(name, level, "video", "test"), tmp_path / "v.mp4", range(12))
        for level in (1, 5)
    )
    for number, frame in enumerate(frames):
        errors = [np.abs(each[number].astype(int) - frame).mean() for each in (mild, coarse)]
        assert errors[0] < errors[1]
        # Its own frame and no neighbour, which lies two pixels further.
        others = [np.abs(mild[number].astype(int) - other).mean() for other in frames]
        assert int(np.argmin(others)) == number


@pytest.mark.slow
@pytest.mark.parametrize("name", ["real-world/h264", "real-world/h265"])
def test_a_video_gives_the_same_pixels_again(tmp_path: Path, draw: MakePixels, name: str) -> None:
    # x264 read memory that nobody wrote, at sizes like this one most often.
    write_video(tmp_path / "v.mp4", moving(draw, 30, 48, 64))
    what = condition(name, 4, "video", "test")
    first = None
    for _ in range(60):
        found = encoded(what, tmp_path / "v.mp4", [0, 17])
        first = first or found
        for number, pixels in found.items():
            np.testing.assert_array_equal(pixels, first[number])


def test_few_frames_are_what_all_give(tmp_path: Path, draw: MakePixels) -> None:
    write_video(tmp_path / "v.mp4", moving(draw, 60, 32, 40))
    what = condition(VIDEO, 1, "video", "test")

    def frames(*numbers: int) -> dict[int, Pixels]:
        return encoded(what, tmp_path / "v.mp4", numbers)

    everything = frames(*range(60))
    for number, pixels in frames(0, 7).items():
        np.testing.assert_array_equal(pixels, everything[number])
    with pytest.raises(ImageError, match=r"v\.mp4: there is no frame 60; there are 60"):
        frames(3, 60)


def test_a_still_compresses_worse_than_the_frame_of_a_video(
    tmp_path: Path, draw: MakePixels
) -> None:
    write_video(tmp_path / "v.mp4", moving(draw, 6))
    row = "v.mp4,real,real,real,camera,one,test,"
    source = source_of(manifest_of(tmp_path, ",frame", row + "3", row + "4"))
    shown = {}
    for stage in ("video", "crop"):
        what = condition("real-world/h264", 4, stage, "test")
        shown[stage] = dict(perturbed(what, source, [0, 1], noise_seed=1))
    assert shown["video"].keys() == shown["crop"].keys() == {0, 1}
    assert not np.array_equal(shown["video"][0], shown["crop"][0])


def test_a_box_is_cut_out_of_the_encoded_video(tmp_path: Path, draw: MakePixels) -> None:
    write_video(tmp_path / "v.mp4", moving(draw, 4))
    row = "v.mp4,real,real,real,camera,one,test,2,8 4 32 40"
    source = source_of(manifest_of(tmp_path, ",frame,box", row))
    assert source.samples["sample_id"][0] == "v.mp4#frame=2&xywh=8,4,32,40"
    what = condition(VIDEO, 3, "video", "test")
    ((_, found),) = perturbed(what, source, [0], noise_seed=1)
    whole = encoded(what, tmp_path / "v.mp4", [2])[2]
    np.testing.assert_array_equal(found, whole[4:44, 8:40])


def test_odd_sizes_are_kept(tmp_path: Path, draw: MakePixels) -> None:
    with av.open(str(tmp_path / "v.mkv"), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 27, 41, "bgr0"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(draw(27, 41), format="rgb24")))
        file.mux(stream.encode())
    what = condition("real-world/h265", 1, "video", "test")
    found = encoded(what, tmp_path / "v.mkv", [0])[0]
    assert found.shape == (27, 41, 3)
    assert np.abs(found.astype(int) - draw(27, 41)).mean() < 12


@pytest.mark.parametrize(
    ("name", "stage", "sentence"),
    [
        ("real-world/jpeg", "video", "jpeg cannot act at stage video; say stage: frame or crop"),
        (VIDEO, "crop", "video-compression cannot act at stage crop; say stage: video"),
        ("adversarial/pgd", "frame", "pgd cannot act at stage frame; say stage: model"),
    ],
)
def test_a_stage_at_which_a_perturbation_cannot_act_is_told(
    name: str, stage: str, sentence: str
) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        condition(name, 1, stage, "own")  # type: ignore[arg-type]


def test_what_acts_on_videos_has_its_codec() -> None:
    assert {name for name, p in perturbations().items() if "video" in p.stages} == set(CODECS)


def test_a_label_names_a_stage_that_is_not_the_crops() -> None:
    stages = [Condition("a/b", 2, stage=stage) for stage in ("crop", "frame", "video", "model")]
    assert [each.label for each in stages] == ["a/b 2", "a/b 2 (frame)", "a/b 2 (video)", "a/b 2"]


def video_set(folder: Path, draw: MakePixels) -> Path:
    """Write videos of two kinds, two a split, two frames of each as samples, with their hashes."""
    import hashlib

    lines = [f"{HEADER},frame,box,sha256"]
    for split in ("train", "val", "test"):
        for label, rest in (
            ("real", "real,real,real,camera"),
            ("fake", "fake,FS,GAN,G"),
        ):
            for number in range(2):
                path = f"{split}/{label}{number}.mp4"
                frames = moving(draw, 3, 32, 40)
                if label == "fake":
                    frames = [255 - pixels for pixels in frames]
                write_video(folder / path, frames)
                digest = hashlib.sha256((folder / path).read_bytes()).hexdigest()
                lines += [f"{path},{rest},one,{split},{n},4 0 32 32,{digest}" for n in (0, 2)]
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder / "manifest.csv"


def write_protocol(folder: Path, *conditions: tuple[str, str]) -> str:
    stated = [f"  - {{perturbation: {n}, severities: [5], stage: {s}}}" for n, s in conditions]
    text = (Path(benchmark.__file__).parents[1] / "protocols" / "robustness-basic.yaml").read_text()
    head, _, tail = text.replace("name: robustness-basic", "name: own").partition("conditions:")
    metrics = tail[tail.index("metrics:") :]
    path = folder / "own.yaml"
    path.write_text(f"{head}conditions:\n  - clean\n" + "\n".join(stated) + f"\n{metrics}")
    return str(path)


def study_of(protocol: str, recipe: str) -> Study:
    return Study(
        name="own",
        title="Own",
        protocols=(StudyProtocol(protocol=protocol),),
        detectors=(StudyDetector(detector=SMALL, label="small", recipe=recipe),),
        size="tiny",
        seeds=(0,),
    )


def test_a_run_scores_videos_and_pictures_under_damage(tmp_path: Path, draw: MakePixels) -> None:
    data = video_set(tmp_path / "data", draw)
    protocol = write_protocol(tmp_path, (VIDEO, "video"), (NOISE, "frame"), (NOISE, "crop"))
    study = study_of(protocol, write_recipe(tmp_path, steps=2, evaluate_every=2))
    benchmark.run(study, data=data, out=tmp_path / "run", store=tmp_path / "store", device="cpu")
    scores = load_scores(tmp_path / "run")
    logits = scores.pivot_table(index="sample_id", columns="condition", values="logit").dropna()
    assert list(logits.columns) == [
        "clean",
        f"{VIDEO}.v1@5[video]",
        f"{NOISE}.v1@5[crop]",
        f"{NOISE}.v1@5[frame]",
    ]
    assert len(logits) == 8
    assert (logits.diff(axis=1).iloc[:, 1:].abs() > 0).all(axis=None)


@pytest.mark.parametrize(
    ("name", "stage", "column", "sentence"),
    [
        (NOISE, "frame", ",box", r"is for stage frame, but 't/a\.png' has no box"),
        (VIDEO, "video", ",box", r"is for stage video, but 't/a\.png' is no frame of a video file"),
    ],
)
def test_a_manifest_that_lacks_what_a_stage_needs_is_told_before_training(
    tmp_path: Path, name: str, stage: str, column: str, sentence: str
) -> None:
    rows = []
    for split in ("train", "val", "test"):
        rows += [f"{split[0]}/b.png,real,real,real,camera,one,{split},0 0 9 9"]
        rows += [f"{split[0]}/a.png,fake,FS,GAN,G,one,{split},"]
    rows = [row.replace("t/", "r/") if ",train," in row else row for row in rows]
    manifest = manifest_of(tmp_path, column, *rows)
    study = study_of(write_protocol(tmp_path, (name, stage)), write_recipe(tmp_path, steps=2))
    with pytest.raises(BenchmarkError, match=sentence):
        resolve(study, manifest.path)
