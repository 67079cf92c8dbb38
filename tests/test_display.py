"""What a run tells while it works, in a terminal and in a log."""

import io
import time

import pytest
from rich.console import Console

from benchmark.cli.display import Display


def bars(width: int, **figures: float) -> list[str]:
    """Draw the bars of a training under way."""
    display = Display(Console(file=io.StringIO(), force_terminal=True, width=width))
    display.phase("train", 45)
    display.job("resnet50-aug on StableDiffusion-2.1 (seed 0)", 600)
    display.advance(300, **figures)
    shown = io.StringIO()
    Console(file=shown, width=width).print(display._bars.get_renderable())
    return shown.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_times_stay_whole_beside_every_figure(width: int) -> None:
    lines = bars(width, loss=0.69312, val_auc=0.7701)
    assert len(lines) == 2
    assert "300/600 " in lines[1]
    assert "0:00:00 " in lines[1]
    assert lines[1].endswith("loss 0.693  val_auc 0.770")
    assert "1 of 45: resnet50-aug" in lines[1]


def log(monkeypatch: pytest.MonkeyPatch, *, jumps: float) -> str:
    """Run two jobs of three steps, each step ``jumps`` seconds, where there is no terminal."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    text = io.StringIO()
    with Display(Console(file=text, width=40)) as display:
        display.phase("train", 2)
        for name in ("xception on [EFS] and other long names (seed 0)", "second"):
            display.job(name, 3)
            for _ in range(3):
                now[0] += jumps
                display.advance(loss=0.5)
            display.finish()
        display.phase("score", 0)
    return text.getvalue()


def test_a_log_has_a_line_a_model_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = log(monkeypatch, jumps=10.0).splitlines()
    assert lines[0] == "Training: 2 models"
    assert lines[1].startswith(
        "  1 of 2: xception on [EFS] and other long names (seed 0)  0.1/s  30 s"
    )
    assert lines[2].startswith("  2 of 2: second")
    assert lines[3:] == ["Scoring: nothing left to do"]


def test_a_log_tells_now_and_then_how_far_a_long_model_is(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = log(monkeypatch, jumps=61.0).splitlines()
    assert len(lines) == 2 + 2 * 4
    assert lines[1].endswith("(seed 0)  1 of 3  61 s  loss 0.500")
