"""Celeb-DF++, also called version 3: 22 methods in three groups."""

from benchmark.data.adapters import Published
from benchmark.data.layouts.celeb_df import SWAPS, TALKING, TWINS, celeb_df

ADAPTER = celeb_df(
    "celeb-df-pp",
    "Celeb-DF++",
    published=(
        Published("test", "camera", 178),
        *(Published("test", method, 200) for method in (*SWAPS, *TWINS)),
        *(Published("test", method, 300) for method in TALKING),
    ),
)
