from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

import detectors
from detectors import CATALOG, DetectorError, UnknownDetectorError, create_detector, detector_class
from detectors.base import Detector
from detectors.cards import CARDS
from docs.scripts.catalog import page
from docs.scripts.readme import BEGIN, END, table

ROOT = Path(__file__).parents[1]
CONTRACT = {"base", "card", "catalog", "errors", "files", "loading", "pretrained", "transform"}
CONTRACT |= {"weights", "counting", "fetching", "inference"}
# Detectors that are no names of the catalog: they are made of what a user has.
OF_A_USER = {"estimator", "exporting", "huggingface", "plain"}

OWN = """
from detectors.base import Detector
from detectors.card import Card


class Mine(Detector):
    card = Card(
        name="mine", title="Mine", paper="none", year=2025, kind="floor", fidelity="exact",
        licence="MIT", pretraining="none", fit="none",
    )

    def __init__(self, *, size="tiny", taxa=(), untrained=False, level=0.0):
        super().__init__(input_size=32, size=size, taxa=taxa, untrained=untrained)
        self.level = level

    def forward(self, inputs):
        return inputs.mean(dim=(1, 2, 3))


class Lent(Mine):
    card = {"name": "mine"}


class Silent(Detector):
    card = Mine.card


class Hasty(Mine):
    def __init__(self, **options):
        self.level = 1.0

    def forward(self, inputs):
        return inputs.mean(dim=(1, 2, 3))


class Wide(Mine):
    def forward(self, inputs):
        return inputs


class NoDetector:
    pass
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_detectors.py").write_text(OWN)
    (tmp_path / "needy_detectors.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "own_detectors"


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_every_name_of_the_catalog_leads_to_its_detector(name: str) -> None:
    assert detector_class(name).card.name == name


def test_what_is_neither_contract_nor_card_nor_part_is_a_detector() -> None:
    there = {path.stem for path in (ROOT / "detectors").glob("[a-z]*") if path.name != "py.typed"}
    of_catalog = {target.partition(":")[0].split(".")[1] for target in CATALOG.values()}
    assert there == CONTRACT | {"cards", "parts"} | OF_A_USER | of_catalog


def test_what_needs_torch_is_a_name_of_the_package_too() -> None:
    assert {"Batch", "Detector", "Known"} <= set(detectors.__all__) & set(dir(detectors))
    assert detectors.Detector is Detector
    assert (detectors.Batch.__module__, detectors.Known.__module__) == ("detectors.base",) * 2
    with pytest.raises(AttributeError, match="module 'detectors' has no attribute 'Detecter'"):
        _ = detectors.Detecter


def test_the_page_of_detectors_is_what_the_cards_say() -> None:
    text = (ROOT / "docs" / "detector-catalog.md").read_text(encoding="utf-8")
    assert text == page(), "run: make detector-page"


def test_the_readme_names_every_detector() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    wanted = [card.name for card in CARDS.values() if not card.sanity]
    assert [name for name in wanted if f"`{name}`" not in text] == []
    made = text.partition(BEGIN)[2].partition(END)[0]
    assert made.strip() == table(), "run: make detector-page"


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    said = "no detector is called 'xceptoin'; did you mean 'xception'?"
    with pytest.raises(UnknownDetectorError) as caught:
        create_detector("xceptoin")
    assert str(caught.value) == said


def test_a_name_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(UnknownDetectorError) as caught:
        create_detector("zzz")
    choices = ", ".join(sorted(CATALOG))
    assert str(caught.value) == f"no detector is called 'zzz'; there are {choices}"


def test_an_own_detector_is_found_by_module_and_class(own_module: str) -> None:
    detector = create_detector(f"{own_module}:Mine", level=2.0)
    assert detector.card.name == "mine"
    assert detector.config()["options"] == {"level": 2.0}


def test_an_entry_point_is_a_name_like_any_other(
    own_module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = "forgerybench.detectors"
    entry = EntryPoint(name="mine", value=f"{own_module}:Mine", group=group)
    monkeypatch.setattr(
        "detectors.catalog.entry_points", lambda group: [entry] if group == entry.group else []
    )
    assert create_detector("mine").card.name == "mine"
    with pytest.raises(UnknownDetectorError, match="called 'minne'; did you mean 'mine'"):
        create_detector("minne")


def test_an_entry_point_cannot_take_a_catalog_name(
    own_module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = EntryPoint(name="spectrum", value=f"{own_module}:Mine", group="forgerybench.detectors")
    monkeypatch.setattr("detectors.catalog.entry_points", lambda group: [entry])
    assert detector_class("spectrum").card.name == "spectrum"


def test_a_module_that_is_not_there_is_named() -> None:
    said = "detector 'nowhere.at_all:Mine': there is no module 'nowhere.at_all' on the import path"
    with pytest.raises(UnknownDetectorError) as caught:
        create_detector("nowhere.at_all:Mine")
    assert str(caught.value) == said


def test_a_class_that_is_not_there_is_named(own_module: str) -> None:
    said = "detector 'own_detectors:Yours': module 'own_detectors' has no 'Yours'"
    with pytest.raises(UnknownDetectorError) as caught:
        create_detector("own_detectors:Yours")
    assert str(caught.value) == said


def test_what_is_no_detector_is_refused(own_module: str) -> None:
    said = "'own_detectors:NoDetector' is no subclass of detectors.base.Detector"
    with pytest.raises(DetectorError, match=said):
        create_detector("own_detectors:NoDetector")


def test_a_need_that_an_own_module_misses_is_its_own_error(own_module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        create_detector("needy_detectors:Mine")


def test_an_option_that_a_detector_does_not_have_is_named(own_module: str) -> None:
    with pytest.raises(DetectorError, match=r"own_detectors:Mine takes other options: .*'depth'"):
        create_detector("own_detectors:Mine", depth=3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Lent", "'own_detectors:Lent' has no card: set card = Card(...) of detectors.card"),
        ("Silent", "'own_detectors:Silent' defines no forward: (B, 3, S, S) inputs to (B,) logits"),
        ("Hasty", "own_detectors:Hasty: its __init__ does not call super().__init__ first"),
        ("", "detector 'own_detectors:': one's own is named package.module:Class"),
    ],
)
def test_what_a_class_lacks_to_be_a_detector_is_said(own_module: str, name: str, said: str) -> None:
    with pytest.raises(DetectorError) as caught:
        create_detector(f"{own_module}:{name}")
    assert str(caught.value) == said


def test_more_than_one_logit_an_image_is_refused(own_module: str) -> None:
    detector = create_detector(f"{own_module}:Wide", untrained=True)
    said = r"mine gave \(2, 3, 32, 32\) for 2 images: forward gives one logit an image"
    with pytest.raises(DetectorError, match=said):
        detector.logits([torch.zeros(3, 40, 40)] * 2)


def test_a_checkpoint_has_a_name() -> None:
    with pytest.raises(UnknownDetectorError, match="'hf:' names no checkpoint: hf:owner/name"):
        create_detector("hf:")
