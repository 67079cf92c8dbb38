"""What is published is the run's own: no link out of it, no name that a store cannot show."""

import shutil
from pathlib import Path

import fsspec
import pytest

from benchmark.data.publishing import publish
from benchmark.errors import BenchmarkError
from tests.fake_run import make_run


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder / "run", protocols=["cross-forgery"], detectors=["xception"])


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "run"))


@pytest.mark.parametrize("address", ["memory://", "s3://", "memory:///", "s3:/"])
def test_an_address_names_a_folder_of_a_store(address: str, run: Path) -> None:
    with pytest.raises(BenchmarkError, match="is no address, such as s3://bucket/folder"):
        publish(run, address)


@pytest.mark.parametrize("place", ["tables/x.csv", "link.txt"])
def test_no_link_out_of_a_run_is_published(place: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("private")
    (run / place).parent.mkdir(exist_ok=True)
    (run / place).symlink_to(tmp_path / "key")
    with pytest.raises(BenchmarkError, match=f"{place}: is a link out of the run"):
        publish(run, "memory://linked")
    assert not fsspec.filesystem("memory").exists("/linked")


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "\udcff"])
def test_names_that_cannot_be_shown_are_not_published(name: str, run: Path) -> None:
    (run / name).touch()
    with pytest.raises(BenchmarkError, match="is no plain text: rename it"):
        publish(run, "memory://named")
    assert not fsspec.filesystem("memory").exists("/named")
