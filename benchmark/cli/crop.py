"""The command that cuts faces out of pictures and videos: ``forgerybench data crop``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.console import error_console, print_table, reports_errors, say

if TYPE_CHECKING:
    from benchmark.data.cropping import Cropped


@reports_errors
def data_crop(
    manifest: Annotated[Path, typer.Argument(help="A manifest of pictures or frames of videos.")],
    recipe: Annotated[
        str, typer.Option("--recipe", help="deepfakebench, faceforensics or genface.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of crops to make.")],
    detector: Annotated[
        str, typer.Option("--detector", help="What finds faces: retinaface or mtcnn.")
    ] = "retinaface",
    weights: Annotated[
        Path | None, typer.Option("--weights", help="An ONNX file in the place of its own.")
    ] = None,
    several: Annotated[
        str,
        typer.Option("--several", help="largest, tracked (one person), all, leave-out or refuse."),
    ] = "largest",
    no_face: Annotated[
        str, typer.Option("--no-face", help="Picture without a face: leave-out or refuse.")
    ] = "leave-out",
    outside: Annotated[
        str, typer.Option("--outside", help="Crop that leaves it: keep, leave-out or refuse.")
    ] = "keep",
    side: Annotated[
        int, typer.Option("--side", help="Longer side at which faces are looked for, in pixels.")
    ] = 640,
    confidence: Annotated[
        float, typer.Option("--confidence", help="What a face must have at least, 0 to 1.")
    ] = 0.9,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Threads; one a core if left out.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out pictures that cannot be read.")
    ] = False,
) -> None:
    """Cut faces out of pictures and videos by a published recipe; a stopped call goes on."""
    from benchmark.cli.display import Display
    from benchmark.data.cropping import crop
    from benchmark.data.crops import CropSettings
    from benchmark.data.manifest import read_manifest

    settings = CropSettings(
        recipe=recipe,
        detector=detector,
        weights=weights,
        several=several,
        no_face=no_face,
        outside=outside,
        side=side,
        confidence=confidence,
        allow_missing=allow_missing,
    )
    found = read_manifest(manifest)
    with Display(error_console) as display:
        cropped = crop(found, out, settings, workers=workers, progress=display)
    _tell_cropped(found.name, cropped)


def _tell_cropped(name: str, cropped: "Cropped") -> None:
    """Say what was found and cut out, class by class, and where it is."""
    from benchmark.data.cropping import KEYS, LEFT_OUT

    counts = cropped.counts
    numbers = counts.drop(columns=KEYS)
    kinds = counts[KEYS].itertuples(index=False, name=None)
    rows = [
        [f"{split} {label}: {generator} ({source})", *map(str, row)]
        for (split, label, generator, source), row in zip(
            kinds, numbers.itertuples(index=False, name=None), strict=True
        )
    ]
    print_table(
        f"Faces in {name}",
        ["", *map(str, numbers.columns)],
        [*rows, ["all", *map(str, numbers.sum())]],
        f"several: more than one face; outside: crops that leave their picture; {LEFT_OUT} "
        "lists the pictures without a crop",
        whole=False,  # the heads of the numbers are not folded for it
    )
    say(f"Manifest: {cropped.manifest} ({numbers['crops'].sum()} crops)")
