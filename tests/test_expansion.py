import pandas as pd
import pytest

from protocols.errors import ProtocolError
from protocols.expansion import Expansion, Rows, expand
from protocols.samples import validate
from protocols.schema import Protocol, load_protocol

KINDS = {"G1": ("EFS", "GAN"), "G2": ("FS", "diffusion"), "G3": ("EFS", "diffusion")}


def make_samples(
    fakes: dict[str, str], reals: tuple[str, ...], count: int = 2, problem: str = ""
) -> pd.DataFrame:
    """Forgeries by generator -> source, and sources of real images, ``count`` in every split."""
    rows = []
    for split in ("train", "val", "test"):
        for number in range(count):
            for generator, source in fakes.items():
                forgery, family = KINDS[generator]
                taxonomy = ("fake", forgery, family, generator, source, split)
                rows.append((f"{generator}/{split}{number}.jpg", *taxonomy))
            for source in reals:
                taxonomy = ("real", "real", "real", "camera", source, split)
                rows.append((f"{source}/{split}{number}.jpg", *taxonomy))
    names = ["sample_id", "label", "forgery", "family", "generator", "source", "split"]
    samples = validate(pd.DataFrame(rows, columns=names), "test")
    samples.insert(0, "dataset", "data")
    samples["problem"] = ""
    samples.loc[samples["sample_id"] == problem, "problem"] = "missing"
    return samples


def ids(samples: pd.DataFrame, rows: Rows) -> set[str]:
    return set(samples["sample_id"].iloc[rows])


def own(samples: pd.DataFrame, name: str = "cross-generator", **changes: object) -> Expansion:
    protocol = load_protocol(name)
    return expand(Protocol.model_validate(protocol.model_dump() | changes), samples)


def test_each_generator_trains_with_real_images_of_its_own_source() -> None:
    samples = make_samples({"G1": "a", "G2": "b"}, ("a", "b"))
    training = {t.name: t for t in own(samples).training_sets}
    assert ids(samples, training["G1"].rows) == {
        "G1/train0.jpg", "G1/train1.jpg", "a/train0.jpg", "a/train1.jpg",
    }  # fmt: skip
    assert ids(samples, training["G1"].val) == {
        "G1/val0.jpg", "G1/val1.jpg", "a/val0.jpg", "a/val1.jpg",
    }  # fmt: skip
    assert training["G1"].statement == "same-source (a)"


def test_no_image_of_another_split_or_generator_is_ever_selected_for_training() -> None:
    samples = make_samples({"G1": "a", "G2": "a", "G3": "a"}, ("a",))
    for training in own(samples).training_sets:
        chosen = samples.iloc[training.rows]
        assert set(chosen["split"]) == {"train"}
        assert set(chosen.loc[chosen["label"] == "fake", "generator"]) == {training.name}
        assert set(samples.iloc[training.val]["split"]) == {"val"}


def test_forgeries_without_real_images_of_their_source_take_the_pooled_ones_and_say_so() -> None:
    samples = make_samples({"G1": "a", "G3": "orphan"}, ("a", "b"))
    cells = {(c.training, c.test.name): c.test for c in own(samples).cells}
    assert cells["G1", "G3"].reals == "pooled"
    assert cells["G1", "G3"].statement == "pooled (a, b)"
    assert cells["G1", "G1"].reals == "same-source"


def test_a_mixed_set_names_the_sources_that_lack_real_images() -> None:
    samples = make_samples({"G1": "a", "G3": "orphan"}, ("a",))
    training = {t.name: t for t in own(samples, "cross-forgery").training_sets}
    assert training["EFS"].statement == "same-source (a; none of orphan)"


def test_training_source_reals_are_those_the_model_knows() -> None:
    samples = make_samples({"G1": "a", "G2": "b"}, ("a", "b"))
    test = [{"role": "data", "each": "generator", "reals": ["training-source"]}]
    cells = {(c.training, c.test.name): c.test for c in own(samples, test=test).cells}
    assert cells["G1", "G2"].reals_sources == ("a",)
    assert cells["G2", "G1"].reals_sources == ("b",)


