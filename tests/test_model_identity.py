"""A model's id follows all that could change its scores, and nothing else that is looked at."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from benchmark.errors import BenchmarkError
from benchmark.training import identity, jobs
from benchmark.training.identity import identify, own_identity, shipped_card
from benchmark.training.jobs import Identities, train_job
from benchmark.training.recipe import load_recipe
from detectors.errors import DetectorError, UnknownDetectorError
from protocols.examples import example_samples
from protocols.expansion import TrainingSet, expand
from protocols.schema import load_protocol
from results.hashing import content_hash
from tests.own_detector import TAXA, Write, detector, edit, identity_of


def test_the_contract_that_all_detectors_share_counts_by_its_version(
    own: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    own("mine.py", detector())
    before = identity_of()
    monkeypatch.setattr(identity, "CONTRACT_VERSION", 2)
    assert identity_of() != before


READS = "torch.load(__file__.replace('mine.py', 'best.pth'))"


@pytest.mark.parametrize("fit", ["gradient", "estimator", "none"])
@pytest.mark.parametrize(
    "constructor",
    [
        f"self.head.load_state_dict({READS})",
        f"self.register_buffer('table', {READS}['weight'])",
        f"self.register_buffer('table', {READS}['weight'], persistent=False)",
        f"self.table = torch.nn.Parameter({READS}['weight'], requires_grad=False)",
    ],
)
def test_a_file_that_the_constructor_reads_counts_by_the_tensors_it_gives(
    own: Write, constructor: str, fit: str
) -> None:
    path = own("mine.py", detector(constructor=constructor, fit=fit)).with_name("best.pth")
    torch.save({"weight": torch.zeros(1, 1), "bias": torch.zeros(1)}, path)
    before = identity_of()
    assert identity_of() == before
    torch.save({"weight": torch.ones(1, 1), "bias": torch.zeros(1)}, path)
    after = identity_of()
    assert after["tensors"] != before["tensors"]
    assert after["code"] == before["code"]


def test_first_tensors_count_by_name_shape_type_and_bytes() -> None:
    def hash_of(**tensors: torch.Tensor) -> str:
        network = torch.nn.Module()
        for name, tensor in tensors.items():
            network.register_buffer(name, tensor)
        return identity.tensor_hash(network)

    zeros = torch.zeros(2, 3)
    others = [
        hash_of(b=zeros),
        hash_of(a=zeros.T),
        hash_of(a=zeros.int()),
        hash_of(a=zeros.bfloat16()),
        hash_of(a=zeros - 0.0 * -1),
        hash_of(a=-zeros),
        hash_of(a=zeros, b=torch.zeros(0)),
        hash_of(a=zeros, b=torch.tensor(True)),
        hash_of(a=zeros, b=torch.tensor(False)),
    ]
    same = torch.zeros(3, 2).T
    assert hash_of(a=same) == hash_of(a=zeros) == others.pop(4)
    assert len({hash_of(a=zeros), *others}) == 1 + len(others)


def test_a_detector_is_built_with_the_random_numbers_of_its_seed_and_leaves_the_others(
    own: Write,
) -> None:
    own("mine.py", detector())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    before = identity_of()
    assert torch.equal(torch.rand(3), expected)
    assert identity_of() == before
    other = own_identity("mine:Mine", {}, size="tiny", taxa=TAXA, seed=1)
    assert other["tensors"] != before["tensors"]


@pytest.mark.parametrize(
    ("constructor", "told"),
    [
        ("open('absent.pth')", r"FileNotFoundError: .*'absent.pth' \(mine.py, line 16\)$"),
        ("torch.zeros(2) @ torch.zeros(3)", r"RuntimeError: .* \(mine.py, line 16\)$"),
        ("raise KeyError('a\\nb')", r"KeyError: .* \(mine.py, line 16\)$"),
        ("import absent", r"ModuleNotFoundError: No module named 'absent' \(mine.py, line 16\)$"),
        ("assert weights", r"AssertionError \(mine.py, line 16\)$"),
    ],
)
def test_a_detector_that_cannot_be_built_is_one_line(
    own: Write, constructor: str, told: str
) -> None:
    own("mine.py", detector(constructor=constructor))
    with pytest.raises(DetectorError, match=rf"^detector 'mine:Mine' cannot be built: {told}"):
        identity_of()


def test_a_detector_that_is_not_there_is_named(own: Write) -> None:
    with pytest.raises(BenchmarkError, match="detector 'absent:Mine': there is no module 'absent'"):
        identity_of("absent:Mine")
    with pytest.raises(UnknownDetectorError, match="no detector is called 'xceptoin'"):
        shipped_card("xceptoin")


@pytest.fixture(scope="module")
def samples() -> pd.DataFrame:
    table = example_samples(load_protocol("cross-generator"), 4)
    return table.assign(sha256=[f"{number:064x}" for number in range(len(table))])


@pytest.fixture(scope="module")
def training(samples: pd.DataFrame) -> TrainingSet:
    return expand(load_protocol("cross-generator"), samples).training_sets[0]


def id_of(identities: Identities, training: TrainingSet, detector: str, **options: object) -> str:
    return train_job(
        label="x", detector=detector, options=options, size="tiny", recipe=load_recipe("tiny"),
        seed=0, training=training, identities=identities,
    ).id  # fmt: skip


@pytest.mark.parametrize("name", ["xception", "mfclip", "clip-zeroshot", "spectrum", "hf:a/b"])
def test_a_detector_of_the_catalog_counts_by_its_versions_and_is_not_built(
    name: str, samples: pd.DataFrame, training: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError

    monkeypatch.setattr(identity, "fresh_detector", refuse)
    before = id_of(Identities(samples), training, name)
    edit(monkeypatch, "detectors.parts.backbones")
    assert id_of(Identities(samples), training, name) == before
    found = shipped_card(name)
    assert found is not None
    raised = {"version": found.version + 1, "contract": 1}
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "version_of", lambda card: raised)
        assert id_of(Identities(samples), training, name) != before
    monkeypatch.setattr(identity, "CONTRACT_VERSION", 2)
    assert id_of(Identities(samples), training, name) != before


def test_one_plan_builds_ones_own_detector_once_of_a_kind(
    own: Write, samples: pd.DataFrame, training: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    own("mine.py", detector())
    built, real = list[object](), identity.fresh_detector

    def counted(name: str, options: dict[str, Any], **kind: Any) -> Any:
        built.append((options, kind["seed"]))
        return real(name, options, **kind)

    monkeypatch.setattr(identity, "fresh_detector", counted)
    identities = Identities(samples)
    wanted = [({}, 0), ({}, 1), ({"weights": "x"}, 0)]
    for options, seed in wanted * 2:
        identities.detector("mine:Mine", options, size="tiny", taxa=TAXA, seed=seed)
    assert built == wanted


def test_a_weights_file_that_is_replaced_is_another_model(
    own: Write, samples: pd.DataFrame, training: TrainingSet
) -> None:
    path = own("mine.py", detector(constructor=f"self.head.load_state_dict({READS})"))
    path = path.with_name("best.pth")
    torch.save(torch.nn.Linear(1, 1).state_dict(), path)
    before = id_of(Identities(samples), training, "mine:Mine")
    assert id_of(Identities(samples), training, "mine:Mine") == before
    torch.save(torch.nn.Linear(1, 1).state_dict(), path)
    assert id_of(Identities(samples), training, "mine:Mine") != before


def test_a_training_set_is_hashed_once_a_plan_and_by_what_it_holds(
    samples: pd.DataFrame, training: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = list[int]()

    def counted(table: pd.DataFrame) -> str:
        hashed.append(len(table))
        return content_hash(table)

    monkeypatch.setattr(jobs, "content_hash", counted)
    identities = Identities(samples)
    ids = {id_of(identities, training, name) for name in ("xception", "meso4", "sbi")}
    assert len(ids) == 3
    assert hashed == [len(training.rows), len(training.val)]
    first, unused = int(training.rows[0]), set(samples.index) - {*training.rows, *training.val}
    before = identities.chosen(training)
    changed = samples.copy()
    changed.loc[sorted(unused), "sha256"] = "f" * 64
    assert Identities(changed).chosen(training) == before
    for column, value in {"sha256": "e" * 64, "sample_id": "other", "family": "unknown"}.items():
        changed = samples.copy()
        changed.loc[first, column] = value
        assert Identities(changed).chosen(training).train != before.train
        assert Identities(changed).chosen(training).val == before.val


@pytest.mark.parametrize(
    "options",
    [
        "{path}",
        {"weights": "{path}"},
        {"towers": [{"kind": "clip", "weights": ["{path}"]}]},
        [["{path}"]],
    ],
)
@pytest.mark.parametrize("name", ["weights.pth", "folder"])
def test_weights_that_an_option_names_count_by_what_they_hold(
    tmp_path: Path, name: str, options: object
) -> None:
    path = tmp_path / name
    path.mkdir() if name == "folder" else path.touch()
    held = path / "model.safetensors" if path.is_dir() else path

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        return value.replace("{path}", str(path))

    held.write_bytes(b"first")
    before = identify(filled(options))
    held.write_bytes(b"other")
    assert identify(filled(options)) != before
    held.write_bytes(b"first")
    assert identify(filled(options)) == before


@pytest.mark.parametrize(
    "text", ["xception", "openai/clip-vit-base-patch32", "", "a photo of a face " * 99, "a\0b"]
)
def test_a_text_that_names_no_file_stays_as_it_is(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()  # the empty text is no name of this folder
    options = {"pretrained": text, "deep": [text, 3, None]}
    assert identify(options) == options


def test_files_of_a_folder_count_with_their_places(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    (folder / "sub").mkdir(parents=True)

    def hash_of(**files: bytes) -> Any:
        for path in [*folder.glob("*.*"), *folder.glob("sub/*")]:
            path.unlink()
        for name, data in files.items():
            (folder / f"{name.replace('_', '/')}.bin").write_bytes(data)
        return identify(str(folder))

    found = [
        hash_of(a=b"1", b=b"2"),
        hash_of(a=b"2", b=b"1"),  # traded names
        hash_of(a=b"1", sub_b=b"2"),  # moved into a folder
        hash_of(sub_a=b"1", sub_b=b"2"),
        hash_of(a=b"12"),
        hash_of(a=b"1", b=b"2", c=b""),
    ]
    assert len(set(found)) == len(found)
    assert hash_of(a=b"1", b=b"2") == found[0]
    (folder / ".DS_Store").touch()
    assert identify(str(folder)) == found[0]
    folder.rename(tmp_path / "elsewhere")
    assert identify(str(tmp_path / "elsewhere")) == found[0]


def test_links_count_by_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "a.bin").write_bytes(b"1")
    (tmp_path / "two" / "a.bin").write_bytes(b"2")
    folder, file = tmp_path / "folder", tmp_path / "latest.bin"
    folder.mkdir()
    (folder / "round").symlink_to(folder)

    def lead_to(name: str) -> list[Any]:
        for link, target in ((folder / "in", tmp_path / name), (file, tmp_path / name / "a.bin")):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        return [identify(str(folder)), identify(str(file))]

    first, second = lead_to("one"), lead_to("two")
    assert len({*first, *second}) == 4
    (tmp_path / "two" / "a.bin").write_bytes(b"1")
    assert [identify(str(folder)), identify(str(file))] == first


def test_a_checkpoint_in_a_folder_counts_by_what_it_holds(
    tmp_path: Path, samples: pd.DataFrame, training: TrainingSet
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"first")
    before = id_of(Identities(samples), training, f"hf:{tmp_path}")
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert id_of(Identities(samples), training, f"hf:{tmp_path}") != before
