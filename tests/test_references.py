"""What a run used is cited: everything in the catalogs has works, or says why it has none."""

import re
from pathlib import Path

import pytest
import yaml

from benchmark.data.adapters import adapter_names
from detectors.cards import CARDS
from leaderboard.report import report
from protocols.conditions import suites
from protocols.schema import load_protocol, protocol_names
from results.metrics.registry import METRICS
from results.references.citing import citations
from results.references.library import SUITE, Uses, uses, works
from results.run import RunContents
from results.schema import CardFacts
from results.store import read_model, write_model
from results.verifying import verify
from tests.fake_run import fake_samples, make_run

ROOT = Path(__file__).parents[1]
ENTRY = re.compile(r"@([a-z]+)\{([^,\s]+),\n((?:  [a-z]+ = \{.*\},\n)+)\}")
NEEDED = {
    "article": {"author", "title", "journal", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": {"title"},
    "techreport": {"author", "title", "institution", "year"},
}


def entries(text: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Read BibTeX: kind and fields by key; all that stands outside entries is comment."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for kind, key, body in ENTRY.findall(text):
        assert key not in found, f"{key} stands there twice"
        fields = dict(re.findall(r"^  ([a-z]+) = \{(.*)\},$", body, re.MULTILINE))
        assert len(fields) == body.count("\n"), key
        found[key] = (kind, fields)
    outside = ENTRY.sub("", text)
    assert "@" not in outside
    assert all(line.startswith("%") or not line for line in outside.splitlines())
    return found


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ("detectors", list(CARDS)),
        ("protocols", protocol_names()),
        ("perturbations", list(suites())),
        ("metrics", list(METRICS)),
    ],
    ids=["detectors", "protocols", "perturbations", "metrics"],
)
def test_all_there_is_has_works_or_says_why_not(section: str, names: list[str]) -> None:
    stated = getattr(uses(), section)
    assert sorted(stated) == sorted(names)
    assert all(cited if isinstance(cited, str) else len(cited) for cited in stated.values())


def test_every_work_is_valid_and_used() -> None:
    every = entries("\n".join(works().values()))
    assert every.keys() == works().keys()
    for key, (kind, fields) in every.items():
        assert fields.keys() >= NEEDED[kind], key
        for text in fields.values():
            assert text.count("{") == text.count("}"), key
            assert not re.search(r"(?<!\\)[&%#$]", text), key
        if "eprint" in fields:
            assert re.fullmatch(r"\d{4}\.\d{4,5}", fields["eprint"]), key
    titles = [re.sub(r"[{}]", "", fields["title"]).lower() for _, fields in every.values()]
    assert len(set(titles)) == len(titles)
    used = {
        key
        for section in Uses.model_fields
        for cited in getattr(uses(), section).values()
        if not isinstance(cited, str)
        for key in cited
    }
    assert used | {SUITE} == every.keys()


def test_an_arxiv_number_on_a_card_or_in_a_protocol_is_that_of_a_work_it_cites() -> None:
    texts = {("detectors", name): card.paper for name, card in CARDS.items()}
    texts |= {("protocols", name): load_protocol(name).citation for name in protocol_names()}
    every = entries("\n".join(works().values()))
    seen = 0
    for (section, name), text in texts.items():
        cited = getattr(uses(), section)[name]
        known = {every[key][1].get("eprint") for key in cited} if not isinstance(cited, str) else ()
        if name == "probe":  # its default backbone's
            known = {every[key][1]["eprint"] for key in uses().backbones["dinov2"]}
        for number in re.findall(r"arXiv (\d{4}\.\d{4,5})", text):
            assert number in known, f"{name}: {number}"
            seen += 1
    assert seen > 20


def test_the_suite_is_cited_as_its_own_file_says() -> None:
    stated = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    _, fields = entries(works()[SUITE])[SUITE]
    assert fields["title"] == "{" + stated["title"] + "}"
    assert fields["author"] == "{" + stated["authors"][0]["name"] + "}"
    assert fields["note"] == f"Version {stated['version']}"


