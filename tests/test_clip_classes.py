from typing import Any

import pytest
import torch

from detectors import DetectorError
from detectors.clip_classes import ClipClasses
from detectors.clip_finetune import ClipFinetune
from tests.test_mfclip import TAXA


def build(cls: type[ClipFinetune] = ClipClasses, **options: Any) -> ClipFinetune:
    torch.manual_seed(0)
    return cls(**{"size": "tiny", "taxa": TAXA, **options})


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_it_has_the_classes_of_the_detector_that_reads_texts(levels: int) -> None:
    control, reads = build(levels=levels), build(ClipFinetune, levels=levels)
    assert torch.equal(control.class_of_taxon, reads.class_of_taxon)
    assert torch.equal(control.is_fake, reads.is_fake)
    assert control.language().shape == reads.language().shape


def test_a_class_is_a_free_vector_and_no_text() -> None:
    control, reads = build(), build(ClipFinetune, levels=4)
    size = len(control.is_fake) * control.image.outputs
    own = {name: p.numel() for name, p in control.language.named_parameters()}
    assert own == {"reader.rows": size}
    both = [sum(p.numel() for p in each.image.parameters()) for each in (control, reads)]
    assert both[0] == both[1]


@pytest.mark.parametrize("option", ["text_encoder", "text_tuning", "wording"])
def test_options_of_texts_are_refused(option: str) -> None:
    with pytest.raises(DetectorError, match=f"clip-classes has no text: leave out {option}"):
        ClipClasses(size="tiny", taxa=TAXA, **{option: "frozen"})  # type: ignore[arg-type]
