"""What a command asks for, checked before anything heavy is imported: names, files, folders."""

from pathlib import Path

from benchmark.binding import Data, bound_paths, load_protocols
from benchmark.definition import Study
from benchmark.environment import check_device
from benchmark.errors import BenchmarkError
from benchmark.recipe import load_recipe
from detectors.catalog import catalog_target


def check_asked(
    study: Study,
    data: Data,
    *,
    out: Path | None = None,
    device: str = "auto",
    allow_missing: bool = False,
) -> None:
    """Refuse at once what a run would refuse later, as far as no torch is needed to tell.

    Raises:
        BenchmarkError, ProtocolError, DetectorError: As ``benchmark.study.run``.
    """
    check_device(device)
    protocols = load_protocols(study)
    for entry in study.detectors:
        catalog_target(entry.detector)
        if entry.recipe:
            load_recipe(entry.recipe)
    bound_paths(protocols, data, allow_missing=allow_missing)
    if out is not None:
        check_folder(out)


def check_folder(out: Path) -> None:
    """Refuse a folder that no run can be in.

    Raises:
        BenchmarkError: It, or what it would lie in, is a file; or it holds other things.
    """
    above = next((path for path in (out, *out.parents) if path.exists()), out)
    if not above.is_dir():
        what = "a file" if above == out else f"in {above}, which is a file"
        raise BenchmarkError(f"--out {out} is {what}: choose another folder")
    if out.is_dir() and not (out / "run.json").is_file():
        other = [p.name for p in out.iterdir() if p.name not in (".lock", "samples.parquet")]
        if other:
            raise BenchmarkError(
                f"{out} holds other files ({other[0]}) and no run: choose a new folder"
            )
