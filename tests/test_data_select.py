"""Part of a dataset: values of columns, and so many images of each kind."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.facts import read_dataset_facts
from benchmark.data.manifest import read_manifest
from benchmark.data.selecting import selected
from benchmark.errors import ManifestError
from tests.conftest import draw
from tests.test_data_splits import people


def test_values_of_a_column_are_alternatives_and_columns_must_agree() -> None:
    kept = selected(people(), {"source": ["a"], "generator": ["camera", "one"]})
    assert set(kept["source"]) == {"a"}
    assert set(kept["generator"]) == {"camera", "one"}
    assert len(kept) == 2 * 80


def test_a_sample_is_part_of_a_larger_one_and_no_order_changes_it() -> None:
    whole = people()
    few = selected(whole, {}, at_most=5, per=["generator"])
    more = selected(whole, {}, at_most=20, per=["generator"])
    mixed = selected(whole.sample(frac=1, random_state=1), {}, at_most=5, per=["generator"])
    assert few["generator"].value_counts().to_dict() == {"camera": 5, "one": 5, "two": 5}
    assert set(few["sample_id"]) < set(more["sample_id"])
    assert set(mixed["sample_id"]) == set(few["sample_id"])
    other = selected(whole, {}, at_most=5, per=["generator"], seed=1)
    assert set(other["sample_id"]) != set(few["sample_id"])


def test_only_what_is_named_is_thinned() -> None:
    whole = people()
    whole["split"] = whole["label"].map({"real": "train", "fake": "test"}).astype("string")
    kept = selected(whole, {}, at_most=7, among={"split": ["test"]})
    counts = Counter(zip(kept["split"], kept["label"], strict=True))
    assert counts == {("test", "fake"): 7, ("train", "real"): 120}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"source": ["c"]}, r"no sample has the source 'c'; there are a, b"),
        ({"sauce": ["a"]}, r"there is no column 'sauce'; there are sample_id"),
        ({"label": ["real"], "generator": ["one"]}, r"no sample holds all of these values"),
    ],
)
def test_what_is_not_there_is_named(where: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        selected(people(), where)


def test_the_command_writes_a_manifest_elsewhere_of_the_same_images(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    rows = [
        {"path": f"{name}.png", "label": label, "forgery": forgery, "family": family}
        | {"generator": generator, "split": "test", "source": source, "own": "x=y"}
        for name, label, forgery, family, generator, source in (
            ("a", "real", "real", "real", "camera", "FFHQ"),
            ("b", "fake", "EFS", "GAN", "StyleGAN", "FFHQ"),
            ("c", "real", "real", "real", "camera", "CelebA"),
        )
    ]
    for row in rows:
        Image.fromarray(draw(seed=len(list(folder.iterdir())))).save(folder / row["path"])
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    (folder / "manifest.json").write_text('{"format": 1, "synthetic": true, "pictures": "whole"}')
    out = tmp_path / "part.csv"
    command = ["data", "select", str(folder / "manifest.csv"), "-o", str(out)]
    done = CliRunner().invoke(app, [*command, "--where", "source=FFHQ", "--where", "own=x=y"])
    assert done.exit_code == 0, done.output
    assert "2 of 3 samples" in done.output
    part = read_manifest(out)
    assert Path(part.root) == folder
    assert list(part.samples["sample_id"]) == ["a.png", "b.png"]
    facts = read_dataset_facts(out)
    assert facts.synthetic
    assert facts.pictures == "set/whole"

    again = CliRunner().invoke(app, [*command, "--where", "source=FFHQ"])
    assert again.exit_code == 1
    assert "there is a manifest already" in again.output
    for wrong, message in (
        (["--where", "source"], "write COLUMN=VALUE"),
        (["--among", "split=test"], "give both"),
    ):
        refused = CliRunner().invoke(app, [*command[:-1], str(tmp_path / "other.csv"), *wrong])
        assert refused.exit_code != 0
        assert message in " ".join(refused.output.split())
        assert not (tmp_path / "other.csv").exists()
