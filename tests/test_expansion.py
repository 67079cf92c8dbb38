import pandas as pd
import pytest

from protocols.errors import ProtocolError
from protocols.expansion import Expansion, expand
from protocols.pool import Positions
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


def ids(samples: pd.DataFrame, rows: Positions) -> set[str]:
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


def test_a_generator_that_does_not_train_takes_no_part_in_model_selection() -> None:
    samples = make_samples({"G1": "a", "G3": "a"}, ("a",))
    absent = (samples["generator"] == "G3") & (samples["split"] == "train")
    training = own(samples[~absent].reset_index(drop=True), "cross-forgery").training_sets
    rows = samples[~absent].iloc[training[0].val]
    assert training[0].name == "EFS"
    assert set(rows.loc[rows["label"] == "fake", "generator"]) == {"G1"}


def test_siblings_that_share_a_value_are_all_one() -> None:
    samples = make_samples({"G1": "a", "G2": "a", "G3": "a"}, ("a",))
    train = load_protocol("cross-generator").model_dump()["train"][0]
    two = {"all_but": True, "siblings": [["g1", "g2"], ["G3", "G2"]]}
    with pytest.raises(ProtocolError, match=r"every forged image is of 'G1 \+ G2 \+ G3'"):
        own(samples, train=[train | two])
    one = {"all_but": True, "siblings": [["g3", "g1"]]}
    names = [training.name for training in own(samples, train=[train | one]).training_sets]
    assert names == ["all but G1 + G3", "all but G2"]


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
    assert str(training["only-real"].gap) == "no forged images in split train"
    cells = {(c.training, c.test.name): c.test.gap for c in expansion.cells}
    assert str(cells["a", "only-real"]) == "no forged images in split test"
    assert cells["a", "a"] is None


def test_a_training_set_without_validation_images_is_a_stated_gap() -> None:
    samples = make_samples({"G1": "a"}, ("a",))
    samples = samples[(samples["split"] != "val") | (samples["label"] == "fake")]
    training = own(samples.reset_index(drop=True)).training_sets[0]
    assert str(training.gap) == "no real images in split val"


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
    expansion = own(samples, "robustness-basic")
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
    sentence = "every forged image is of 'EFS', so without it none is left to train on"
    with pytest.raises(ProtocolError, match=sentence):
        own(make_samples({"G1": "a"}, ("a",)), "leave-one-forgery-out")


def test_forged_images_without_real_ones_of_their_source_leave_a_same_source_test() -> None:
    samples = make_samples({"G1": "a", "G3": "orphan"}, ("a",))
    cell = next(c for c in own(samples, "cross-forgery").cells if c.test.name == "EFS")
    assert cell.headline
    assert cell.test.n_orphans == 2
    assert ids(samples, cell.test.rows) == {
        "G1/test0.jpg", "G1/test1.jpg", "a/test0.jpg", "a/test1.jpg",
    }  # fmt: skip
    pooled = cell.test.alternatives["pooled"]
    assert ids(samples, pooled.rows) == set(samples.query("split == 'test'")["sample_id"])


def test_all_three_policies_are_selected_and_the_same_source_is_shown() -> None:
    samples = make_samples({"G1": "a", "G2": "b"}, ("a", "b"))
    cells = {(c.training, c.test.name): c for c in own(samples).cells}
    test = cells["G1", "G2"].test
    assert (test.reals, test.reals_sources) == ("same-source", ("b",))
    assert test.alternatives["training-source"].reals_sources == ("a",)
    assert test.alternatives["pooled"].reals_sources == ("a", "b")
    assert set(test.all_rows) == set(samples.index[
        (samples["split"] == "test") & (samples["generator"] != "G1")
    ])  # fmt: skip


def test_a_fallback_is_shown_and_stands_outside_the_headline() -> None:
    samples = make_samples({"G1": "a", "G3": "orphan"}, ("a", "b"))
    cells = {(c.training, c.test.name): c for c in own(samples).cells}
    assert cells["G1", "G1"].headline
    assert not cells["G1", "G3"].headline


