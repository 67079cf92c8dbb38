"""Each dataset of the field on a miniature of its real layout: rows, splits and pitfalls."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.adapters import Options, load_adapter
from benchmark.data.indexing import describe, index_folder
from benchmark.data.verifying import verify
from benchmark.errors import ManifestError
from tests.test_data_trees import clip

Rows = dict[str, dict[str, str]]
SHARED = Path(__file__).parents[2] / "shared" / "data" / "videos"


@pytest.fixture
def lay(tmp_path: Path) -> Callable[..., Path]:
    """Lay empty files, and tables with their text, into a folder."""

    def make(*paths: str, **tables: str) -> Path:
        for path in (*paths, *tables):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(tables.get(path, ""), encoding="utf-8")
        return tmp_path

    return make


def read(name: str, folder: Path, **options: Any) -> tuple[Rows, Any]:
    """Read a folder by an adapter; no image is looked into."""
    described = load_adapter(name).read(folder, Options(**options))
    return {path: described.rows[path] for path in described.rows}, described


def expect(row: Mapping[str, str], **columns: str) -> None:
    assert {name: row[name] for name in columns} == columns


FF = (
    "original_sequences/youtube/c23/videos/953.mp4",
    "original_sequences/youtube/c23/videos/001.mp4",
    "manipulated_sequences/Deepfakes/c23/videos/953_974.mp4",
    "manipulated_sequences/NeuralTextures/c40/frames/974_953/0001.png",
    "manipulated_sequences/Deepfakes/c23/masks/953_974/0001.png",
    "original_sequences/actors/c23/videos/01__exit_phone_room.mp4",
    "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__exit_phone_room__ABC123.mp4",
)


def test_faceforensics(lay: Callable[..., Path]) -> None:
    folder = lay(
        *FF, **{"splits/train.json": '[["953", "974"], ["3", "4"]]', "splits/test.json": "[]"}
    )
    rows, described = read("faceforensics", folder)
    assert len(rows) == 5
    real, swap, texture = rows[FF[0]], rows[FF[2]], rows[FF[3]]
    expect(real, label="real", source="FF++", split="train", identity="953", compression="c23")
    expect(swap, label="fake", generator="Deepfakes", forgery="FS", identity="953", donor="974")
    expect(swap, group="manipulated_sequences/Deepfakes/c23/953_974", split="train")
    expect(texture, forgery="FR", compression="c40", split="train")
    assert len({row["pair"] for row in (real, swap, texture)}) == 1
    expect(rows[FF[5]], label="real", source="DFD", identity="01", split="test")
    expect(rows[FF[6]], generator="DeepFakeDetection", source="DFD", pair="01__exit_phone_room")
    assert described.missing == ("3", "4")
    assert described.ignored["file in no split of the official split; --splits takes them"] == 1
    assert any("2 files stand in no official split, so all are test" in n for n in described.notes)


def test_faceforensics_without_its_splits_is_test_and_says_so(lay: Callable[..., Path]) -> None:
    rows, described = read("faceforensics", lay(*FF))
    assert {row["split"] for row in rows.values()} == {"test"}
    assert "lay them there for the official 720 / 140 / 140" in described.notes[0]
    shared, described = read("faceforensics", lay(*FF), splits=(0.5, 0.0, 0.5))
    assert "these splits are yours and not the dataset's" in described.notes[0]
    assert len({shared[path]["split"] for path in (FF[0], FF[2], FF[3])}) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[["953"]]', r'must be a list of pairs like \["953", "974"\]'),
        ("{}", "must be a list of pairs"),
        ("[[", "not JSON"),
    ],
)
def test_damaged_splits_are_named(text: str, sentence: str, lay: Callable[..., Path]) -> None:
    with pytest.raises(ManifestError, match=rf"train\.json: {sentence}"):
        read("faceforensics", lay(*FF, **{"train.json": text}))


def test_faceforensics_of_one_compression(lay: Callable[..., Path]) -> None:
    adapter = load_adapter("faceforensics")
    folder = lay(FF[3], "original_sequences/youtube/c23/frames/953/1.png")
    _, rows = describe(adapter, folder, Options(only={"compression": "c40"}))
    assert list(rows) == [FF[3]]
    with pytest.raises(ManifestError, match="no 'compression' is 'c99'; there are c23, c40"):
        describe(adapter, folder, Options(only={"compression": "c99"}))


CELEB = (
    "Celeb-real/id0_0000.mp4",
    "Celeb-real/videos/id0_0001.mp4",
    "YouTube-real/frames/00170/0.png",
    "Celeb-synthesis/id0_id1_0000.mp4",
    "Celeb-synthesis/id0_id1_0001.mp4",
)
LIST = (
    "1 YouTube-real/00170.mp4\r\n1 Celeb-real/id0_0000.mp4\r\n"
    "0 Celeb-synthesis/id0_id1_0000.mp4\r\n"
)


@pytest.mark.parametrize("name", ["celeb-df-v1", "celeb-df-v2"])
def test_celeb_df(name: str, lay: Callable[..., Path]) -> None:
    text = LIST + "0 Celeb-synthesis/id9_id8_0000.mp4\n"
    rows, described = read(name, lay(*CELEB, **{"List_of_testing_videos.txt": text}))
    assert set(rows) == {CELEB[0], CELEB[2], CELEB[3]}
    expect(rows[CELEB[2]], label="real", split="test", group="YouTube-real/00170")
    expect(rows[CELEB[3]], label="fake", identity="id0", donor="id1", pair="id0_0000")
    assert rows[CELEB[0]]["pair"] == "id0_0000"
    assert described.missing == ("celeb-synthesis/id9_id8_0000",)
    shared, _ = read(name, lay(*CELEB), splits=(0.5, 0.5, 0.0))
    assert len(shared) == 5
    assert {shared[path]["split"] for path in (CELEB[0], CELEB[2], CELEB[3])} == {"test"}
    assert shared[CELEB[1]]["split"] == shared[CELEB[4]]["split"] != "test"


def test_a_list_that_is_read_the_wrong_way_round_is_refused(lay: Callable[..., Path]) -> None:
    text = "\n".join(f"{1 - int(line[0])}{line[1:]}" for line in LIST.split("\r\n") if line)
    with pytest.raises(ManifestError, match=r"says that '.*' is fake, its folder says real"):
        read("celeb-df-v2", lay(*CELEB, **{"List_of_testing_videos.txt": text}))


def test_celeb_df_plus_plus_keeps_methods_apart(lay: Callable[..., Path]) -> None:
    swaps = [f"Celeb-synthesis/FaceSwap/{m}/id0_id1_0000.mp4" for m in ("SimSwap", "Celeb-DF-v2")]
    talk = "Celeb-synthesis/TalkingFace/FLOAT/id0_0000_test_3.mp4"
    text = f"0 {swaps[0]}\n0 {talk}\n"
    folder = lay(*swaps, talk, **{"List_of_testing_videos.txt": text})
    rows, _ = read("celeb-df-pp", folder)
    assert set(rows) == {swaps[0], talk}
    expect(rows[swaps[0]], generator="SimSwap", forgery="FS", identity="id0", donor="id1")
    expect(rows[talk], generator="FLOAT", forgery="FR", pair="id0_0000", donor="")
    both, _ = read("celeb-df-pp", folder, splits=(1.0, 0.0, 0.0))
    expect(both[swaps[1]], generator="Celeb-DF", split="train")


def test_dfdc(lay: Callable[..., Path]) -> None:
    paths = (
        "train/dfdc_train_part_0/abcdefghij.mp4",
        "train/dfdc_train_part_0/bcdefghijk.mp4",
        "test/frames/cdefghijkl/0.png",
    )
    table = {
        "abcdefghij.mp4": {"label": "FAKE", "split": "train", "original": "bcdefghijk.mp4"},
        "bcdefghijk.mp4": {"label": "REAL", "split": "train", "original": None},
        "zzzzzzzzzz.mp4": {"label": "REAL", "split": "train"},
    }
    files = {
        "train/dfdc_train_part_0/metadata.json": json.dumps(table),
        "test/labels.csv": "\ufefffilename;label\r\ncdefghijkl.mp4;1\r\n",
    }
    rows, described = read("dfdc", lay(*paths, **files))
    expect(rows[paths[0]], label="fake", generator="DFDC", split="train", pair="bcdefghijk")
    expect(rows[paths[1]], label="real", generator="camera", pair="bcdefghijk")
    expect(rows[paths[2]], label="fake", split="test", group="test/cdefghijkl")
    assert described.missing == ("zzzzzzzzzz",)
    with pytest.raises(ManifestError, match="has label 'MAYBE', not REAL, FAKE, 0 or 1"):
        read("dfdc", lay(**{"test/labels.csv": "filename,label\ncdefghijkl.mp4,MAYBE\n"}))


def test_dfdcp(lay: Callable[..., Path]) -> None:
    real = "original_videos/643049/643049_C/643049_C_000.mp4"
    fakes = [f"method_{m}/643049/643049_C/111111_643049_C_000.mp4" for m in ("A", "B")]
    table = {
        fakes[0]: {"label": "fake", "set": "train"},
        fakes[1]: {"label": "fake", "set": "test"},
        real: {"label": "real", "set": "test"},
    }
    rows, _ = read("dfdcp", lay(real, *fakes, **{"dataset.json": json.dumps(table)}))
    assert [rows[path]["split"] for path in (*fakes, real)] == ["train", "test", "test"]
    expect(rows[fakes[1]], generator="DFDCP-B", identity="643049", donor="111111")
    assert rows[fakes[0]]["pair"] == rows[real]["pair"] == "643049_C_000"


def test_deeperforensics(lay: Callable[..., Path]) -> None:
    fakes = [f"manipulated_videos/{v}/000_M101.mp4" for v in ("end_to_end", "end_to_end_level_1")]
    real = "source_videos/M101/light_uniform/surprise/camera_front.mp4"
    rows, _ = read(
        "deeperforensics", lay(*fakes, real, **{"lists/splits/val.txt": "000_M101.mp4\n"})
    )
    assert [rows[path]["split"] for path in fakes] == ["val", "val"]
    expect(rows[fakes[1]], source="FF++", identity="M101", pair="000_M101", forgery="FS")
    expect(rows[real], label="real", source="DF-1.0 actors", identity="M101", split="test")


def test_uadfv(lay: Callable[..., Path]) -> None:
    rows, described = read("uadfv", lay("real/0001.mp4", "fake/frames/0001_fake/0.png"))
    assert {row["pair"] for row in rows.values()} == {"0001"}
    assert "in no official split" in described.notes[0]


def test_ffiw(lay: Callable[..., Path]) -> None:
    paths = ("source/val/videos/val_00000001.mp4", "target/val/videos/val_00000001.mp4")
    rows, described = read("ffiw", lay(*paths, "target_mask/val/videos/val_00000001.mp4"))
    assert [rows[path]["label"] for path in paths] == ["real", "fake"]
    assert rows[paths[0]]["group"] != rows[paths[1]]["group"]
    assert rows[paths[0]]["split"] == "val"
    assert described.ignored == {"folder 'target_mask', passed over by its name": 1}


def test_wilddeepfake(lay: Callable[..., Path]) -> None:
    paths = ("real_test/3/real/12/7.png", "fake_train/3/fake/12/10.png", "fake_test/3/12/1.png")
    rows, _ = read("wilddeepfake", lay(*paths))
    expect(rows[paths[0]], label="real", split="test", group="real_test/3/real/12")
    assert len({row["group"] for row in rows.values()}) == 3


def test_genface(lay: Callable[..., Path]) -> None:
    paths = {
        "train/fake/EFS/Diffusion/latentdiffusion_1.png": ("LatDiff", "EFS", "diffusion"),
        "train/fake/EFS/Diffusion/colladiffusion_1.png": ("CollDiff", "EFS", "diffusion"),
        "train/fake/EFS/GAN/1.png": ("StyleGAN3", "EFS", "GAN"),
        "val/fake/AM/Diffusion/1.png": ("Diffae", "AM", "diffusion"),
        "test/fake/FS/Diffusion/1.png": ("DiffFace", "FS", "diffusion"),
        "test/fake/FS/GAN/1_2_FSLSD.png": ("FSLSD", "FS", "GAN"),
    }
    folder = lay("test/real/CelebA_HQ/1.jpg", *paths)
    rows, _ = read("genface", folder, source={"LatDiff": "FFHQ"})
    for path, (generator, forgery, family) in paths.items():
        expect(rows[path], generator=generator, forgery=forgery, family=family)
        assert rows[path]["split"] == path.partition("/")[0]
    expect(rows["test/real/CelebA_HQ/1.jpg"], source="CelebA-HQ", label="real")
    assert rows["train/fake/EFS/Diffusion/latentdiffusion_1.png"]["source"] == "FFHQ"


@pytest.mark.parametrize("outer", ["stable_diffusion_v_1_4/imagenet_ai_0419_sdv4", "sdv4"])
def test_genimage_at_both_depths(outer: str, lay: Callable[..., Path]) -> None:
    paths = (f"{outer}/val/nature/ILSVRC.JPEG", f"{outer}/train/ai/1.png", f"{outer}/val/ai/2.png")
    rows, _ = read("genimage", lay(*(path.replace("JPEG", "jpeg") for path in paths)))
    assert {row["source"] for row in rows.values()} == {"SD v1.4"}
    expect(rows[paths[1]], label="fake", generator="SD v1.4", split="train", family="diffusion")
    expect(rows[paths[2]], split="test")
    assert rows[paths[0].replace("JPEG", "jpeg")]["label"] == "real"


def test_forensynths(lay: Callable[..., Path]) -> None:
    rows, _ = read(
        "forensynths",
        lay(
            "train/airplane/0_real/1.png",
            "val/progan/car/1_fake/1.png",
            "test/stylegan2/horse/1_fake/1.png",
            "test/seeingdark/0_real/1.png",
            "ldm_200/1_fake/1.png",
        ),
    )
    expect(rows["train/airplane/0_real/1.png"], label="real", source="ProGAN", split="train")
    expect(rows["val/progan/car/1_fake/1.png"], generator="ProGAN", family="GAN", split="val")
    expect(rows["test/stylegan2/horse/1_fake/1.png"], generator="StyleGAN2", split="test")
    expect(rows["test/seeingdark/0_real/1.png"], source="SITD")
    expect(rows["ldm_200/1_fake/1.png"], generator="ldm_200", split="test")


def test_df40(lay: Callable[..., Path]) -> None:
    paths = {
        "DF40/danet/ff/frames/000_003/0.png": ("dagan", "FR", "FF++", "test"),
        "DF40_train/inswap/ff/001_870/0.png": ("inswap", "FS", "FF++", "train"),
        "DF40/simswap/cdf/id0_id1_0000/0.png": ("simswap", "FS", "Celeb-DF-v2", "test"),
        "DF40/MidJourney/fake/x/0.png": ("MidJourney", "EFS", "MidJourney", "test"),
        "DF40/sd2.1/ff/000/0.png": ("sd2.1", "EFS", "FF++", "test"),
    }
    rows, _ = read("df40", lay(*paths, "DF40/MidJourney/real/y/0.png"))
    for path, (generator, forgery, source, split) in paths.items():
        expect(rows[path], generator=generator, forgery=forgery, source=source, split=split)
    expect(rows["DF40/danet/ff/frames/000_003/0.png"], identity="000", donor="003")
    expect(rows["DF40/MidJourney/real/y/0.png"], label="real", source="MidJourney")


def test_gend(lay: Callable[..., Path]) -> None:
    paths = {
        "FF/real/000/1.png": "real",
        "FF/DF/000_003/1.png": "fake",
        "CDFv2/YouTube-real/00170/1.png": "real",
        "FFIW/val-fake/v/1.png": "fake",
        "FakeAVCeleb/RV-RA-real/v/1.png": "real",
    }
    rows, described = read("gend", lay(*paths, "FF/unreal/000/1.png"))
    assert {path: row["label"] for path, row in rows.items()} == paths
    expect(rows["FF/DF/000_003/1.png"], generator="DF", source="FF", pair="000")
    assert rows["FFIW/val-fake/v/1.png"]["split"] == "val"
    assert described.ignored == {"file that is no part of the dataset": 1}


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


def test_a_copy_is_held_against_what_was_published(lay: Callable[..., Path]) -> None:
    ends = {"real": "", "fake": "_fake"}
    paths = [f"{label}/{n:04d}{end}.mp4" for label, end in ends.items() for n in range(49)]
    folder = lay(*paths)
    found = verify(folder, "uadfv")
    assert [each.found for each in found.counts] == [49, 49]
    assert found.coverage == 1.0
    for path in paths[:10]:
        (folder / path).unlink()
    (folder / "fake" / "0100_fake.mp4").write_text("")
    assert verify(folder, "uadfv").coverage == pytest.approx(39 / 49)
    told = CliRunner().invoke(app, ["data", "verify", "uadfv", str(folder)], env={"COLUMNS": "200"})
    assert told.exit_code == 1
    assert "Coverage: 79.6% of the count that lacks most" in told.stdout
    cells = [line.split("│")[2:7] for line in told.stdout.splitlines() if "49 videos" in line]
    assert [[cell.strip() for cell in row[2:]] for row in cells] == [
        ["39", "10", "0"],
        ["50", "0", "1"],
    ]
    passing = ["data", "verify", "uadfv", str(folder), "--min-coverage", "0.7"]
    assert CliRunner().invoke(app, passing).exit_code == 0


def test_what_a_list_names_and_is_missing_is_an_error(lay: Callable[..., Path]) -> None:
    text = LIST + "0 Celeb-synthesis/id9_id8_0000.mp4\n"
    folder = lay(*CELEB, **{"List_of_testing_videos.txt": text})
    told = CliRunner().invoke(app, ["data", "verify", "celeb-df-v2", str(folder)])
    assert told.exit_code == 1
    assert "missing: 1 that its lists name: celeb-synthesis/id9_id8_0000" in told.stdout
    with pytest.raises(ManifestError, match="knows no published counts"):
        verify(lay("DF40/x/ff/1/0.png"), "df40")


def test_one_adapter_is_shown_in_full() -> None:
    told = CliRunner().invoke(app, ["data", "adapters", "celeb-df-v2"], env={"COLUMNS": "200"})
    assert told.exit_code == 0, told.output
    for text in ("marks real videos with 1", "ask the authors", "5639 videos", "research only"):
        assert text in told.stdout


def test_published_counts_stand_beside_the_found_ones(lay: Callable[..., Path]) -> None:
    folder = lay("real/0001.mp4", "fake/0001_fake.mp4")
    told = CliRunner().invoke(app, ["data", "index", "uadfv", str(folder)], env={"COLUMNS": "200"})
    assert "49 videos" in told.stdout
    assert "forged: what lies in fake" in told.stdout
    assert told.exit_code == 1
    assert "real/0001.mp4#frame=0: the file is empty" in told.stderr
