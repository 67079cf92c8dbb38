"""Write down the hashes of protocol versions that are not written down yet.

    python -m tests.protocol_hashes

A version that is written down is never changed: whoever changes its file raises its version.
"""

import json
from pathlib import Path

from protocols.schema import load_protocol, protocol_names

HASHES = Path(__file__).with_suffix(".json")


def main() -> None:
    known: dict[str, dict[str, str]] = json.loads(HASHES.read_text()) if HASHES.is_file() else {}
    for name in protocol_names():
        protocol = load_protocol(name)
        known.setdefault(name, {}).setdefault(str(protocol.version), protocol.hash)
    HASHES.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
