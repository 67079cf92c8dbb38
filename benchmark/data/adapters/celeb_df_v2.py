"""Celeb-DF, version 2."""

from benchmark.data.adapters import Published
from benchmark.data.layouts.celeb_df import celeb_df

ADAPTER = celeb_df(
    "celeb-df-v2",
    "Celeb-DF-v2",
    published=(
        Published("test", "camera", 178),
        Published("test", "Celeb-synthesis", 340),
        Published("", "camera", 890),
        Published("", "Celeb-synthesis", 5639),
    ),
)
