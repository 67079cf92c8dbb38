"""Curves of training: whether language did anything is seen, and a collapse is warned of."""

from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.figure import Figure

from leaderboard.figures import training
from leaderboard.figures.training import training_curves
from results.run import RunContents
from results.schema import ModelFacts
from tests.fake_run import make_run

STATE = {"state_cosine_mean": 0.1, "state_scale": 14.0, "state_saturated": 0.25}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFacts:
    run = make_run(
        tmp_path_factory.mktemp("run"), protocols=["cross-forgery"], detectors=["mfclip"]
    )
    return next(iter(RunContents(run).models.values()))


def with_cosines(model: ModelFacts, name: str, cosines: Sequence[float]) -> ModelFacts:
    rows = [
        {"step": 10.0 * at, "total": 1.0, "ce": 0.7, "apart": 0.0, "state_cosine_max": cosine}
        | STATE
        for at, cosine in enumerate(cosines, start=1)
    ]
    return model.model_copy(update={"id": name, "history": rows})


@pytest.mark.parametrize(
    ("cosines", "warning"),
    [
        ([[0.2, 0.5], [0.3, 0.9]], ""),
        ([[0.2, 0.95, 0.4], [0.3, 0.5, 0.6]], " (warning: prompts became alike in 1 of 2 models)"),
        ([[0.99, 0.99], [0.2, 0.91]], " (warning: prompts became alike in 2 of 2 models)"),
    ],
)
def test_prompts_that_became_alike_at_any_step_are_warned_of(
    model: ModelFacts, cosines: list[list[float]], warning: str
) -> None:
    models = [with_cosines(model, f"m{at}", each) for at, each in enumerate(cosines)]
    drawn = training_curves("mfclip", models)
    assert drawn.title == model.title + warning
    assert drawn.alt.startswith(model.title + warning)


def test_the_panels_of_language_are_named_and_show_the_limit(
    model: ModelFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Figure] = []
    save = training.picture  # type: ignore[attr-defined]

    def seen(figure: Figure, *rest: object) -> object:
        kept.append(figure)
        return save(figure, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "picture", seen)
    training_curves("mfclip", [with_cosines(model, "m", [0.2, 0.5])])
    axes = {" ".join(axis.get_title("left").split()): axis for axis in kept[0].axes}
    wanted = ["largest cosine of prompts", "mean cosine of prompts", "factor on cosines"]
    assert {*wanted, "saturated pairs", "loss: prompts alike"} <= axes.keys()
    (line, limit) = axes["largest cosine of prompts"].lines
    assert np.asarray(line.get_ydata()).tolist() == [0.2, 0.5]
    assert np.asarray(limit.get_ydata()).tolist() == [0.9, 0.9]
    assert len(axes["mean cosine of prompts"].lines) == 1


def test_a_detector_without_language_is_warned_of_nothing(model: ModelFacts) -> None:
    plain = model.model_copy(update={"history": [{"step": 1.0, "total": 1.0}]})
    assert training_curves("xception", [plain]).title == model.title
