import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.data.images import OpenFile, Pixels, frames_of
from benchmark.data.loader import Rows
from benchmark.data.manifest import read_manifest
from benchmark.data.source import ImageSource, Sample
from benchmark.progress import Progress
from benchmark.scoring import store as store_module
from benchmark.scoring import units
from benchmark.scoring.score import KEEP_BYTES, PART_SECONDS, _Kept, score
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import Group, ReadScores, Unit, plan_groups
from benchmark.study.samples import verified_samples
from benchmark.training.engine import Engine
from benchmark.training.store import ModelStore
from detectors.errors import DetectorError
from protocols.conditions import CLEAN, Condition, condition
from results.hashing import content_hash
from results.schema import ModelFacts
from results.store import load_scores, write_model
from tests.small_data import Small, write_dataset

JPEG = condition("real-world/jpeg", 3, "crop", "test")
NOISE = condition("deeperforensics/gaussian-noise", 5, "crop", "test")


class Counting(ImageSource):
    """Counts how often each image is decoded."""

    def __init__(self, samples: pd.DataFrame, roots: dict[str, Path]) -> None:
        super().__init__(samples, roots)
        self.decodes = Counter[int]()

    def decoded(self, row: int, file: OpenFile) -> Pixels:
        self.decodes[row] += 1
        return super().decoded(row, file)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "SHARD", 10)


@pytest.fixture
def source(tmp_path: Path) -> Counting:
    manifest = read_manifest(write_dataset(tmp_path / "data", count=4))
    samples = verified_samples({"data": manifest}, allow_missing=False, progress=Progress())
    return Counting(samples, {"data": manifest.root})


def detector(seed: int) -> Small:
    torch.manual_seed(seed)
    return Small(untrained=True).eval()


MODELS = {f"m{seed}": detector(seed) for seed in range(3)}


def needs_of(source: ImageSource) -> dict[str, dict[Condition, Rows]]:
    everything = np.arange(len(source.samples))
    return {
        "m0": {CLEAN: everything, JPEG: everything[::2], NOISE: everything[:15]},
        "m1": {CLEAN: everything[5:25]},
        "m2": {CLEAN: everything[::3], JPEG: everything},
    }


def run(
    source: ImageSource,
    out: Path,
    groups: tuple[Group, ...],
    load: object = None,
    *,
    workers: int | None = None,
    keep_bytes: int = KEEP_BYTES,
    part_seconds: float = PART_SECONDS,
) -> None:
    engine = Engine(
        source=source,
        models=ModelStore(out),
        device=torch.device("cpu"),
        batch_size=4,
        checkpoint_seconds=0,
        progress=Progress(),
        workers=workers,
    )
    load = load or MODELS.__getitem__
    for model in MODELS:
        if not (out / "models" / f"{model}.json").is_file():
            write_model(out, facts_of(model))
    score(
        groups,
        engine,
        ScoreStore(out),
        load,  # type: ignore[arg-type]
        noise_seed=7,
        keep_bytes=keep_bytes,
        part_seconds=part_seconds,
    )


def facts_of(model: str) -> ModelFacts:
    """What a run states of a model before it is scored; its scores' hash comes afterwards."""
    return ModelFacts(
        id=model, detector="small", title="Small", fit="gradient", size="tiny", init="random",
        options={}, parameters=1, trainable=1, track="custom", recipe="none", recipe_values={},
        seed=0, training="all", reals="pooled", n_real=1, n_fake=1, n_val_real=1, n_val_fake=1,
        steps=1, epochs=1.0, best_step=1, val_auc=0.5, stopped="all steps taken", history=[],
    )  # fmt: skip


def nothing() -> ReadScores:
    return ScoreStore(Path("nowhere")).done()


def merged(out: Path) -> str:
    ScoreStore(out).merge(list(MODELS))
    return content_hash(load_scores(out))


def test_a_unit_that_takes_long_is_stored_model_by_model_and_none_is_scored_again(
    source: Counting, tmp_path: Path
) -> None:
    needs = needs_of(source)
    groups = plan_groups(source.samples, needs, nothing(), 8)
    run(source, tmp_path / "whole", groups)
    run(source, tmp_path / "parts", groups, part_seconds=-1)
    stored = {
        name: sorted((tmp_path / name / "units").glob("*.parquet")) for name in ("whole", "parts")
    }
    counts = {name: len(paths) for name, paths in stored.items()}
    units = [unit for group in groups for unit in group.units]
    assert counts == {"whole": len(units), "parts": sum(len(unit.rows) for unit in units)}
    assert counts["parts"] > counts["whole"]
    # Were it killed after a part, the models that are in it are not scored again.
    for path in stored["parts"][1::2]:
        path.unlink()
    done = ScoreStore(tmp_path / "parts").done()
    left = plan_groups(source.samples, needs, done, 8)
    assert sum(len(unit.rows) for group in left for unit in group.units) == counts["parts"] // 2
    run(source, tmp_path / "parts", left)
    assert merged(tmp_path / "parts") == merged(tmp_path / "whole")


