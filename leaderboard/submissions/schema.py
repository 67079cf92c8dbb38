"""What a submission says of itself, and the folder of a keeper."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from leaderboard.board.schema import Name, Slug
from results.schema import CardFacts, Dataset

SUBMISSION_SCHEMA: Final = 1
_Text = Annotated[str, Field(max_length=4000)]


class _Strict(BaseModel):
    """Unknown keys are errors; NaN and infinities too."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Submission(_Strict):
    """``submission.json``.

    Attributes:
        name: Names the entry, with the submitter; ``title`` is what tables call it.
        submitter: Who is counted when looks at hidden labels are.
        card: What it is; all of it is said.
        training_data: What it was trained and pretrained on.
        trained_on_test: Whether any test image was used in training or in choosing anything.
        scores: ``content_hash`` of each model's scores, by its id.
        environment: Versions of the packages that scored.
    """

    schema_: Literal[1] = Field(default=SUBMISSION_SCHEMA, alias="schema")
    name: Slug
    title: Name
    submitter: Slug
    card: CardFacts
    training_data: _Text
    trained_on_test: bool
    scores: dict[str, Annotated[str, Field(max_length=128)]]
    environment: dict[str, Annotated[str, Field(max_length=200)]]


class KeeperFacts(_Strict):
    """``keeper.json``: what a board takes.

    Attributes:
        protocols: The protocol files, whole.
        data: The datasets by role, whose samples lie beside as ``samples.parquet``.
        unbound: Roles left without a dataset.
        trainings: The training sets by protocol that an entry needs; a protocol that is not
            named needs all of its own.
        hidden_labels: Whether submitters have never seen the labels of the test samples.
        looks_a_day: How often a submitter may be told numbers a day; None: as often as wanted.
    """

    schema_: Literal[1] = Field(default=SUBMISSION_SCHEMA, alias="schema")
    protocols: list[dict[str, Any]]
    data: dict[str, Dataset]
    unbound: list[str]
    trainings: dict[str, list[str]] = Field(default_factory=dict)
    hidden_labels: bool
    looks_a_day: int | None = Field(default=None, ge=1)
