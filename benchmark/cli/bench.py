"""The commands on detectors themselves: what they cost, what their cards say."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.console import (
    error_console,
    out_console,
    print_sections,
    print_table,
    reports_errors,
)
from benchmark.cli.options import MOST_THREADS, read_code, read_list

# Nothing here may import torch at the top: --help and the lists stay light.
bench_app = typer.Typer(no_args_is_help=True, help="Measure what things cost.")
show_app = typer.Typer(no_args_is_help=True, help="Show all that is known of one thing.")


@bench_app.command("detectors")
@reports_errors
def bench_detectors(
    detectors: Annotated[
        str | None,
        typer.Option("--detectors", help="Names, separated by commas.", show_default="all"),
    ] = None,
    size: Annotated[str, typer.Option("--size", help="tiny (CPU) or base (published).")] = "tiny",
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images a forward pass.")] = 8,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often it is timed.")] = 5,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=MOST_THREADS, help="CPU threads.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the table and the figure.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what --out would write if it is there.")
    ] = False,
) -> None:
    """Measure parameters, FLOPs, images a second and memory, each detector in its own process."""
    if out is not None:
        from leaderboard.figures.cost import cost_files
        from results.files import refuse_existing

        refuse_existing(*cost_files(out), force=force)
    names = [] if detectors == "all" else read_list(detectors) or []
    read_code(None, names)
    from benchmark.analysis.cost import Setting, measure_costs
    from benchmark.cli.display import Display
    from leaderboard.tables.cost import COST_COLUMNS, cost_notes, cost_rows

    setting = Setting(
        size=size,  # type: ignore[arg-type]  # measure_costs checks it
        device=device,
        batch=batch,
        rounds=rounds,
        threads=threads,
    )
    with Display(error_console) as display:
        found = measure_costs(names, setting, display)
    notes = "\n".join(cost_notes(*found))
    sections: dict[str, list[list[str]]] = {}
    for name, group, *numbers in cost_rows(found.costs):
        sections.setdefault(group, []).append([name, *numbers])
    print_sections("Cost of detectors", [COST_COLUMNS[0], *COST_COLUMNS[2:]], sections, notes)
    if out is not None:
        from leaderboard.figures.cost import write_costs

        for path in write_costs(out, *found, force=force):
            out_console.print(f"Written: {path}", highlight=False, soft_wrap=True)


@bench_app.command("run")
@reports_errors
def bench_run(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    detectors: Annotated[
        str | None,
        typer.Option("--detectors", help="Names, separated by commas.", show_default="all"),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Trained models.", show_default="the cache folder"),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images a forward pass.")] = 8,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often it is timed.")] = 5,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=MOST_THREADS, help="CPU threads.")
    ] = None,
    allow_code: Annotated[
        list[str] | None,
        typer.Option("--allow-code", metavar="MODULE", help="A module that the run may name."),
    ] = None,
) -> None:
    """Measure FLOPs, rate, latency and memory of a run's models; its report shows them."""
    names = read_list(detectors)
    allowed = read_code(allow_code, names)
    from benchmark.analysis.cost import Setting
    from benchmark.analysis.run_cost import measure_run
    from benchmark.cli.display import Display

    setting = Setting(size="base", device=device, batch=batch, rounds=rounds, threads=threads)
    with Display(error_console) as display:
        page = measure_run(
            run, setting, detectors=names, store=store, progress=display, allow_code=allowed
        )
    out_console.print(f"Report: {page}", highlight=False, soft_wrap=True)


@show_app.command("detector")
@reports_errors
def show_detector(
    name: Annotated[str, typer.Argument(help="Its name in the catalog.")],
) -> None:
    """Show a detector's whole card."""
    from benchmark.cli.catalog import card_facts

    read_code(None, [name])
    title, facts = card_facts(name)
    print_table(title, ["what", "on the card"], facts)
