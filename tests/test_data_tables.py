"""Datasets that tables describe, on miniatures of their real layouts: rows, splits and pitfalls."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.data.indexing import index_folder
from benchmark.errors import ManifestError
from tests.layouts import expect, read
from tests.test_data_trees import clip

SHARED = Path(__file__).parents[2] / "shared" / "data" / "videos"


def test_fakeavceleb(lay: Callable[..., Path]) -> None:
    place = "African/men/id00076"
    paths = (
        f"RealVideo-RealAudio/{place}/00109.mp4",
        f"RealVideo-FakeAudio/{place}/00109_fake.mp4",
        f"FakeVideo-RealAudio/{place}/00109_0.mp4",
    )
    table = (
        "source,target1,target2,method,category,type,race,gender,path,\n"
        f"id1,-,-,faceswap-wav2lip,C,t,African,men,00109_0.mp4,FakeAVCeleb/{paths[2][:-12]}\n"
        f"id1,-,-,wav2lip,C,t,African,men,00109_0.mp4,FakeAVCeleb/{paths[2][:-12]}\n"
    )
    rows, _ = read("fakeavceleb", lay(*paths, **{"meta_data.csv": table}))
    expect(rows[paths[0]], label="real", audio_label="real", identity="id00076")
    expect(rows[paths[1]], label="real", audio_label="fake")
    expect(rows[paths[2]], label="fake", generator="wav2lip", forgery="FR", split="test")


def test_lav_df_takes_frames_from_the_forged_parts(tmp_path: Path) -> None:
    clip(tmp_path / "dev" / "000001.mp4", 50)
    clip(tmp_path / "dev" / "000002.mp4", 10)
    table = [
        {
            "file": "dev/000001.mp4",
            "fake_periods": [[1.0, 1.4]],
            "original": "dev/000002.mp4",
            "modify_video": True,
            "modify_audio": False,
            "split": "dev",
        },
        {
            "file": "dev/000002.mp4",
            "fake_periods": [[0.0, 0.2]],
            "original": None,
            "modify_video": False,
            "modify_audio": True,
            "split": "dev",
        },
    ]
    (tmp_path / "metadata.json").write_text(json.dumps(table))
    samples = index_folder(tmp_path, adapter="lav-df", frames=4).manifest.samples
    fake = samples[samples["label"] == "fake"]
    assert [float(time) for time in fake["time"]] == [1.0, 1.12, 1.24, 1.36]
    assert set(samples["split"]) == {"val"}
    assert set(samples["pair"]) == {"dev/000002"}
    real = samples[samples["label"] == "real"]
    assert set(real["audio_label"]) == {"fake"}
    assert len(real) == 4


@pytest.mark.parametrize(
    "periods",
    [
        [[1.4, 1.0]],
        [[-0.2, 0.1]],
        [[0.0, 0.1], [-1, 2]],
        [[0, 1, 2]],
        [["0", "1e99999999"]],
        [[0, "1e99999999"]],
        [[None, 1]],
        [[False, True]],
        {"0": 1},
        [0.1, 0.2],
        "0.1 to 0.2",
    ],
    ids=str,
)
def test_periods_that_are_none_are_refused(tmp_path: Path, periods: object) -> None:
    clip(tmp_path / "dev" / "000001.mp4", 10)
    row = {"modify_video": True, "modify_audio": False, "split": "dev", "original": None}
    table = [row | {"file": "dev/000001.mp4", "fake_periods": periods}]
    (tmp_path / "metadata.json").write_text(json.dumps(table))
    with pytest.raises(ManifestError, match=r"'dev/000001.mp4': its fake_periods are .*, not \[\["):
        index_folder(tmp_path, adapter="lav-df", frames=4)
    assert not (tmp_path / "manifest.csv").exists()


def test_av_deepfake1m(lay: Callable[..., Path]) -> None:
    paths = ("val/id1/a/real.mp4", "val/id1/a/fake_audio.mp4", "train/id1/a/fake_video.mp4")
    kinds = {"real.mp4": "real", "fake_audio.mp4": "audio_modified"}
    val = [{"file": f"id1/a/{name}", "modify_type": kind} for name, kind in kinds.items()]
    train = [
        {
            "file": "id1/a/fake_video.mp4",
            "modify_type": "both_modified",
            "fake_segments": [[0.5, 1]],
            "original": "id1/a/real.mp4",
        }
    ]
    files = {"val_metadata.json": json.dumps(val), "train_metadata.json": json.dumps(train)}
    rows, described = read("av-deepfake1m", lay(*paths, **files))
    expect(rows[paths[1]], label="real", audio_label="fake", split="test")
    expect(rows[paths[2]], label="fake", fake_periods="[[0.5, 1]]", split="train")
    assert "val is taken for the test" in described.notes[0]


def test_idforge(lay: Callable[..., Path]) -> None:
    rows, _ = read(
        "idforge",
        lay(
            "train/pristine/a/1.mp4",
            "test/tts_textgen/a/2.mp4",
            "test/face_tts_textgen/a/3_id_roop.mp4",
            "val/lip_rvc_textmismatch/a/4.mp4",
        ),
    )
    expect(rows["test/tts_textgen/a/2.mp4"], label="real", audio_label="fake")
    expect(rows["test/face_tts_textgen/a/3_id_roop.mp4"], label="fake", generator="roop")
    expect(rows["val/lip_rvc_textmismatch/a/4.mp4"], generator="lip-sync", split="val")


def test_kodf(lay: Callable[..., Path]) -> None:
    real, fake = "0a" * 10 + "_001.mp4", f"{'0a' * 10}_{'1b' * 10}_3_0001.mp4"
    rows, _ = read("kodf", lay(f"원천데이터/train_원본/{real}", f"원천데이터/train_변조/{fake}"))
    found = {path.rpartition("/")[2]: row for path, row in rows.items()}
    expect(found[fake], generator="fsgan", identity="0a" * 10, donor="1b" * 10, label="fake")
    expect(found[real], label="real", identity="0a" * 10)


def test_forgerynet(lay: Callable[..., Path]) -> None:
    fake, real = "train_release/7/a/frame00038.jpg", "val_release/19/b/x.jpg"
    text = f"{fake} 1 1 15\n{real} 0 0 0\ntrain_release/1/lost.jpg 1 1 1\n"
    rows, described = read("forgerynet", lay(fake, real, **{"image_list.txt": text}))
    expect(rows[fake], label="fake", generator="TalkingHead", forgery="FR", split="train")
    expect(rows[real], label="real", split="test")
    assert described.missing == ("train_release/1/lost",)


def test_diff(lay: Callable[..., Path]) -> None:
    rows, _ = read("diff", lay("DiFF_real/a.png", "FE/train/Imagic/b.png", "T2I/SDXL/c.png"))
    expect(rows["DiFF_real/a.png"], label="real")
    expect(rows["FE/train/Imagic/b.png"], generator="Imagic", forgery="AM", split="train")
    expect(rows["T2I/SDXL/c.png"], generator="SDXL", forgery="EFS", family="diffusion")


def test_ai_face(lay: Callable[..., Path]) -> None:
    text = (
        "Image Path,Gender,Age,Skin Tone,Intersection,Target\n"
        "C:\\data\\DMs\\SDXL\\1.png,1,2,7,x,1\n/home/me/Real/FFHQ/2.png,0,1,3,y,0\n"
    )
    rows, _ = read("ai-face", lay("DMs/SDXL/1.png", "Real/FFHQ/2.png", **{"test.csv": text}))
    expect(rows["DMs/SDXL/1.png"], label="fake", generator="SDXL", family="diffusion", split="test")
    expect(rows["Real/FFHQ/2.png"], label="real", source="FFHQ", gender="0", skin_tone="3")


def test_deepfake_eval_2024(lay: Callable[..., Path]) -> None:
    text = (
        "Filename,Ground Truth,Finetuning Set\n1.jpg,Fake,Train\n2.webp,Real,Test\n"
        "#NAME?,Fake,Test\n3.jpg,Unknown,Test\n"
    )
    folder = lay(
        *(f"image-data/{name}" for name in ("1.jpg", "2.webp", "3.jpg")),
        **{"image-metadata-publish.csv": text},
    )
    rows, described = read("deepfake-eval-2024", folder)
    expect(rows["image-data/1.jpg"], label="fake", split="train")
    expect(rows["image-data/2.webp"], label="real", split="test")
    assert len(rows) == 2
    assert "2 rows of its tables" in described.notes[0]


def test_deepfakeface(lay: Callable[..., Path]) -> None:
    rows, _ = read("deepfakeface", lay("wiki/00/1.jpg", "insight/00/1.jpg", "text2img/00/1.jpg"))
    assert {row["pair"] for row in rows.values()} == {"00/1"}
    expect(rows["insight/00/1.jpg"], generator="insight", forgery="FS")


def test_openfake(lay: Callable[..., Path]) -> None:
    text = (
        "file_name,prompt,label,model,type,release_date\n"
        "images/1.png,a cat,fake,flux.1-dev,base,2024-08\nimages/2.png,,real,laion,,\n"
    )
    rows, _ = read("openfake", lay("images/1.png", "images/2.png", **{"test.csv": text}))
    expect(rows["images/1.png"], generator="flux.1-dev", label="fake", type="base")
    expect(rows["images/2.png"], generator="camera", source="laion")


def bench(folder: Path, prefix: str) -> Path:
    """Write a JSON file of DeepfakeBench on a machine where paths begin with ``prefix``."""
    real = "FaceForensics++/original_sequences/youtube/c23/frames/953/{}.png"
    fake = "FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/953_974/{}.png"

    def frames(path: str) -> list[str]:
        joint = "\\" if "\\" in prefix else "/"
        return [prefix + path.format(n).replace("/", joint) for n in ("000", "010")]

    content = {
        "FaceForensics++": {
            "FF-real": {"test": {"c23": {"953": {"label": "FF-real", "frames": frames(real)}}}},
            "FF-DF": {
                "test": {"c23": {"953_974": {"label": "FF-DF", "frames": frames(fake)}}},
                "train": {"c23": {"953_974": {"label": "FF-DF", "frames": frames(fake)}}},
            },
        }
    }
    (folder / "FaceForensics++.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    "prefix", ["./datasets/rgb/", "F:\\data\\rgb\\", "/home/me/", "", "rgb/FaceForensics/../"]
)
def test_deepfakebench(prefix: str, lay: Callable[..., Path]) -> None:
    paths = (
        "FaceForensics++/original_sequences/youtube/c23/frames/953/000.png",
        "FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/953_974/000.png",
        "FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/953_974/010.png",
        "FaceForensics++/manipulated_sequences/Deepfakes/c23/masks/953_974/000.png",
    )
    rows, described = read("deepfakebench", bench(lay(*paths, "other/x.png"), prefix))
    assert set(rows) == set(paths[:3])
    expect(rows[paths[0]], label="real", source="FF++", split="test", compression="c23")
    expect(rows[paths[1]], generator="Deepfakes", forgery="FS", split="test", pair="953")
    assert len(described.missing) == 1
    assert described.missing[0].endswith("frames/953/010.png")
    assert described.ignored["image that no JSON names"] == 1
    assert any("stand in several splits" in note for note in described.notes)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "is not {DATASET"),
        ('{"A": {"B": {"test": {"v": {}}}}}', "video 'v' has no list of frames"),
        ('{"A": {"odd": {"test": {"v": {"frames": ["x.png"]}}}}}', "label 'odd' is neither real"),
        ('{"A": {"X_real": {"dev": {"v": {"frames": ["x.png"]}}}}}', "'dev' is no split"),
        ('{"A": {"X_real": {"test": {"v": {"frames": ["y.png"]}}}}}', "no frame that a.json names"),
    ],
)
def test_a_json_that_is_none_of_deepfakebench_is_named(
    text: str, sentence: str, lay: Callable[..., Path]
) -> None:
    with pytest.raises(ManifestError, match=sentence):
        read("deepfakebench", lay("x.png", **{"a.json": text}))


def test_a_table_of_ones_own_from_windows(lay: Callable[..., Path], tmp_path: Path) -> None:
    text = (
        "\ufeffBild;Klasse;Person;Notiz\r\nD:\\x\\a.png;1;p1;n\r\nb.png;0;p1;m\r\n"
        "lost.png;0;p2;\r\n"
    )
    folder = lay("x/a.png", "b.png", "c.png", **{"labels.csv": text})
    columns = {"path": "Bild", "label": "Klasse", "identity": "Person"}
    stated: dict[str, Any] = {"table": folder / "labels.csv", "columns": columns}
    with pytest.raises(ManifestError, match=r"say what its labels 0, 1 mean.*--label VALUE=real"):
        read("table", folder, **stated)
    rows, described = read("table", folder, labels={"1": "fake", "0": "real"}, **stated)
    expect(rows["x/a.png"], label="fake", identity="p1", generator="unknown", split="test")
    assert described.missing == ("lost.png",)
    assert described.ignored == {".csv file": 1, "file the table does not name": 1}
    with pytest.raises(ManifestError, match="column 'Foto' is missing; there are Bild, Klasse"):
        read("table", folder, table=folder / "labels.csv", columns={"path": "Foto"})
    with pytest.raises(ManifestError, match="which column is 'label'"):
        read("table", folder, table=folder / "labels.csv", columns={"path": "Bild"})


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
def test_tables_of_any_kind_say_the_same(
    suffix: str, lay: Callable[..., Path], tmp_path: Path
) -> None:
    import pandas as pd

    folder = lay("a.png", "b.png")
    table = pd.DataFrame({"path": ["a.png", "b.png"], "label": ["real", "fake"]})
    if suffix == "parquet":
        table.to_parquet(tmp_path / "t.parquet")
    else:
        table.to_json(tmp_path / f"t.{suffix}", orient="records", lines=suffix == "jsonl")
    rows, _ = read("table", folder, table=tmp_path / f"t.{suffix}")
    assert {path: row["label"] for path, row in rows.items()} == {"a.png": "real", "b.png": "fake"}


@pytest.mark.skipif(not SHARED.is_dir(), reason="no videos beside the repository")
@pytest.mark.parametrize(("name", "folder"), [("faceforensics", "ffpp"), ("dfdc", "dfdc")])
def test_the_shared_videos_are_indexed(name: str, folder: str, tmp_path: Path) -> None:
    out = tmp_path / "manifest.parquet"
    indexed = index_folder(SHARED / folder, adapter=name, out=out, frames=3)
    assert not indexed.problems
    samples = indexed.manifest.samples
    assert set(samples["label"]) == {"real", "fake"}
    assert (samples.groupby("group").size() == 3).all()
    assert samples["pair"].ne("").all()
