"""The pictures that crops were cut out of: where conditions on whole pictures and videos act."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmark.data.cutting import Cut, read_cut
from benchmark.data.images import Place, locate, whereabouts
from benchmark.data.manifest import Manifest
from benchmark.data.roots import root_of
from benchmark.errors import BenchmarkError, ImageError, ManifestError

CROP_OF, CROP_OF_SHA256, CROP_PLACE = "crop_of", "crop_of_sha256", "crop_place"


class Original(NamedTuple):
    """Where a crop comes from.

    Attributes:
        sample_id: Of the picture, in the manifest that was cropped.
        sha256: Of the file that holds it.
        cut: What the crop is of it.
    """

    sample_id: str
    sha256: str
    cut: Cut


def picture_roots(manifests: Mapping[str, Manifest]) -> dict[str, Path]:
    """Give the folder of the pictures of each dataset of crops, by role."""
    return {
        role: root_of(manifest.path, manifest.facts.pictures, links=manifest.facts.picture_links)
        for role, manifest in manifests.items()
        if manifest.facts.pictures is not None and CROP_OF in manifest.samples
    }


class Originals:
    """The pictures of a samples table's crops, by row."""

    def __init__(self, samples: pd.DataFrame, roots: Mapping[str, Path]) -> None:
        """Bind crops to their pictures.

        Args:
            samples: All datasets, in one table with the column ``dataset``.
            roots: The folder of the pictures of each dataset that has them.
        """
        self._roots, self._datasets = roots, samples["dataset"].tolist()
        known = bool(roots) and {CROP_OF, CROP_OF_SHA256, CROP_PLACE} <= set(samples)
        names = (CROP_OF, CROP_OF_SHA256, CROP_PLACE) if known else ()
        self._ids, self._hashes, self._places = (
            [samples[name].tolist() for name in names] if names else ([], [], [])
        )

    def of(self, row: int) -> Original | None:
        """Give what the sample at ``row`` is a crop of; None: it is none.

        Raises:
            ManifestError: The manifest does not say where it lies there, or which file that is.
        """
        if not self._ids or not self._ids[row] or self._datasets[row] not in self._roots:
            return None
        sample_id, sha256 = self._ids[row], self._hashes[row]
        if not sha256:  # nothing would show that what lies in any folder is the picture
            raise ManifestError(f"'{sample_id}': its crop's row has no {CROP_OF_SHA256}")
        return Original(sample_id, sha256, read_cut(self._places[row], f"'{sample_id}'"))

    def locate(self, row: int, original: Original) -> Place:
        """Find the picture of the sample at ``row``.

        Raises:
            ImageError: It is not there.
        """
        return locate(self._roots[self._datasets[row]], original.sample_id)


def check_originals(
    samples: pd.DataFrame, roots: Mapping[str, Path], *, must_be_videos: bool
) -> str | None:
    """Say which sample's picture is not there, or None; nothing is read.

    Args:
        samples: Those that are needed, with the column ``dataset``.
        roots: As ``Originals``.
        must_be_videos: Whether each must be a frame of a video.

    Raises:
        BenchmarkError: The file of a crop's picture is missing.
    """
    if CROP_OF not in samples or not roots:
        return str(samples["sample_id"].iloc[0])
    files: set[tuple[str, str]] = set()
    rows = samples[["dataset", "sample_id", CROP_OF]].itertuples(index=False, name=None)
    for dataset, sample_id, original in rows:
        (name, is_video), _ = whereabouts(original)
        if not original or dataset not in roots or (must_be_videos and not is_video):
            return str(sample_id)
        if (dataset, name) not in files:
            files.add((dataset, name))
            try:
                there = locate(roots[dataset], original).path.is_file()
            except ImageError as error:
                raise BenchmarkError(str(error)) from error
            if not there:
                raise BenchmarkError(
                    f"{roots[dataset] / name}: missing, but '{sample_id}' is a crop of it, and a "
                    "condition acts on the whole picture; 'pictures' in the .json file beside the "
                    "crops' manifest says where it must be"
                )
    return None
