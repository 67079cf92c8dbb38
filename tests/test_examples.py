from pathlib import Path

import benchmark
from results.store import records
from tests.small_data import write_dataset, write_recipe

ROOT = Path(__file__).parents[1]


def test_the_own_detector_gets_its_column(tmp_path: Path) -> None:
    benchmark.run(
        "cross-generator",
        data=write_dataset(tmp_path / "data", count=8),
        detectors=["examples.own_detector:Residual", "spectrum"],
        size="tiny",
        recipe=write_recipe(tmp_path),
        out=tmp_path / "run",
        store=tmp_path / "store",
    )
    found = {record.detector: record for record in records(tmp_path / "run")}
    assert set(found) == {"examples.own_detector:Residual", "spectrum"}


def test_the_own_detector_is_short() -> None:
    text = (ROOT / "examples" / "own_detector.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40


def test_the_protocol_in_the_documentation_is_valid(tmp_path: Path) -> None:
    from benchmark.study.schema import load_study
    from protocols.schema import load_protocol

    text = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]
    (tmp_path / "my-swaps.yaml").write_text(blocks[0])
    (tmp_path / "widths.yaml").write_text(blocks[1])
    assert load_protocol(str(tmp_path / "my-swaps.yaml")).name == "my-swaps"
    widths = load_study(str(tmp_path / "widths.yaml"), allow_code=["examples.own_detector"])
    assert len(widths.detectors) == 3
    assert "run widths.yaml --allow-code examples.own_detector " in text
