"""The audit: every planted fault is found and named, and none is invented where there is none."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.audit.audit import Audit, audit
from benchmark.data.audit.likeness import alike
from benchmark.data.audit.measuring import measure
from benchmark.data.audit.page import write_audit
from benchmark.data.manifest import read_manifest
from tests.conftest import draw

PEOPLE = 60


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean dataset: sixty people, one real and one forged image each, all of one encoding."""
    folder = tmp_path_factory.mktemp("clean")
    rows = []
    for person in range(PEOPLE):
        split = "train" if person < 40 else "test"
        for label in ("real", "fake"):
            path = f"{label}/{person:03d}.jpg"
            (folder / label).mkdir(exist_ok=True)
            pixels = draw(64, 64, seed=2 * person + (label == "fake"))
            Image.fromarray(pixels).save(folder / path, quality=90)
            taxonomy = ("real", "real", "camera") if label == "real" else ("FS", "GAN", "SwapNet")
            rows.append((path, label, *taxonomy, split, "own", f"g{person}{label}", f"p{person}"))
    names = ["path", "label", "forgery", "family", "generator", "split", "source", "group"]
    pd.DataFrame(rows, columns=[*names, "identity"]).to_csv(folder / "manifest.csv", index=False)
    return folder


@pytest.fixture
def clean(plain: Path, tmp_path: Path) -> Path:
    """A copy of the clean dataset, to plant faults in."""
    folder = tmp_path / "set"
    for path in plain.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(plain)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return folder


def audited(folder: Path) -> Audit:
    return audit(read_manifest(folder / "manifest.csv"))


