"""Commands on one trained detector: scores of images, and a file for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.console import EXIT_ERROR, doing, fail, print_table, reports_errors, say
from benchmark.cli.options import (
    CodeOption,
    DeviceOption,
    PrecisionOption,
    StoreOption,
    read_code,
)
from benchmark.environment import check_device, check_precision

# Nothing here may import torch at the top: --help and the lists stay light.
models_app = typer.Typer()


@models_app.command()
@reports_errors
def score(
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    model: Annotated[
        str,
        typer.Option(
            "--model", help="A trained detector: its id in the store, a folder or Hub name."
        ),
    ],
    store: StoreOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write a CSV file.")] = None,
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", help="Also draw what it looks at, into this new folder."),
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "float32",
    allow_code: CodeOption = None,
) -> None:
    """Score images with a trained detector."""
    from benchmark.training.store import ModelStore, default_store

    check_device(device)
    check_precision(precision)
    allowed = read_code(allow_code)
    ModelStore(store or default_store()).check_named(model)
    with doing("Loading the detector"):  # torch takes a while to load
        from benchmark.analysis.own_overlays import drawing_into
        from benchmark.scoring.files import score_paths

        each = None if overlay is None else drawing_into(overlay)
        scored = score_paths(
            paths,
            model=model,
            store=store,
            out=out,
            device=device,
            precision=precision,
            allow_code=allowed,
            each=each,
        )
    rows = [[row.path, f"{row.logit:+.3f}", f"{row.p_fake:.4f}"] for row in scored.scores]
    if rows:
        title = f"P(fake) by {scored.detector} ({scored.form})"
        print_table(title, ["image", "logit", "P(fake)"], rows)
    for problem in scored.problems:
        fail(problem)
    if scored.problems:
        raise typer.Exit(EXIT_ERROR)


@models_app.command("export-model")
@reports_errors
def export_model(
    model: Annotated[
        str, typer.Argument(help="A trained detector: its id in the store, a folder or Hub name.")
    ],
    out: Annotated[
        Path, typer.Argument(help="File that is written: .pt2 (torch.export) or .onnx.")
    ],
    store: StoreOption = None,
    allow_code: CodeOption = None,
) -> None:
    """Write a trained detector as a file that runs without this package."""
    allowed = read_code(allow_code)
    with doing("Exporting"):
        from benchmark.scoring.files import trained_detector
        from benchmark.training.store import ModelStore, default_store
        from detectors.exporting import export_model as carry_out

        detector = trained_detector(model, ModelStore(store or default_store()), allowed)
        largest = carry_out(detector, out)
    say(f"Model: {out} (logits within {largest:.0e}; its input is in {out.with_suffix('.json')})")
