"""Each dataset of the field on a miniature of its real layout: rows, splits and pitfalls."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.adapters import Options, load_adapter
from benchmark.data.indexing import describe_folder
from benchmark.data.verifying import verify_copy
from benchmark.errors import ManifestError
from tests.layouts import expect, read

SHARED = Path(__file__).parents[2] / "shared" / "data" / "videos"


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
    _, rows = describe_folder(adapter, folder, Options(only={"compression": "c40"}))
    assert list(rows) == [FF[3]]
    with pytest.raises(ManifestError, match="no 'compression' is 'c99'; there are c23, c40"):
        describe_folder(adapter, folder, Options(only={"compression": "c99"}))


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


def test_frames_in_lmdb_are_to_be_unpacked(lay: Callable[..., Path]) -> None:
    folder = lay("lmdb/FaceForensics++_lmdb/data.mdb", "a.json")
    with pytest.raises(ManifestError, match=r"data\.mdb: frames in LMDB become files first: 'f"):
        read("deepfakebench", folder)


def test_a_copy_is_held_against_what_was_published(lay: Callable[..., Path]) -> None:
    ends = {"real": "", "fake": "_fake"}
    paths = [f"{label}/{n:04d}{end}.mp4" for label, end in ends.items() for n in range(49)]
    folder = lay(*paths)
    found = verify_copy(folder, "uadfv")
    assert [each.found for each in found.counts] == [49, 49]
    assert found.coverage == 1.0
    for path in paths[:10]:
        (folder / path).unlink()
    (folder / "fake" / "0100_fake.mp4").write_text("")
    assert verify_copy(folder, "uadfv").coverage == pytest.approx(39 / 49)
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
        verify_copy(lay("DF40/x/ff/1/0.png"), "df40")


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


def test_diffusionface_by_the_ways_of_its_paper(lay: Callable[..., Path]) -> None:
    rows, described = read(
        "diffusionface",
        lay(
            "real/0001.jpg",
            "Unconditional/ADM/1.png",
            "Text2Img/SDv1.5/train/a/1.png",
            "i2i/test/SDXL/1.png",
            "val/inpaint/LDM/1.png",
            "Swap/1.png",
        ),
    )
    found = {
        row["generator"]: (row["forgery"], row["family"], row["split"]) for row in rows.values()
    }
    assert found == {
        "camera": ("real", "real", "test"),
        "ADM": ("EFS", "diffusion", "test"),
        "SDv1.5": ("EFS", "diffusion", "train"),
        "SDXL": ("EFS", "diffusion", "test"),
        "LDM": ("AM", "diffusion", "val"),
        "Swap": ("FS", "diffusion", "test"),
    }
    assert {row["source"] for row in rows.values()} == {"DiffusionFace"}
    assert any("stand in no official split" in note for note in described.notes)
