import csv
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark.environment import keep_freed_memory

if TYPE_CHECKING:
    from tests.workers import Undisturbed

# As the command line does: spinning threads starve each other on shared cores.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
keep_freed_memory()
# A console that finds it when it is made keeps that width; tests set their own later.
os.environ.pop("COLUMNS", None)

FACES = Path(__file__).parents[2] / "shared" / "data" / "faces"

Pixels = NDArray[np.uint8]
MakePixels = Callable[..., Pixels]
MakeImage = Callable[..., Path]
MakeManifest = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def _figures_as_png() -> Iterator[None]:
    """Draw figures as PNG alone, half the time of a report; ``every_form`` takes it back."""
    from leaderboard.figures import drawing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "FORMS", ("png",))
        yield


@pytest.fixture(scope="module")
def every_form(_figures_as_png: None) -> Iterator[None]:
    """Write figures in all forms, as users get them."""
    from leaderboard.figures import drawing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "FORMS", tuple(drawing._FORMATS))
        yield


@pytest.fixture(scope="session")
def faces() -> Path:
    """The folder of real photographs and forgeries that lies beside the repository."""
    folder = Path(os.environ.get("FORGERYBENCH_FACES", FACES))
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"no face images at {folder}; set FORGERYBENCH_FACES to their folder")
    return folder


def draw(height: int = 48, width: int = 64, seed: int = 0) -> Pixels:
    """Smooth colours with some texture: compressible as photographs are."""
    random = np.random.default_rng(seed)
    coarse = random.integers(30, 225, (5, 5, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(smooth).astype(np.int16) + random.integers(-8, 9, (height, width, 1))
    clipped: Pixels = np.clip(noisy, 0, 255).astype(np.uint8)
    return clipped


@pytest.fixture(name="draw")
def _draw() -> MakePixels:
    """Draw (height, width, 3) uint8 from a seed."""
    return draw


@pytest.fixture
def make_image() -> MakeImage:
    """Write an image file; the suffix is its format, ``options`` are Pillow's."""

    def make(
        path: Path, *, height: int = 48, width: int = 64, seed: int = 0, **options: object
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(height, width, seed)).save(path, **options)  # type: ignore[arg-type]
        return path

    return make


@pytest.fixture
def make_manifest(tmp_path: Path, make_image: MakeImage) -> MakeManifest:
    """Write ``manifest.csv`` in ``tmp_path``; rows say what differs from a good fake and real."""

    def make(
        rows: Sequence[Mapping[str, str]] | None = None,
        *,
        images: bool = False,
        name: str = "manifest.csv",
    ) -> Path:
        taxonomy = {
            "real": {"forgery": "real", "family": "real", "generator": "camera"},
            "fake": {"forgery": "EFS", "family": "GAN", "generator": "StyleGAN"},
        }
        if rows is None:
            rows = [{"path": "a.png", "label": "real"}, {"path": "b.png", "label": "fake"}]
        full = [
            {"label": "fake", **taxonomy[row.get("label", "fake")], "split": "test", **row}
            for row in rows
        ]
        columns = list(dict.fromkeys(column for row in full for column in row))
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(full)
        for seed, row in enumerate(full if images else []):
            make_image(tmp_path / row["path"], seed=seed)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> "Undisturbed":
    """A run that one process made undisturbed, to compare those of several workers with."""
    from leaderboard.figures import drawing
    from tests.workers import make_undisturbed

    with pytest.MonkeyPatch.context() as patch:
        # Workers that are processes of their own draw figures in all forms.
        patch.setattr(drawing, "FORMS", tuple(drawing._FORMATS))
        return make_undisturbed(tmp_path_factory.mktemp("quiet"))


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that tells ``tests.mortal`` when to die, here and in every child."""
    from tests.mortal import MARKS

    folder = tmp_path / "marks"
    folder.mkdir()
    monkeypatch.setenv(MARKS, str(folder))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    return folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Write a file of a folder that is on the import path, as before any of it was loaded."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    # A module of the same size that is edited within a second would be taken for the old one.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget() -> None:
        for name, module in list(sys.modules.items()):
            if str(folder) in (getattr(module, "__file__", None) or ""):
                del sys.modules[name]
        importlib.invalidate_caches()

    def write(name: str, text: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        forget()
        return path

    yield write
    forget()


@pytest.fixture
def lay(tmp_path: Path) -> Callable[..., Path]:
    """Lay empty files, and tables with their text, into a folder."""

    def make(*paths: str, **tables: str) -> Path:
        for path in (*paths, *tables):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(tables.get(path, ""), encoding="utf-8")
        return tmp_path

    return make


@pytest.fixture
def tree(tmp_path: Path, make_image: MakeImage) -> Callable[..., Path]:
    """Make small images, all different, at the given paths of a folder."""

    def make(*paths: str, name: str = "tree") -> Path:
        for path in paths:
            make_image(tmp_path / name / path, height=16, width=16, seed=abs(hash(path)) % 2**32)
        return tmp_path / name

    return make