def test_what_is_needed_is_scored_and_nothing_else(source: Counting, tmp_path: Path) -> None:
    needs = needs_of(source)
    run(source, tmp_path / "a", plan_groups(source.samples, needs, nothing(), 8))
    merged(tmp_path / "a")
    scores = load_scores(tmp_path / "a")
    counted = scores.groupby(["model", "condition"]).size().to_dict()
    assert counted == {
        (model, wanted.key): len(rows)
        for model, conditions in needs.items()
        for wanted, rows in conditions.items()
    }
    assert scores["logit"].dtype == np.float32


def test_a_score_is_the_detectors_own_logit(source: Counting, tmp_path: Path) -> None:
    run(source, tmp_path / "a", plan_groups(source.samples, needs_of(source), nothing(), 8))
    merged(tmp_path / "a")
    scores = load_scores(tmp_path / "a").set_index(["model", "condition", "sample_id"])["logit"]
    for row in (0, 3, 30):
        image = torch.from_numpy(source.array(row)).permute(2, 0, 1).float() / 255
        sample = source.samples["sample_id"].iloc[row]
        expected = float(MODELS["m0"].logits([image])[0].detach())
        assert scores["m0", "clean", sample] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_an_image_is_decoded_once_a_group_whatever_the_conditions(
    source: Counting, tmp_path: Path, workers: int
) -> None:
    groups = plan_groups(source.samples, needs_of(source), nothing(), 8)
    assert len(groups) == 1
    run(source, tmp_path / "a", groups, workers=workers)
    assert set(source.decodes.values()) == {1}
    assert groups[0].decodes == len(source.decodes) == len(source.samples)


@pytest.mark.parametrize("keep_bytes", [0, 20_000, KEEP_BYTES])
@pytest.mark.parametrize("workers", [0, 1, 4])
def test_neither_threads_nor_kept_images_move_a_byte(
    source: Counting, tmp_path: Path, workers: int, keep_bytes: int
) -> None:
    groups = plan_groups(source.samples, needs_of(source), nothing(), 8)
    run(source, tmp_path / "alone", groups, workers=0)
    run(source, tmp_path / "a", groups, workers=workers, keep_bytes=keep_bytes)
    units = [sorted((tmp_path / name / "units").iterdir()) for name in ("alone", "a")]
    assert [path.name for path in units[0]] == [path.name for path in units[1]]
    assert [path.read_bytes() for path in units[0]] == [path.read_bytes() for path in units[1]]


def test_who_wants_an_image_that_is_being_decoded_waits_for_it(source: Counting) -> None:
    began, go_on = threading.Event(), threading.Event()

    class Slow(Sample):
        def array(self) -> Pixels:
            began.set()
            assert go_on.wait(10)
            return super().array()

    kept = _Kept(np.full(len(source.samples), 2), KEEP_BYTES)
    with ThreadPoolExecutor(2) as pool, OpenFile(frames_of) as file:
        first = pool.submit(kept.clean, Slow(source, 3, file))
        assert began.wait(10)
        second = pool.submit(kept.clean, Sample(source, 3, file))
        go_on.set()
        assert first.result() is second.result()
    assert source.decodes == {3: 1}


@pytest.mark.parametrize("group_size", [1, 2])
def test_scores_do_not_depend_on_the_grouping(
    source: Counting, tmp_path: Path, group_size: int
) -> None:
    needs = needs_of(source)
    run(source, tmp_path / "a", plan_groups(source.samples, needs, nothing(), 8))
    run(source, tmp_path / "b", plan_groups(source.samples, needs, nothing(), group_size))
    assert merged(tmp_path / "a") == merged(tmp_path / "b")


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_a_stopped_scoring_goes_on_without_repeating_a_unit(
    source: Counting, tmp_path: Path, stop: int
) -> None:
    needs = needs_of(source)
    groups = plan_groups(source.samples, needs, nothing(), 8)
    run(source, tmp_path / "whole", groups)
    part = Group(models=groups[0].models, units=groups[0].units[:stop])
    run(source, tmp_path / "a", (part,))
    done = ScoreStore(tmp_path / "a").done()
    left = plan_groups(source.samples, needs, done, 8)
    assert sum(len(group.units) for group in left) == len(groups[0].units) - stop
    run(source, tmp_path / "a", left)
    assert merged(tmp_path / "a") == merged(tmp_path / "whole")


def test_nothing_is_left_after_all_is_done(source: Counting, tmp_path: Path) -> None:
    needs = needs_of(source)
    run(source, tmp_path / "a", plan_groups(source.samples, needs, nothing(), 8))
    store = ScoreStore(tmp_path / "a")
    assert plan_groups(source.samples, needs, store.done(), 8) == ()
    store.merge(list(MODELS))
    assert plan_groups(source.samples, needs, store.done(), 8) == ()
    assert not (tmp_path / "a" / "units").exists()


