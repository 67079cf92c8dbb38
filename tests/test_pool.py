"""Subsets that depend on nothing but seed and sample id; frames that are evenly spaced."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from protocols.pool import Pool
from protocols.samples import validate


def frames(name: str, count: int, label: str = "fake", split: str = "test") -> pd.DataFrame:
    taxonomy = ("EFS", "GAN", "G") if label == "fake" else ("real", "real", "camera")
    rows = [(f"{name}/{i}.png", label, *taxonomy, split, name) for i in range(count)]
    names = ["sample_id", "label", "forgery", "family", "generator", "split", "group"]
    return pd.DataFrame(rows, columns=names)


def pool(*videos: pd.DataFrame, seed: int = 0, count: int | None = None) -> Pool:
    samples = validate(pd.concat(videos), "test")
    return Pool(samples.assign(dataset="data", problem=""), seed, count)


def chosen(of: Pool, mask: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> list[str]:
    return of.samples["sample_id"][mask].tolist()


def test_a_draw_takes_the_smallest_digests_of_seed_and_id() -> None:
    made = pool(frames("a", 30), seed=5)
    every = np.ones(30, dtype=bool)
    ids = made.samples["sample_id"]
    order = sorted(ids, key=lambda s: hashlib.sha256(f"5\x1f{s}".encode()).digest())
    assert sorted(order[:7]) == chosen(made, made.draw(every, 7))
    assert chosen(made, made.draw(every, 7)) != chosen(
        made, pool(frames("a", 30), seed=6).draw(every, 7)
    )


def test_a_draw_depends_on_no_other_sample() -> None:
    alone, among = pool(frames("a", 30)), pool(frames("a", 30), frames("b", 50))
    of_a = among.isin("group", ("a",))
    assert chosen(alone, alone.draw(np.ones(30, dtype=bool), 9)) == chosen(
        among, among.draw(of_a, 9)
    )


@pytest.mark.parametrize(("there", "asked"), [(100, 32), (33, 32), (32, 32), (7, 32), (50, 2)])
def test_frames_are_those_of_an_even_grid(there: int, asked: int) -> None:
    made = pool(frames("v", there), count=asked)
    kept = made.samples["sample_id"][made.of_class("data", ("test",), fake=True)]
    grid = {int(x + 0.5) for x in np.linspace(0, there - 1, min(asked, there))}
    assert {int(name.split("/")[1][:-4]) for name in kept} == grid


def test_one_frame_is_the_middle_one() -> None:
    made = pool(frames("v", 9), count=1)
    assert chosen(made, made.of_class("data", ("test",), fake=True)) == ["v/4.png"]


def test_frames_are_spaced_within_their_own_video() -> None:
    made = pool(frames("v", 20), frames("w", 3, "real"), count=5)
    assert made.of_class("data", ("test",), fake=True).sum() == 5
    assert made.of_class("data", ("test",), fake=False).sum() == 3
