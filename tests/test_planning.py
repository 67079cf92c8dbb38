"""Plans of every protocol that ships, the datasets they are bound to, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from benchmark.cli.preview import PlanTable, preview
from benchmark.data.manifest import Manifest, read_manifest
from benchmark.errors import BenchmarkError
from benchmark.study.binding import bind
from benchmark.study.planning import Plan, make_plan
from benchmark.study.resolved import resolve, resolve_on
from benchmark.study.samples import stated_samples
from benchmark.study.schema import Study, StudyDetector, StudyProtocol, study_of
from benchmark.training.recipe import load_recipe
from protocols.examples import example_samples
from protocols.schema import Protocol, load_protocol, protocol_names


def write_manifests(protocol: Protocol, folder: Path, count: int = 4) -> dict[str, Path | str]:
    """Write an example manifest for each role, and files that are there but hold no image."""
    samples = example_samples(protocol, count)
    found: dict[str, Path | str] = {}
    for role, rows in samples.groupby("dataset"):
        root = folder / str(role)
        table = rows.drop(columns=["dataset", "problem"]).rename(columns={"sample_id": "path"})
        if any(getattr(each, "stage", "") == "video" for each in protocol.conditions):
            table["path"] = table["path"].str.replace(".png", ".mp4")
            table["frame"], table["box"] = 0, "0 0 9 9"
        for path in table["path"]:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        table["sha256"] = [f"{number:064x}" for number in rows.index]
        table.to_csv(root / "manifest.csv", index=False)
        found[str(role)] = root / "manifest.csv"
    return found


def write_protocol(folder: Path, name: str, base: str = "cross-generator", **keys: object) -> str:
    raw = load_protocol(base).model_dump(mode="json") | keys
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(raw | {"name": name}))
    return str(path)


def plan_of(folder: Path, *protocols: str, change: pd.DataFrame | None = None) -> Plan:
    loaded = load_protocol(protocols[0])
    manifests: dict[str, Manifest] = {
        role: read_manifest(Path(path)) for role, path in write_manifests(loaded, folder).items()
    }
    study = Study(
        name="s",
        title="S",
        protocols=tuple(StudyProtocol(protocol=name) for name in protocols),
        detectors=(StudyDetector(detector="spectrum"),),
        size="tiny",
        seeds=(0,),
    )
    if change is not None:
        samples = stated_samples(manifests).drop(columns="dataset")
        for column in change:
            samples.loc[change.index, column] = change[column]
        manifests = {role: replace(one, samples=samples) for role, one in manifests.items()}
    return make_plan(resolve_on(study, manifests))


def previewed(name: str, folder: Path, **options: object) -> list[PlanTable]:
    data = write_manifests(load_protocol(name), folder)
    # trained by gradients, or protocols with attacks would leave it out
    study = study_of(name, detectors=["xception"], size="tiny")
    return preview(resolve(study, data), store=folder / "store", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", protocol_names())
def test_the_plan_of_a_protocol_shows_training_sets_tests_and_work(
    name: str, tmp_path: Path
) -> None:
    training, tests, *others, work = previewed(name, tmp_path)
    assert others == []
    assert training.title.endswith(f"{load_protocol(name).hash})")
    for table in (training, tests):
        assert table.rows
        for row in table.rows:
            told = dict(zip(table.columns, row, strict=True))
            assert "gap" not in told
            assert told["real"] != "0"
            assert told["fake"] != "0"
    told = dict(work.rows)
    assert int(told["models to train"]) == len(training.rows)
    assert int(told["images to decode for scoring"]) > 0


def test_k_counts_the_prompts_of_a_training_set(tmp_path: Path) -> None:
    one = previewed("one-to-many", tmp_path / "one")[0]
    rest = previewed("leave-one-generator-out", tmp_path / "rest")[0]
    assert {row[one.columns.index("K")] for row in one.rows} == {"2"}
    assert [row[rest.columns.index("K")] for row in rest.rows] == ["5", "5", "4", "5"]


@pytest.mark.parametrize("name", ["one-to-many", "leave-one-generator-out"])
def test_equal_budgets_take_equal_steps(name: str, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, name)
    recipe = load_recipe("release")
    assert isinstance(recipe.steps, str)
    jobs = plan.jobs.values()
    steps = {recipe.resolved(len(job.training.rows)).steps for job in jobs}
    assert len(steps) == 1


def test_what_stands_on_two_sides_is_a_warning_of_the_plan(tmp_path: Path) -> None:
    data = write_manifests(load_protocol("cross-generator"), tmp_path)
    table = pd.read_csv(data["data"], dtype=str, keep_default_na=False)
    table.loc[table["source"] == "FFHQ", "identity"] = "someone"
    table.to_csv(data["data"], index=False)
    study = study_of("cross-generator", detectors=["spectrum"], size="tiny")
    warning = preview(resolve(study, data), store=tmp_path / "store")[2]
    assert warning.title == "Warning: Cross-generator has the same on two sides"
    assert [
        "DDPM",
        "train",
        "person (identity)",
        "1",
        "someone",
        "val, DDPM, StyleGAN3",
    ] in warning.rows


def test_a_plan_tells_its_conditions_and_what_could_not_be_looked_for(tmp_path: Path) -> None:
    tests = previewed("robustness-basic", tmp_path)[1]
    assert tests.note.startswith("Conditions: clean, real-world/jpeg 1 3 5 [crop], ")
    told = "Looked for on two sides: file (sha256); nothing found. Not looked for, since no"
    assert told in tests.note
    assert tests.note.endswith("person (identity), edit and original (pair), video (group)")


def test_a_cap_for_a_generator_that_is_not_there_is_told(tmp_path: Path) -> None:
    train = load_protocol("cross-generator").model_dump(mode="json")["train"]
    train[0]["caps"] = {"DDPN": {"train": 1, "val": 1}}
    name = write_protocol(tmp_path, "own", train=train)
    assert "no image is of DDPN, for which there are caps" in previewed(name, tmp_path)[0].note


def test_one_manifest_has_one_role(tmp_path: Path) -> None:
    protocol = load_protocol("df40-p1")
    data = write_manifests(protocol, tmp_path)
    one = dict.fromkeys(data, data["df40-ff"])
    with pytest.raises(BenchmarkError, match=r"is bound to 'df40-ff' and to 'ffpp-c23'"):
        bind([protocol], one)


def test_a_strict_protocol_refuses_what_stands_on_two_sides(tmp_path: Path) -> None:
    name = write_protocol(tmp_path, "own", strict=True)
    plan = plan_of(tmp_path / "clean", name)
    same = plan.resolved.samples.index[plan.resolved.samples["source"] == "FFHQ"]
    change = pd.DataFrame({"pair": "p"}, index=same)
    sentence = r"own is strict: 1 values of pair \('p' first\) stand in train of 'DDPM' and in val"
    with pytest.raises(BenchmarkError, match=sentence):
        plan_of(tmp_path / "other", name, change=change)


def test_unbound_roles_are_an_error_that_lists_all(tmp_path: Path) -> None:
    protocol = load_protocol("df40-p2")
    data = write_manifests(protocol, tmp_path)
    del data["df40-cdf"], data["celeb-df-v2"]
    with pytest.raises(BenchmarkError, match="no manifest is bound to celeb-df-v2, df40-cdf: "):
        bind([protocol], data)
    assert set(bind([protocol], data, allow_missing=True)) == {"df40-ff", "ffpp-c23"}


def test_a_role_left_out_on_purpose_is_a_stated_gap(tmp_path: Path) -> None:
    data = write_manifests(load_protocol("ffpp-cross-dataset"), tmp_path)
    del data["dfd"], data["df40-ff"]
    study = study_of("ffpp-cross-dataset", detectors=["spectrum"], size="tiny")
    tables = preview(resolve(study, data, allow_missing=True), store=tmp_path / "store")
    gaps = {row[0]: row[-1] for row in tables[1].rows}
    assert gaps["DFD"] == "no dataset is bound to role 'dfd'"
    assert gaps["simswap"] == "no dataset is bound to role 'df40-ff'"
    assert gaps["Celeb-DF v2"] == ""


def test_a_study_has_one_encoding(tmp_path: Path) -> None:
    other = write_protocol(tmp_path, "own", encoding={"side": 64, "quality": [70, 95]})
    with pytest.raises(BenchmarkError, match="cross-generator, own: their encodings differ"):
        plan_of(tmp_path, "cross-generator", other)


def test_the_encoding_is_part_of_a_models_id(tmp_path: Path) -> None:
    names = [
        write_protocol(tmp_path, f"own{side}", encoding={"side": side, "quality": [70, 95]})
        for side in (64, 96)
    ]
    plans = [plan_of(tmp_path / str(n), name) for n, name in enumerate(["cross-generator", *names])]
    assert len({model for plan in plans for model in plan.jobs}) == 3 * len(plans[0].jobs)
    assert [plan.resolved.encoding_name for plan in plans[:2]] == [
        "as-is", "aligned.v1, 64 px, JPEG 70 to 95",
    ]  # fmt: skip


def test_a_plan_scores_the_real_images_of_every_policy(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "cross-generator")
    needed = next(iter(plan.needs.values()))
    rows = next(iter(needed.values()))
    for cell in plan.resolved.expansions[0].cells:
        for alternative in cell.test.alternatives.values():
            assert set(alternative.rows) <= set(rows)
