"""Videos that hold a real and a forged face: told before training, then one unit a class."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.progress import Progress
from protocols.schema import load_protocol
from results.store import records
from tests.small_data import SMALL, write_dataset, write_recipe
from tests.small_study import run, study

SAID = (
    "videos: 24 of 72 videos ('one-test0' first) hold real and forged samples; each counts as two"
)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Write a dataset in which the first images of all kinds of a source are one video."""
    manifest = write_dataset(tmp_path / "data", count=8)
    table = pd.read_csv(manifest)
    number = table["path"].str.extract(r"(\w+)\.png")[0]
    alone = number.str.fullmatch(r"[a-z]+[4-7]")
    table["group"] = table["source"] + "-" + number
    table.loc[alone, "group"] += "-" + table["label"]
    table.to_csv(manifest, index=False)
    return manifest


@pytest.fixture
def protocol(tmp_path: Path) -> str:
    stated = load_protocol("cross-generator").model_dump(mode="json")
    path = tmp_path / "videos.yaml"
    path.write_text(yaml.safe_dump(stated | {"name": "videos", "levels": ["image", "video"]}))
    return str(path)


def test_a_run_on_mixed_videos_says_so_first_and_has_its_tables(
    mixed: Path, protocol: str, tmp_path: Path
) -> None:
    told: list[str] = []

    class Telling(Progress):
        def note(self, text: str) -> None:
            told.append(text)

        def phase(self, name: str, jobs: int) -> None:
            told.append(name)

    recipe = write_recipe(tmp_path, steps=4)
    run(mixed, recipe, tmp_path / "run", Telling(), study=study(recipe, protocol=protocol))
    assert told[0].startswith(SAID)
    assert told.index("train") > 0
    cells = [cell for record in records(tmp_path / "run") for cell in record.cells]
    counts = {(cell.test, cell.level): (cell.n_real, cell.n_fake) for cell in cells}
    assert counts["checker", "video"] == (8, 8)
    assert all(cell.metrics["AUC"].value is not None for cell in cells)


def test_a_plan_says_it_too_and_images_alone_need_no_word(
    mixed: Path, protocol: str, tmp_path: Path
) -> None:
    for target, said in ((protocol, True), ("cross-generator", False)):
        arguments = ["plan", target, "--data", str(mixed), "--detectors", SMALL, "--size", "tiny"]
        done = CliRunner().invoke(app, [*arguments, "--store", str(tmp_path / "store")])
        assert done.exit_code == 0, done.output
        assert ("hold real and forged samples" in " ".join(done.output.split())) is said
