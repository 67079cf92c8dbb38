import pandas as pd
import pytest

from protocols.errors import SamplesError
from protocols.samples import COLUMNS, fingerprint, taxa, validate


def table(**changes: str) -> pd.DataFrame:
    fake = {"label": "fake", "forgery": "EFS", "family": "GAN", "generator": "StyleGAN"}
    real = {"label": "real", "forgery": "real", "family": "real", "generator": "camera"}
    rows = [
        {"sample_id": "b/fake.jpg", **fake, "split": "test", **changes},
        {"sample_id": "a/real.jpg", **real, "split": "test"},
    ]
    return pd.DataFrame(rows)


def test_a_validated_table_is_sorted_and_whole() -> None:
    samples = validate(table().assign(age=["31", "44"]), "m.csv")
    assert samples["sample_id"].tolist() == ["a/real.jpg", "b/fake.jpg"]
    assert list(samples.columns) == [*COLUMNS, "age"]
    assert samples["group"].tolist() == samples["sample_id"].tolist()
    assert samples["source"].tolist() == ["unknown", "unknown"]
    assert samples["age"].tolist() == ["44", "31"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"label": "forged"}, r"m\.csv, row 2 \('b/fake\.jpg'\): 'label' is 'forged', not one of"),
        ({"forgery": "efs"}, r"row 2 .*'forgery' is 'efs', not one of EFS, AM, FS, FR"),
        ({"split": "dev"}, r"'split' is 'dev', not one of train, val, test"),
        ({"generator": ""}, r"'generator' is empty"),
        ({"forgery": "real"}, r"label is fake, 'forgery' is real"),
        ({"sample_id": "a/real.jpg"}, r"row 3 .*the same sample stands in an earlier row"),
        ({"sample_id": "../secret.jpg"}, r"the path must be relative, with /, and have no \.\."),
        ({"sample_id": "/etc/passwd"}, r"the path must be relative"),
        ({"sample_id": "a\\b.jpg"}, r"the path must be relative, with /"),
    ],
)
def test_a_wrong_cell_is_named_by_row_and_choices(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(SamplesError, match=sentence):
        validate(table(**changes), "m.csv")


def test_a_missing_column_names_those_that_are_there() -> None:
    with pytest.raises(SamplesError, match=r"m\.csv: column 'split' is missing; there are sample"):
        validate(table().drop(columns="split"), "m.csv")


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(SamplesError, match="the table has no rows"):
        validate(table().head(0), "m.csv")


def test_ids_that_differ_only_in_unicode_form_are_one_sample() -> None:
    rows = table()
    rows["sample_id"] = ["a/e\u0301.jpg", "a/\u00e9.jpg"]
    with pytest.raises(SamplesError, match="the same sample stands in an earlier row"):
        validate(rows, "m.csv")


def test_the_fingerprint_follows_content_and_not_order_or_further_columns() -> None:
    samples = validate(table().assign(sha256=["1", "2"]), "m.csv")
    name = fingerprint(samples)
    assert fingerprint(samples.iloc[::-1].assign(age="9")) == name
    for column in ("sha256", "label", "split", "group", "generator"):
        assert fingerprint(samples.assign(**{column: "x"})) != name


def test_no_fingerprint_without_content_hashes() -> None:
    with pytest.raises(SamplesError, match=r"'a/real\.jpg' has no sha256"):
        fingerprint(validate(table(), "m.csv"))


def test_taxa_are_distinct_and_sorted() -> None:
    assert taxa(pd.concat([table(), table()])) == [
        ("fake", "EFS", "GAN", "StyleGAN"),
        ("real", "real", "real", "camera"),
    ]