def test_only_the_diagonal_is_seen() -> None:
    samples = make_samples({"G1": "a", "G2": "b", "G3": "a"}, ("a", "b"))
    cells = own(samples).cells
    assert {(c.training, c.test.name) for c in cells if c.seen} == {
        (name, name) for name in ("G1", "G2", "G3")
    }
    assert len(cells) == 9


def test_a_source_without_one_class_is_a_stated_gap() -> None:
    samples = make_samples({"G1": "a"}, ("a", "only-real"))
    expansion = own(samples, "cross-dataset")
    training = {t.name: t for t in expansion.training_sets}
    assert training["only-real"].gap == "no forged images in split train"
    cells = {(c.training, c.test.name): c.test.gap for c in expansion.cells}
    assert cells["a", "only-real"] == "no forged images in split test"
    assert cells["a", "a"] is None


def test_a_training_set_without_validation_images_is_a_stated_gap() -> None:
    samples = make_samples({"G1": "a"}, ("a",))
    samples = samples[(samples["split"] != "val") | (samples["label"] == "fake")]
    training = own(samples.reset_index(drop=True)).training_sets[0]
    assert training.gap == "no real images in split val"


def test_an_unreadable_sample_is_selected_nowhere_and_counted() -> None:
    samples = make_samples({"G1": "a", "G2": "a"}, ("a",), problem="a/test0.jpg")
    bad = samples.index[samples["problem"] != ""][0]
    expansion = own(samples)
    for cell in expansion.cells:
        assert bad not in cell.test.rows
        assert cell.test.n_missing == 1
    assert all(training.n_missing == 0 for training in expansion.training_sets)


def test_every_condition_stands_in_every_cell() -> None:
    samples = make_samples({"G1": "a"}, ("a",))
    expansion = own(samples, "robustness")
    assert len(expansion.cells) == 13
    assert len({cell.condition.key for cell in expansion.cells}) == 13
    assert set(expansion.rows("all")) == set(samples.index[samples["split"] == "test"])


def test_order_of_the_manifest_does_not_matter() -> None:
    samples = make_samples({"G1": "a", "G2": "b"}, ("a", "b"))
    again = validate(samples.drop(columns=["dataset", "problem"]).iloc[::-1], "test")
    again.insert(0, "dataset", "data")
    again["problem"] = ""
    one, two = own(samples), own(again)
    for left, right in zip(one.cells, two.cells, strict=True):
        assert (left.training, left.test.name) == (right.training, right.test.name)
        assert (left.test.rows == right.test.rows).all()


def test_an_unbound_role_is_named_with_those_that_are_bound() -> None:
    samples = make_samples({"G1": "a"}, ("a",)).assign(dataset="other")
    with pytest.raises(ProtocolError, match=r"no dataset is bound to role 'data' \(bound: other\)"):
        own(samples)


def test_real_images_alone_give_nothing_to_train_on() -> None:
    samples = make_samples({}, ("a",))
    with pytest.raises(ProtocolError, match="no forged images to train on"):
        own(samples)


def test_all_but_one_trains_on_the_others_and_leaves_that_one_unseen() -> None:
    samples = make_samples({"G1": "a", "G2": "a", "G3": "a"}, ("a",))
    found = own(samples, "leave-one-forgery-out")
    training = {t.name: samples.iloc[t.rows] for t in found.training_sets}
    assert set(training) == {"all but EFS", "all but FS"}
    fakes = training["all but EFS"].query("label == 'fake'")
    assert set(fakes["generator"]) == {"G2"}
    seen = {(cell.training, cell.test.name): cell.seen for cell in found.cells}
    assert not seen["all but EFS", "EFS"]
    assert seen["all but EFS", "FS"]


def test_all_but_the_only_forgery_is_no_training_set() -> None:
    with pytest.raises(ProtocolError, match="no forged images to train on"):
        own(make_samples({"G1": "a"}, ("a",)), "leave-one-forgery-out")
