"""Dataset adapters: what holds for every one, and that a new one is a file and nothing else."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data import adapters
from benchmark.data.adapters import Options, adapter_names, load_adapter
from benchmark.data.indexing import index_folder
from benchmark.errors import ManifestError
from protocols.errors import UnknownNameError

TOY = """
from pathlib import Path

from benchmark.data.adapters import Adapter, Described, Options
from benchmark.data.tree import list_images


def read(folder: Path, options: Options) -> Described:
    listed = list_images(folder)
    rows = {}
    for path in listed.images:
        label, name = Path(path).parts[0].split("-")
        kind = ("real",) * 2 if label == "real" else ("EFS", "GAN")
        row = dict(zip(("forgery", "family"), kind), label=label, generator=name, split="test")
        rows[path] = row | {"source": "toys"}
    return Described(rows=rows, ignored=listed.ignored)


ADAPTER = Adapter(
    name="toy-set",
    title="Toys",
    layout="{real,fake}-NAME/...",
    options=frozenset({"videos"}),
    read=read,
)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put one file into the folder of adapters."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "toy_set.py").write_text(TOY)
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path / "more")])
    yield
    sys.modules.pop(f"{adapters.__name__}.toy_set", None)
    vars(adapters).pop("toy_set", None)


@pytest.fixture
def toys(tmp_path: Path, make_image: Callable[..., Path]) -> Path:
    """A folder that lies as toys do."""
    for seed, name in enumerate(("real-cam/1.png", "fake-StyleGAN/1.png")):
        make_image(tmp_path / "toys" / name, seed=seed)
    (tmp_path / "toys" / "note.txt").touch()
    return tmp_path / "toys"


@pytest.mark.parametrize("name", adapter_names())
def test_an_adapter_says_what_it_is_in_one_line_each(name: str) -> None:
    adapter = load_adapter(name)
    assert adapter.name == name
    assert adapter.options <= {option.name for option in fields(Options)}
    for text in (adapter.title, adapter.layout):
        assert text == text.strip()
        assert text.isprintable()
        assert text


@pytest.mark.parametrize("name", adapter_names())
def test_an_adapter_refuses_a_folder_without_images_in_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        index_folder(tmp_path, adapter=name)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_names_are_known_before_anything_is_loaded() -> None:
    assert "folders" in adapter_names()
    with pytest.raises(UnknownNameError, match="no adapter is called 'folder'; did you mean 'fold"):
        load_adapter("folder")


def test_one_file_makes_a_new_adapter(toy: None, toys: Path) -> None:
    assert {"folders", "toy-set"} <= set(adapter_names())
    indexed = index_folder(toys, adapter="toy-set")
    samples = indexed.manifest.samples.set_index("sample_id")
    assert samples["generator"].to_dict() == {
        "fake-StyleGAN/1.png": "StyleGAN",
        "real-cam/1.png": "cam",
    }
    assert set(samples["source"]) == {"toys"}
    assert (samples["sha256"].str.len() == 64).all()
    assert indexed.ignored == {".txt file": 1}


def test_an_option_that_an_adapter_does_not_take_is_refused(toy: None, toys: Path) -> None:
    with pytest.raises(ManifestError, match="'toy-set' takes no splits; it takes videos"):
        index_folder(toys, adapter="toy-set", splits=(0.8, 0.1, 0.1))
    assert not (toys / "manifest.csv").exists()


def test_the_commands_list_adapters_and_take_one(toy: None, toys: Path) -> None:
    listed = CliRunner().invoke(app, ["data", "adapters"], env={"COLUMNS": "200"})
    assert listed.exit_code == 0, listed.output
    for text in (
        "folders",
        "Any folder of images or videos",
        "toy-set",
        "Toys",
        "{real,fake}-NAME/...",
    ):
        assert text in listed.stdout
    done = CliRunner().invoke(app, ["data", "index", "toy-set", str(toys)])
    assert done.exit_code == 0, done.output
    assert "manifest.csv (2 images)" in done.stdout
    refused = CliRunner().invoke(app, ["data", "index", "toys", str(toys)])
    assert refused.exit_code == 1
    assert "no adapter is called 'toys'; did you mean 'toy-set'?" in refused.stderr