def test_adapters_that_name_a_source_have_a_work() -> None:
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "benchmark" / "data" / "adapters").glob("*.py")
    )
    sources = set(re.findall(r'"source": "([^"{}]+)"', text))
    assert len(adapter_names()) > 20
    assert len(sources) > 10
    assert sources <= uses().datasets.keys()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("run"),
        samples=fake_samples(),
        protocols=["cross-dataset", "robustness-basic"],
        detectors=["mfclip", "clip-linear"],
        seeds=(0, 1),
    )


def test_a_report_cites_what_the_run_used_and_nothing_else(run: Path) -> None:
    report(run)
    text = (run / "CITATIONS.bib").read_text(encoding="utf-8")
    found = entries(text)
    assert found.keys() >= {
        "forgerybench", "zhang2025mfclip", "ojha2023univfd", "radford2021clip",
        "jiang2020deeperforensics", "yan2023deepfakebench", "karras2019stylegan",
        "hanley1982meaning", "rao1988resampling", "holm1979simple", "satterthwaite1946approximate",
    }  # fmt: skip
    assert not found.keys() & {"shiohara2022sbi", "hendrycks2019benchmarking", "cameron2011robust"}
    assert "perturbations real-world: ForgeryBench's own chains" in text
    assert list(found) == sorted(found)
    assert 'href="CITATIONS.bib"' in (run / "index.html").read_text(encoding="utf-8")
    first = (run / "CITATIONS.bib").read_bytes()
    report(run)
    assert (run / "CITATIONS.bib").read_bytes() == first


def test_a_run_without_the_file_is_as_sound_as_before(run: Path) -> None:
    report(run)
    (run / "CITATIONS.bib").unlink()
    assert verify(run).faults == ()


def test_a_detector_of_ones_own_is_cited_by_its_card_and_does_no_harm(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["everything"], detectors=["mfclip"])
    (path,) = (run / "models").glob("*.json")
    facts = read_model(run, path.stem)
    card = CardFacts(
        paper="Doe & Roe, 50 % of it}\n@misc{evil, \\input{x}",
        year=2026,
        kind="spatial",
        code="https://example.org/a_b",
        licence="",
        fidelity="",
    )
    own = {"detector": "own.net:Net", "catalog": False, "card": card, "title": "Mine @misc{x,"}
    write_model(run, facts.model_copy(update=own))
    found = entries(citations(RunContents(run), ["intervals"]))
    kind, fields = found["own-own-net-net"]
    assert kind == "misc"
    assert fields["title"] == r"Doe \& Roe, 50 \% of it) @misc(evil, /input(x)"
    assert fields["howpublished"] == r"https://example.org/a\_b"
    assert not {"zhang2025mfclip", "evil", "x"} & found.keys()


@pytest.mark.parametrize(
    ("options", "init", "pretraining", "expected"),
    [
        (
            {"pretrained": "weights/clip-vit-b16-vision"},
            "clip:abc",
            "CLIP: 400 million",
            "clip vit",
        ),
        ({"backbone": "weights/mobilenet-v2"}, "weights:abc", "DINOv2: LVD-142M", "mobilenet"),
        ({}, "weights:abc", "the backbone's own; DINOv2: LVD-142M", "dinov2"),
        ({}, "imagenet", "ImageNet-1k", "imagenet"),
        ({}, "random", "ImageNet-1k", ""),
        ({"backbone": "/home/vitali/resnet50.a1"}, "random", None, "resnet"),
    ],
)
def test_backbones_are_those_that_options_and_start_name(
    options: dict[str, str], init: str, pretraining: str | None, expected: str, tmp_path: Path
) -> None:
    run = make_run(tmp_path, protocols=["everything"], detectors=["mfclip"])
    (path,) = (run / "models").glob("*.json")
    changes = {"options": options, "init": init, "pretraining": pretraining}
    write_model(run, read_model(run, path.stem).model_copy(update=changes))
    told = citations(RunContents(run), [])
    assert sorted(re.findall(r"backbone (\w+)", told)) == expected.split()