def test_models_that_do_not_fit_in_memory_together_are_merged_one_after_the_other(
    source: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        run(source, tmp_path / name, plan_groups(source.samples, needs_of(source), nothing(), 8))
    expected = merged(tmp_path / "a")
    together: list[int] = []
    gather = ScoreStore._merge_together

    def counted(store: ScoreStore, models: list[str], names: list[str]) -> None:
        together.append(len(models))
        gather(store, models, names)

    monkeypatch.setattr(ScoreStore, "_merge_together", counted)
    monkeypatch.setattr(store_module, "_MOST_ROWS", 1)
    monkeypatch.setattr(store_module, "_COMPACT_ROWS", 7)
    assert merged(tmp_path / "b") == expected
    assert together == [1] * len(MODELS)
    paths = [sorted((tmp_path / name / "scores").iterdir()) for name in "ab"]
    assert [p.read_bytes() for p in paths[0]] == [p.read_bytes() for p in paths[1]]


def test_units_and_finished_models_are_read_one_at_a_time(source: Counting, tmp_path: Path) -> None:
    run(source, tmp_path / "a", plan_groups(source.samples, needs_of(source), nothing(), 8))
    units = len(list((tmp_path / "a" / "units").glob("*.parquet")))
    tables = ScoreStore(tmp_path / "a").done()(list(MODELS))
    assert iter(tables) is tables
    assert [len(set(table["condition"])) for table in tables] == [1] * units


def test_a_model_added_later_leaves_the_others_scores_alone(
    source: Counting, tmp_path: Path
) -> None:
    needs = needs_of(source)
    first = {name: needs[name] for name in ("m0", "m1")}
    run(source, tmp_path / "a", plan_groups(source.samples, first, nothing(), 8))
    merged(tmp_path / "a")
    before = (tmp_path / "a" / "scores" / "m0.parquet").stat().st_mtime_ns
    left = plan_groups(source.samples, needs, ScoreStore(tmp_path / "a").done(), 8)
    assert {model for group in left for unit in group.units for model in unit.rows} == {"m2"}
    run(source, tmp_path / "a", left)
    ScoreStore(tmp_path / "a").merge(list(MODELS))
    assert (tmp_path / "a" / "scores" / "m0.parquet").stat().st_mtime_ns == before
    assert set(load_scores(tmp_path / "a")["model"]) == set(MODELS)


def test_perturbed_pixels_are_the_same_for_every_model(source: Counting, tmp_path: Path) -> None:
    rows = np.arange(6)
    twins = {"a": MODELS["m0"], "b": MODELS["m0"]}
    needs = {name: {NOISE: rows} for name in twins}
    run(source, tmp_path / "a", plan_groups(source.samples, needs, nothing(), 1), twins.__getitem__)
    ScoreStore(tmp_path / "a").merge(list(twins))
    scores = load_scores(tmp_path / "a").pivot_table(
        index="sample_id", columns="model", values="logit"
    )
    assert (scores["a"] == scores["b"]).all()


def test_a_broken_image_stops_the_unit_whole(source: Counting, tmp_path: Path) -> None:
    groups = plan_groups(source.samples, needs_of(source), nothing(), 8)
    victim = source.samples["sample_id"].iloc[12]
    (tmp_path / "data" / victim).write_bytes(b"not an image")
    with pytest.raises(Exception, match=victim):
        run(source, tmp_path / "a", groups)
    done = ScoreStore(tmp_path / "a").done()(list(MODELS))
    assert all(victim not in set(table["sample_id"]) for table in done)
    assert not [p for p in (tmp_path / "a" / "units").iterdir() if p.name.startswith(".")]


class Comparing(Small):
    """Its scores depend on what else is in the batch."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits = super().forward(inputs)
        return 30 * (logits - logits.mean())


class Chunked(Comparing):
    """It says that its scores depend on the batch, which is not its to say."""

    card = replace(Small.card, batch_dependent=4)


@pytest.mark.parametrize("kind", [Comparing, Chunked])
def test_a_score_that_depends_on_other_images_is_refused(
    kind: type[Small], source: Counting, tmp_path: Path
) -> None:
    needs = {"m0": {CLEAN: np.arange(10)}}
    groups = plan_groups(source.samples, needs, nothing(), 8)
    torch.manual_seed(0)
    models = {"m0": kind(untrained=True).eval()}
    middle = source.samples["sample_id"].iloc[5]
    with pytest.raises(
        DetectorError, match=f"{kind.__name__}.* gives '{middle}' the logit .* alon"
    ):
        run(source, tmp_path / "a", groups, models.__getitem__)
    assert list(ScoreStore(tmp_path / "a").done()(["m0"])) == []


def test_an_unsorted_table_is_refused(source: Counting) -> None:
    with pytest.raises(ValueError, match="must be sorted by dataset and sample id"):
        plan_groups(source.samples.iloc[::-1], needs_of(source), nothing(), 8)


def test_a_unit_names_its_images(source: Counting) -> None:
    rows = {"a": np.array([1, 3]), "b": np.array([2, 3])}
    unit = Unit(dataset="data", shard=0, condition=CLEAN, rows=rows)
    assert unit.images.tolist() == [1, 2, 3]
