"""Celeb-DF, version 1."""

from benchmark.data.adapters import Published
from benchmark.data.layouts.celeb_df import celeb_df

ADAPTER = celeb_df(
    "celeb-df-v1",
    "Celeb-DF-v1",
    published=(Published("", "camera", 408), Published("", "Celeb-synthesis", 795)),
)
