"""What is written down of the perturbations holds: their quality, and the page of their levels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.perturbations import SUITES, names
from docs.scripts.perturbations import PAGE, contact_sheet, drawn_faces, page
from tests.perturbation_quality import DRAWN, PHOTOGRAPHED, ROOT, photographs, quality

KEYS = ["perturbation", "version", "severity"]


def check(found: pd.DataFrame, path: Path) -> None:
    written = pd.read_csv(path)
    pd.testing.assert_frame_equal(found[KEYS], written[KEYS])
    # A codec's next version may move a little; another level or another order moves more.
    np.testing.assert_allclose(found["psnr_db"], written["psnr_db"], atol=0.1)
    np.testing.assert_allclose(found["ssim"], written["ssim"], atol=0.003)


def test_drawn_faces_keep_their_quality() -> None:
    check(quality(drawn_faces(3)), DRAWN)


@pytest.mark.slow
def test_photographs_keep_their_quality(faces: Path) -> None:
    check(quality(photographs(faces)), PHOTOGRAPHED)


def test_the_page_of_levels_is_up_to_date() -> None:
    written = (ROOT / "docs" / PAGE).read_text(encoding="utf-8")
    assert written == page(), "run: make perturbation-page"
    assert all(f"`{name}`" in written for name in names())


def test_a_sheet_has_a_picture_for_every_severity() -> None:
    chosen = ["deeperforensics/contrast", "real-world/gamma"]
    sheet = np.asarray(contact_sheet(np.full((32, 40, 3), 200, np.uint8), chosen))
    assert sheet.shape == (2 * (32 + 18 + 4) + 4, 6 * 44 + 4, 3)
    first_row = sheet[4 + 18 + 16, 4 + 20 :: 44, 0].tolist()
    assert first_row == [200, 170, 145, 120, 95, 70]


def test_every_suite_has_its_sheet() -> None:
    for suite in SUITES:
        rows = sum(name.startswith(f"{suite}/") for name in names())
        with Image.open(ROOT / "docs" / "figures" / f"{suite}.jpg") as sheet:
            assert sheet.height == rows * (128 + 18 + 4) + 4
