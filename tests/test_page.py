"""The page: whole in itself, safe with hostile names, honest about what it shows."""

import re
from html.parser import HTMLParser
from pathlib import Path

from leaderboard.report import report
from leaderboard.tables.summary import summary_tables
from leaderboard.tables.table import DASH
from results.run import RunContents
from results.sealing import seal_run
from results.store import read_model, read_run, write_model, write_run
from tests.fake_run import Generator, contexts, fake_samples, make_run

HOSTILE = '<script>alert("x")</script>'


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.widths: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.widths += [value or "" for name, value in attrs if name == "width"]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]


def page(folder: Path, **options: object) -> tuple[str, _Tags]:
    text = report(make_run(folder, **options)).read_text(encoding="utf-8")  # type: ignore[arg-type]
    tags = _Tags()
    tags.feed(text)
    return text, tags


def test_hostile_names_are_shown_and_never_run(tmp_path: Path) -> None:
    samples = fake_samples([Generator(HOSTILE, "EFS", "GAN", HOSTILE, 12)], {HOSTILE: 12})
    text, tags = page(
        tmp_path,
        samples=samples,
        protocols=["cross-generator"],
        detectors=["xception", HOSTILE],
        title=HOSTILE,
    )
    assert tags.tags.count("script") == 1, "the page's own"
    assert "&lt;script&gt;" in text


def test_names_with_quotes_and_long_names_stay_text(tmp_path: Path) -> None:
    name = "\"'><img src=x onerror=alert(1)> &amp; " + "x" * 60
    samples = fake_samples([Generator(name, "EFS", "GAN", name, 12)], {name: 12})
    _, tags = page(
        tmp_path, samples=samples, protocols=["cross-generator"], detectors=["xception", name]
    )
    assert not [address for address in tags.addresses if address == "x"]
    # Whole in the tables, shortened in figures, whose size no name changes.
    assert max(int(width) for width in tags.widths) <= 1100


def test_of_many_detectors_training_is_folded_and_colours_are_explained(tmp_path: Path) -> None:
    few, many = (
        page(tmp_path / str(n), protocols=["cross-dataset"], detectors=[f"d{i}" for i in range(n)])
        for n in (4, 9)
    )
    assert "<summary>d3</summary>" not in few[0]
    assert "All detectors" not in few[0]
    assert many[0].count('src="figures/training.png"') == 1
    assert many[0].index("figures/training.png") < many[0].index("<summary>d3</summary>")
    assert "tables name the others" not in few[0]
    assert "Coloured are the detectors that are best on average" in many[0]


def test_the_page_needs_nothing_beside_itself_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    _, tags = page(
        tmp_path, protocols=["cross-forgery", "robustness-basic"], detectors=["mfclip", "spectrum"]
    )
    outside = [a for a in tags.addresses if not a.startswith(("data:", "#"))]
    assert outside
    assert not [address for address in outside if re.match(r"[a-z]+:|//", address)]
    assert not [address for address in outside if not (tmp_path / address).is_file()]
    assert not {"link", "iframe", "base", "object", "form"} & set(tags.tags)
    assert tags.tags.count("script") == 1, "inside the page"


def test_a_footnote_of_several_tables_stands_on_the_page_once(tmp_path: Path) -> None:
    text, _ = page(tmp_path, protocols=["cross-forgery"], detectors=["mfclip", "spectrum"])
    shared = "In parentheses: 95 % interval by resampling clusters"
    assert len(re.findall(rf'<li id="note-[0-9]+">{shared}', text)) == 1
    assert len(re.findall(rf"<li>{shared}", text)) == 0
    assert text.count(f'title="{shared}') >= 2, "each table names its number"


def test_synthetic_data_and_random_starts_are_told_after_the_answer(tmp_path: Path) -> None:
    text, _ = page(
        tmp_path / "a", protocols=["cross-forgery"], detectors=["mfclip"], synthetic=True
    )
    assert "Synthetic data: proves the machinery, not a detector" in text
    assert "MFCLIP started from" in text
    assert "MFCLIP at size <code>tiny</code>" in text
    text, _ = page(tmp_path / "b", protocols=["cross-forgery"], detectors=["spectrum"])
    assert "Synthetic data" not in text
    assert "started from" not in text
    assert "Not the published networks" not in text


