"""The commands that list what there is: ``forgerybench list``."""

import typer

from benchmark.cli.console import out_console, print_sections, print_table, reports_errors, say

# Nothing here may import torch at the top: the lists stay light.
list_app = typer.Typer(no_args_is_help=True, help="List what there is.")


@list_app.command("detectors")
@reports_errors
def list_detectors() -> None:
    """List the detectors of the catalog by group."""
    from benchmark.cli.catalog import CATALOG_COLUMNS, NOTE, listing

    print_sections("Detectors", list(CATALOG_COLUMNS), listing(), NOTE)


@list_app.command("protocols")
@reports_errors
def list_protocols() -> None:
    """List the protocols with their train x test diagrams, and the studies made of them."""
    from benchmark.study.schema import load_study, study_names
    from protocols.diagram import DIAGRAM_LEGEND, diagram
    from protocols.schema import load_protocol, protocol_names

    shown = [load_protocol(name) for name in protocol_names()]
    for protocol in shown:
        out_console.print(f"\n[bold]{protocol.name}[/]", highlight=False)
        out_console.print(protocol.summary, markup=False, highlight=False)
        say(f"\n{diagram(protocol)}")
    say(f"\n{DIAGRAM_LEGEND}")
    rows = [[p.name, p.title, str(p.version), ", ".join(p.roles)] for p in shown]
    print_table("Protocols", ["name", "title", "version", "roles"], rows)
    studies = [load_study(name) for name in study_names()]
    rows = [[s.name, s.title, ", ".join(p.protocol for p in s.protocols)] for s in studies]
    print_table("Studies", ["name", "title", "protocols"], rows)


@list_app.command("perturbations")
@reports_errors
def list_perturbations() -> None:
    """List the perturbations with their levels."""
    from protocols.conditions import perturbations, shown

    sections: dict[str, list[list[str]]] = {}
    for name, found in perturbations().items():
        row = [name, ", ".join(found.stages), found.parameter, " ".join(map(shown, found.levels))]
        sections.setdefault(name.partition("/")[0], []).append(row)
    columns = ["name", "stages", "parameter", "severity 1, 2, ..."]
    note = "docs/perturbation-levels.md has what each does, its source and its version."
    print_sections("Perturbations", columns, sections, note)


@list_app.command("published")
@reports_errors
def list_published() -> None:
    """List the numbers that others have published: sources, tables, how weights were chosen."""
    from results.literature import Literature, read_literature

    def row(table: str, part: Literature) -> list[str]:
        values = {
            name: sorted({str(getattr(number, name)) for number in part.numbers})
            for name in ("level", "selection", "metric", "model", "train", "test")
        }
        models, train, test = (len(values[name]) for name in ("model", "train", "test"))
        repeated = sum(number.repeated for number in part.numbers)
        doubtful = sum(number.doubtful for number in part.numbers)
        protocols = sorted({name.protocol for name in part.names if name.protocol})
        conditions = [
            f"{', '.join(values['metric'])} of {models} models",
            f"trained on {train}, tested on {test} sets",
            f"level {', '.join(values['level'])}",
            f"weights chosen by {', '.join(values['selection'])}",
        ]
        beside = "\n".join(name for name in protocols if part.under(name)) or "none"
        counts = f"{len(part.numbers)}\n{repeated} repeated"
        counts += f"\n{doubtful} doubtful" if doubtful else ""
        return [table, counts, "\n".join(conditions), beside]

    sources: dict[str, list[list[str]]] = {}
    for (source, table), part in read_literature().by_table().items():
        sources.setdefault(source, []).append(row(table, part))
    say("Published numbers: reported by others, not measured here")
    for source, rows in sources.items():
        print_table(source, ["table", "numbers", "what they are", "shown beside runs of"], rows)
