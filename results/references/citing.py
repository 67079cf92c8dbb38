"""``CITATIONS.bib``: every work that a run used, from its facts alone; the same bytes each time."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from protocols import Protocol
from protocols.conditions import OWN
from protocols.schema import protocol_names
from protocols.text import printable
from results.references.library import SUITE, Cited, uses, works
from results.run import RunContents
from results.schema import ModelFacts

CITATIONS_FILE = "CITATIONS.bib"


class Use(NamedTuple):
    """Something that a run used.

    Attributes:
        what: What it is, for readers.
        cited: Its works, or why it has none.
        own: Entries for what is in no library: key and BibTeX.
    """

    what: str
    cited: Cited
    own: Mapping[str, str] = {}


def citations(contents: RunContents, statistics: Collection[str]) -> str:
    """Write the works of a run as BibTeX, by key, each with what it is cited for.

    Args:
        contents: The run.
        statistics: Which of the library's statistics its report shows.
    """
    found = [Use("the suite", (SUITE,)), *_uses(contents, statistics)]
    library = dict(works())
    purposes: dict[str, list[str]] = {}
    without: dict[str, None] = {}
    for use in found:
        library |= use.own
        if isinstance(use.cited, str):
            without[f"{use.what}: {use.cited}"] = None
            continue
        for key in use.cited:
            purposes.setdefault(key, [])
            if use.what not in purposes[key]:
                purposes[key].append(use.what)
    title = _comment(contents.facts.title)
    lines = [f"% Works used by this run, to be cited with its numbers: {title}"]
    if without:
        lines += ["%", "% Without a work to cite:", *(f"%   {_comment(text)}" for text in without)]
    for key, whats in sorted(purposes.items()):
        lines += ["", f"% for {_comment(', '.join(whats))}", library[key]]
    return "\n".join(lines) + "\n"


def _uses(contents: RunContents, statistics: Collection[str]) -> Iterator[Use]:
    """Give all that a run used, in the order of its facts."""
    for model in contents.models.values():
        yield _detector(model)
        for word in _backbones(model):
            yield Use(f"backbone {word}", uses().backbones[word])
    sources = set(contents.samples["source"])
    for source in sorted(sources - {""}):
        yield Use(
            f"dataset {source}",
            uses().datasets.get(source, "no work is known for this source of samples"),
        )
    for expansion in contents.expansions.values():
        yield from _protocol(expansion.protocol)
    for name in sorted(statistics):
        yield Use(name, uses().statistics[name])


def _protocol(protocol: Protocol) -> Iterator[Use]:
    """Give a protocol, its suites of perturbations and its metrics."""
    shipped = protocol.name in protocol_names()
    yield Use(
        f"protocol {protocol.name}",
        uses().protocols[protocol.name] if shipped else protocol.citation,
    )
    names = [each.perturbation for each in protocol.expanded_conditions if each.severity]
    for suite in dict.fromkeys(name.partition("/")[0] for name in names):
        if f"{suite}/" == OWN:
            yield Use(
                "perturbations own", "a function of the user's own, of which no work is known"
            )
        else:
            yield Use(f"perturbations {suite}", uses().perturbations[suite])
    for metric in protocol.metrics:
        yield Use(
            f"metric {metric}", uses().metrics.get(metric, "no work is known for this metric")
        )


def _detector(model: ModelFacts) -> Use:
    """Give the works of a detector: the catalog's by name, one's own by its card."""
    what = f"detector {model.title}"
    if model.imported is not None:
        return Use(what, "its scores were imported, without a card")
    if model.catalog is not False and model.detector in uses().detectors:
        return Use(what, uses().detectors[model.detector])
    if model.card is None or not model.card.paper.strip():
        return Use(what, "no card of it was taken down")
    key = "own-" + (re.sub(r"[^a-z0-9]+", "-", model.detector.lower()).strip("-") or "detector")
    fields = {"title": model.card.paper, "year": str(model.card.year)}
    if model.card.code:
        fields["howpublished"] = model.card.code
    body = "".join(f"  {name} = {{{_value(text)}}},\n" for name, text in fields.items())
    return Use(what, (key,), {key: f"@misc{{{key},\n{body}}}"})


def _backbones(model: ModelFacts) -> list[str]:
    """Name the networks that a model is built on, as its options and start say.

    Folders count by their last part; where no option names a network, what a pretrained one was
    trained on says it.
    """
    if model.imported is not None:
        return []
    named = [PurePosixPath(v).name for v in model.options.values() if isinstance(v, str)]
    start = model.init.partition(":")[0]
    texts = [*named, start, model.detector.partition(":")[0]]
    if not _words(named) and start not in ("random", "none"):
        texts.append(model.pretraining or "")
    return _words(texts)


def _words(texts: Collection[str]) -> list[str]:
    """Find the library's words for backbones in texts; a number may follow, as in ``resnet50``."""
    parts = set(re.findall(r"[a-z]+[0-9]*", " ".join(texts).lower()))
    plain = parts | {part.rstrip("0123456789") for part in parts}
    return [word for word in uses().backbones if word in plain]


def _value(text: str) -> str:
    """Make a stranger's text the value of a field: no brace or command of theirs is left."""
    plain = printable(" ".join(text.split())).replace("\\", "/")
    plain = plain.replace("{", "(").replace("}", ")")
    return re.sub(r"([&%$#_])", r"\\\1", plain)


def _comment(text: str) -> str:
    """Make a text a comment: one line in which no entry begins."""
    return printable(" ".join(text.split())).replace("@", "(at)")