def test_a_random_start_is_no_warning_where_the_published_detector_has_one_too(
    tmp_path: Path,
) -> None:
    run = make_run(
        tmp_path, protocols=["cross-forgery"], detectors=["mfclip", "xception", "clip-linear"]
    )
    told = {"mfclip": "none", "xception": "ImageNet-1k", "clip-linear": "ImageNet-1k"}
    for model in RunContents(run).models.values():
        write_model(run, model.model_copy(update={"pretraining": told[model.detector]}))
    seal_run(run)
    text = report(run).read_text(encoding="utf-8")
    told_once = (
        "Xception, CLIP linear (published with pretrained weights: ImageNet-1k) started from"
    )
    assert told_once in text
    assert text.count("started from") == 1
    assert "MFCLIP started" not in text
    assert "MFCLIP (published" not in text


def test_a_run_with_a_part_of_the_training_sets_says_which(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    assert "This run is a part of it" not in report(run).read_text(encoding="utf-8")
    facts = read_run(run)
    kept = [entry for entry in facts.entries if entry.training != "AM"]
    write_run(run, facts.model_copy(update={"entries": kept}))
    seal_run(run)
    text = report(run).read_text(encoding="utf-8")
    assert "2 of the protocol&#39;s 3 training sets: EFS, FS." in text


def test_images_that_were_left_out_stand_beside_the_fingerprint(tmp_path: Path) -> None:
    samples = fake_samples()
    samples.loc[:2, "problem"] = "does not decode"
    text, _ = page(tmp_path, samples=samples, protocols=["cross-forgery"], detectors=["spectrum"])
    assert re.search(r"</code> \(3 of [0-9,]+ left out\)", text)


def test_what_is_not_trained_in_steps_has_no_recipe(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    for model in RunContents(run).models.values():
        write_model(run, model.model_copy(update={"recipe": "none", "recipe_values": {}}))
    seal_run(run)
    text = report(run).read_text(encoding="utf-8")
    assert "Recipe none" not in text
    assert "<td>0.0</td>" not in text, "and no epochs"


def test_the_facts_of_the_study_stand_on_the_page(tmp_path: Path) -> None:
    text, _ = page(tmp_path, protocols=["cross-dataset"], detectors=["xception"])
    for fact in ("fingerprint", "torch 2.11.0", "all epochs done", "learning_rate: 0.001"):
        assert fact in text
    assert "lfw (all detectors): no forged images in split train" in text
    assert "one class only, no real images" in text
    assert "forgerybench report RUN" in text


def test_only_the_catalogs_networks_are_said_to_be_no_published_ones(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-generator"], detectors=["xception", "mine"])
    entries = read_run(run).entries
    for entry in entries:
        facts = read_model(run, str(entry.model))
        own = {"detector": "my.module:Net", "catalog": False, "pretraining": "ImageNet"}
        write_model(run, facts.model_copy(update=own if entry.detector == "mine" else {}))
    seal_run(run)
    text = report(run).read_text(encoding="utf-8")
    banner = re.search(r"Not the published networks:</b>(.*?)</li>", text, re.DOTALL)
    assert banner
    assert "Xception" in banner[1]
    assert "mine" not in banner[1]
    starts = re.search(r"Random initial weights:</b>(.*?)</li>", text, re.DOTALL)
    assert starts
    assert "mine" not in starts[1]


def test_what_has_no_parameters_that_are_counted_has_a_dash(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-generator"], detectors=["xception", "spectrum"])
    for entry in read_run(run).entries:
        facts = read_model(run, str(entry.model))
        if entry.detector == "spectrum":
            write_model(run, facts.model_copy(update={"parameters": 0, "trainable": 0}))
    (context,) = contexts(run)
    (table,) = summary_tables(context)
    at = table.columns.index("parameters")
    found = {name: cells[at].text for name, cells in table.sections[0].rows}
    assert found == {"Xception": "1,234,567", "Spectrum": DASH}