def test_a_cell_of_a_training_set_with_a_gap_is_no_headline() -> None:
    samples = make_samples({"G1": "a", "G2": "b"}, ("a", "b"))
    samples = samples[~((samples["split"] == "val") & (samples["source"] == "a"))]
    cells = own(samples.reset_index(drop=True), train=SAME_SOURCE).cells
    assert {c.training for c in cells if c.headline} == {"G2"}


SAME_SOURCE = [{"role": "data", "each": "generator", "reals": ["same-source"]}]


def test_stated_values_keep_their_order_and_one_that_is_absent_is_a_gap() -> None:
    samples = make_samples({"G1": "a", "G2": "a"}, ("a",))
    train = [SAME_SOURCE[0] | {"only": ["G2", "G9"]}]
    training = own(samples, train=train).training_sets
    assert [(t.name, str(t.gap or "")) for t in training] == [
        ("G2", ""), ("G9", "no forged images in split train"),
    ]  # fmt: skip


def test_all_but_one_of_stated_values_holds_no_other() -> None:
    samples = make_samples({"G1": "a", "G2": "a", "G3": "a"}, ("a",))
    train = [SAME_SOURCE[0] | {"only": ["G1", "G2"], "all_but": True}]
    training = {t.name: t for t in own(samples, train=train).training_sets}
    chosen = samples.iloc[training["all but G1"].rows]
    assert set(chosen["generator"]) == {"G2", "camera"}


def test_stated_real_images_are_of_the_sources_that_are_named() -> None:
    samples = make_samples({"G1": "a"}, ("a", "b"))
    test = [
        {"role": "data", "name": "T", "where": {"generator": ["G1"]}, "reals": ["stated"],
         "real_sources": ["b"], "also": ["same-source"]}
    ]  # fmt: skip
    cell = own(samples, test=test).cells[0]
    assert (cell.test.name, cell.test.reals_sources, cell.seen) == ("T", ("b",), True)
    assert not cell.headline
    assert cell.test.alternatives["same-source"].reals_sources == ("a",)


def test_real_images_may_be_in_a_dataset_of_their_own() -> None:
    samples = make_samples({"G1": "a"}, ("a", "b"))
    samples["dataset"] = ["reals" if label == "real" else "data" for label in samples["label"]]
    one = [SAME_SOURCE[0] | {"reals_role": "reals"}]
    found = own(samples, roles=["data", "reals"], train=one, test=one)
    assert found.training_sets[0].reals_sources == ("a",)
    assert found.cells[0].headline


def test_balanced_tests_draw_from_the_larger_class() -> None:
    samples = make_samples({"G1": "a"}, ("a", "b"))
    test = [SAME_SOURCE[0] | {"reals": ["pooled"], "balanced": True}]
    rows = own(samples, test=test).cells[0].test.rows
    assert samples["label"].iloc[rows].value_counts().to_dict() == {"fake": 2, "real": 2}


def test_a_role_left_without_a_dataset_is_a_gap_where_that_is_allowed() -> None:
    samples = make_samples({"G1": "a"}, ("a",))
    protocol = load_protocol("cross-generator").model_dump() | {
        "roles": ["data", "other"],
        "test": [*SAME_SOURCE, {"role": "other", "name": "O", "reals": ["pooled"]}],
    }
    found = expand(Protocol.model_validate(protocol), samples, unbound={"other"})
    assert found.unbound == ("other",)
    gap = next(c for c in found.cells if c.test.name == "O")
    assert str(gap.test.gap) == "no dataset is bound to role 'other'"
    assert not gap.headline


def test_two_tests_of_one_name_are_refused() -> None:
    samples = make_samples({"G1": "a"}, ("a",))
    with pytest.raises(ProtocolError, match="two test sets are called 'G1 \\(data\\)'"):
        own(samples, test=[*SAME_SOURCE, *SAME_SOURCE])