def changed(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """Change the manifest."""
    table = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    change(table.set_index("path")).reset_index().to_csv(folder / "manifest.csv", index=False)
    return folder


def kinds(found: Audit) -> set[str]:
    return {each.kind for each in found.findings}


def test_nothing_is_invented_on_a_clean_set(plain: Path) -> None:
    found = audited(plain)
    assert [each.sentence for each in found.findings] == []
    assert {each.clue for each in found.shortcuts} >= {"format", "border", "mean colour"}
    assert all(each.auc is not None for each in found.shortcuts)
    assert found.unstated == ("pair",)


def test_a_broken_a_missing_and_a_changed_file_are_named(clean: Path) -> None:
    (clean / "real" / "000.jpg").unlink()
    (clean / "fake" / "001.jpg").write_bytes(b"nothing")
    found = audited(clean)
    assert kinds(found) == {"broken files"}
    assert found.findings[0].number == 2
    assert "2 of 120 images cannot be used; 'fake/001.jpg': unreadable" in (
        found.findings[0].sentence
    )


@pytest.mark.parametrize("every", [False, True])
def test_labels_that_contradict_folders_are_told(every: bool, clean: Path) -> None:
    def flip(table: pd.DataFrame) -> pd.DataFrame:
        rows = table.index if every else ["real/000.jpg"]
        was_real = table.loc[rows, "label"] == "real"
        for name, real, fake in (
            ("label", "real", "fake"),
            ("forgery", "real", "FS"),
            ("family", "real", "GAN"),
            ("generator", "camera", "SwapNet"),
        ):
            table.loc[rows, name] = np.where(was_real, fake, real)
        return table

    found = audited(changed(clean, flip))
    assert "label polarity" in kinds(found)
    sentence = next(each.sentence for each in found.findings if each.kind == "label polarity")
    assert sentence.startswith("all of the 120" if every else "1 of the 120")


def test_equal_bytes_in_both_classes_and_splits_are_told(clean: Path) -> None:
    (clean / "fake" / "050.jpg").write_bytes((clean / "real" / "000.jpg").read_bytes())
    found = audited(clean)
    assert kinds(found) == {"same bytes"}
    assert {each.sentence.partition("and '")[2].partition("and '")[2][:5] for each in
            found.findings} == {"label", "split"}  # fmt: skip


@pytest.mark.parametrize(
    ("column", "kind"),
    [("group", "same group"), ("identity", "same identity"), ("pair", "same pair")],
)
def test_what_stands_in_two_splits_is_told(column: str, kind: str, clean: Path) -> None:
    def plant(table: pd.DataFrame) -> pd.DataFrame:
        table[column] = table.get(column, "")
        table.loc[["real/000.jpg", "real/050.jpg"], column] = "both"
        return table

    found = audited(changed(clean, plant))
    assert kinds(found) == {kind}
    assert found.findings[0].examples == (("real/000.jpg", "real/050.jpg"),)
    assert "'both' first" in found.findings[0].sentence


def test_one_file_in_two_splits_is_told(clean: Path) -> None:
    def plant(table: pd.DataFrame) -> pd.DataFrame:
        table["box"] = ""
        again = table.loc[["real/000.jpg"]].assign(box="0 0 32 32", split="test", identity="x")
        return pd.concat([table, again.assign(group="x")])

    assert "same file" in kinds(audited(changed(clean, plant)))


@pytest.mark.parametrize("how", ["quality", "size", "brightness"])
def test_look_alikes_across_splits_are_told(how: str, clean: Path) -> None:
    image = Image.open(clean / "real" / "000.jpg").convert("RGB")
    if how == "size":
        image = image.resize((80, 80))
    if how == "brightness":
        image = image.point(lambda value: int(0.9 * value))
    image.save(clean / "real" / "050.jpg", quality=60 if how == "quality" else 90)
    found = audited(clean)
    assert kinds(found) == {"look-alikes"}
    assert found.findings[0].examples == (("real/000.jpg", "real/050.jpg"),)


def test_a_split_of_one_class_and_a_lopsided_one_are_told(clean: Path) -> None:
    def plant(table: pd.DataFrame) -> pd.DataFrame:
        kept = (table["split"] == "train") & (
            (table["label"] == "real") | (table.index < "fake/001")
        )
        return table[kept | ((table["split"] == "test") & (table["label"] == "fake"))]

    found = [each.sentence for each in audited(changed(clean, plant)).findings]
    assert "split 'test' has fake images alone" in found
    assert "split 'train' has 40 real images for 1 of the other class" in found


def test_a_source_of_one_class_is_told(clean: Path) -> None:
    def plant(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table.index < "fake/020", "source"] = "elsewhere"
        return table

    found = [e for e in audited(changed(clean, plant)).findings if e.kind == "sources"]
    assert "1 of 2 sources have one class alone: elsewhere (fake)" in found[0].sentence


def planted(folder: Path, how: str) -> None:
    """Give all forged images a trait that has nothing to do with faces."""
    for path in sorted((folder / "fake").glob("*.jpg")):
        image = Image.open(path)
        image.load()
        if how == "format":
            image.save(path, format="PNG")
        elif how == "JPEG tables":
            image.save(path, quality=75)
        elif how == "resolution":
            image.resize((96, 96)).save(path, quality=90)
        elif how == "mean colour":
            Image.fromarray(np.minimum(np.asarray(image) * 0.5 + 120, 255).astype(np.uint8)).save(
                path, quality=90
            )
        else:
            pixels = np.asarray(image).copy()
            pixels[:8] = np.minimum(pixels[:8] // 4 + 190, 255)
            Image.fromarray(pixels).save(path, quality=90)


@pytest.mark.parametrize("how", ["format", "JPEG tables", "resolution", "mean colour", "border"])
def test_a_planted_shortcut_is_named(how: str, clean: Path) -> None:
    planted(clean, how)
    found = audited(clean)
    assert kinds(found) == {"shortcuts"}
    telling = {(each.subject, each.clue) for each in found.shortcuts if each.tells}
    assert {("all", how), ("generator SwapNet", how)} <= telling
    assert how in found.findings[0].sentence


def test_too_few_images_have_a_reason_instead_of_a_number(clean: Path) -> None:
    found = audited(changed(clean, lambda table: table[table.index.str[5:8] < "008"]))
    assert {each.reason for each in found.shortcuts} == {"fewer than 20 images of a class"}


def test_likeness_is_found_in_any_band_and_never_between_flat_pictures(tmp_path: Path) -> None:
    rows = ["path,label,forgery,family,generator,split"]
    for number in range(12):
        pixels = draw(64, 64, seed=number) if number < 8 else np.full((64, 64, 3), 90 + number)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{number:02d}.png")
        rows.append(f"{number:02d}.png,real,real,real,camera,test")
    Image.open(tmp_path / "03.png").save(tmp_path / "12.png")
    rows.append("12.png,real,real,real,camera,test")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    measures = measure(read_manifest(tmp_path / "manifest.csv"))
    assert alike(measures).tolist() == [[3, 12]]
    for bits in (1 << 5, 0b11 << 10 | 0b11 << 20 | 0b11 << 40 | 1 << 60):
        measures.prints[12] = measures.prints[3] ^ np.uint64(bits)
        assert alike(measures).tolist() == [[3, 12]]
    measures.prints[12] = measures.prints[3] ^ np.uint64(0xFF)
    assert alike(measures).tolist() == []
    measures.prints[12] = measures.prints[3]
    assert alike(measures, np.zeros(13, np.int64)).tolist() == []


def test_the_command_writes_a_page_with_pictures_and_json(clean: Path, tmp_path: Path) -> None:
    planted(clean, "format")
    (clean / "fake" / "050.jpg").write_bytes((clean / "real" / "000.jpg").read_bytes())
    arguments = ["data", "audit", str(clean / "manifest.csv"), "-o", str(tmp_path / "page")]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 1, done.output
    assert "shortcuts: all, real images of the same source: format (AUC 0.9" in done.stdout
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count("data:image/png;base64,") >= 12
    assert "same bytes" in page
    assert "default-src 'none'" in page
    told = json.loads((tmp_path / "page" / "audit.json").read_text())
    assert not told["clean"]
    assert {each["kind"] for each in told["findings"]} == {"same bytes", "shortcuts"}


def test_a_clean_set_ends_well(plain: Path, tmp_path: Path) -> None:
    arguments = ["data", "audit", str(plain / "manifest.csv"), "-o", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "Nothing found in 120 images" in done.stdout
    assert json.loads((tmp_path / "audit.json").read_text())["clean"]


def test_names_of_strangers_act_on_nobody(clean: Path, tmp_path: Path) -> None:
    def plant(table: pd.DataFrame) -> pd.DataFrame:
        table["source"] = "<script>alert(1)</script>"
        return table

    page = write_audit(audited(changed(clean, plant)), tmp_path / "page")
    assert "<script>alert" not in page.read_text()
    assert "&lt;script&gt;" in page.read_text()


def test_clues_that_tell_stand_first_on_the_page(clean: Path, tmp_path: Path) -> None:
    found = audited(clean)
    told = found.shortcuts[-1]._replace(subject="what tells", auc=0.99, low=0.98, high=1.0)
    page = write_audit(replace(found, shortcuts=(*found.shortcuts, told)), tmp_path / "page")
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>', page.read_text(encoding="utf-8"))
    assert rows[0] == "what tells"
    assert len(rows) == len(found.shortcuts) + 1


@pytest.mark.slow
def test_the_faces_are_confounded_between_sources_and_fair_within(faces: Path) -> None:
    found = audit(read_manifest(faces / "manifest.csv"))
    telling = {(each.subject, each.clue) for each in found.shortcuts if each.tells}
    assert ("all", "resolution") in telling
    assert ("source 140k", "JPEG tables") not in telling
    assert ("source 140k", "resolution") not in telling
    assert "sources" in kinds(found)
