"""Write down which code each version of a detector stands for, where it is not written down yet.

    python -m tests.detector_versions

Models of the catalog's detectors are known by ``Card.version``, by ``CONTRACT_VERSION`` for what
all detectors share, and by ``TRAINING_VERSION`` for the trainer. Whoever changes their code raises
one of them, so that no model of the old code is taken for one of the new. A change that moves no
number (a rename, say) may keep the version: its entry is deleted from the file by hand, written
anew, and the commit says why.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from benchmark.training.identity import of_card
from benchmark.training.jobs import TRAINING_VERSION
from benchmark.training.sources import (
    contract_sources,
    shipped_hash,
    shipped_sources,
    trainer_sources,
)
from detectors.card import CONTRACT_VERSION
from detectors.cards import CARDS, CATALOG
from detectors.cards.foundation import HUGGINGFACE
from detectors.catalog import CHECKPOINT, catalog_target
from detectors.plain import timm_detector

VERSIONS = Path(__file__).with_suffix(".json")
CONTRACT, TRAINING = "contract", "training"
_CONSTANTS = {CONTRACT: "CONTRACT_VERSION", TRAINING: "TRAINING_VERSION"}
RUN = "run: python -m tests.detector_versions"


class Entry(TypedDict):
    version: int
    hash: str


def found() -> dict[str, Entry]:
    """Give the version and hash of each detector, and of what they share, as the code is now."""
    cards = {target: CARDS[name] for name, target in CATALOG.items()}
    cards[catalog_target(f"{CHECKPOINT}any")] = HUGGINGFACE
    entries = {
        CONTRACT: Entry(version=CONTRACT_VERSION, hash=shipped_hash(contract_sources())[:12]),
        TRAINING: Entry(version=TRAINING_VERSION, hash=shipped_hash(trainer_sources())[:12]),
    }
    cards["detectors.plain:timm_detector"] = timm_detector("timm:resnet18").card
    for target, card in cards.items():
        module, _, name = target.partition(":")
        told = json.dumps([name, of_card(card), shipped_hash(shipped_sources([module]))])
        digest = hashlib.sha256(told.encode()).hexdigest()
        entries[card.name] = Entry(version=card.version, hash=digest[:12])
    return entries


def refusals(known: Mapping[str, Entry], now: Mapping[str, Entry]) -> list[str]:
    """Say of what the code was changed and the version was not, or not upwards."""
    contract = CONTRACT in known and now[CONTRACT]["version"] > known[CONTRACT]["version"]
    told = []
    for name in sorted(known.keys() & now.keys()):
        before, entry = known[name], now[name]
        raised = (contract and name != TRAINING) or entry["version"] > before["version"]
        if entry["version"] < before["version"]:
            told.append(f"the version of {name} was lowered to {entry['version']}")
        elif entry["hash"] != before["hash"] and not raised:
            version = _CONSTANTS.get(name, f"Card.version of {name} (or CONTRACT_VERSION)")
            told.append(f"{name} was changed: raise {version}, then {RUN}")
    return told


def main() -> None:
    known: dict[str, Entry] = json.loads(VERSIONS.read_text()) if VERSIONS.is_file() else {}
    now = found()
    if told := refusals(known, now):
        raise SystemExit("\n".join(told))
    VERSIONS.write_text(json.dumps(now, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
