"""Which manifest stands for which role of a study's protocols; no torch here."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.data.manifest import Manifest, check_path, read_manifest
from benchmark.data.remote import local_manifest, refuse_address
from benchmark.errors import BenchmarkError
from benchmark.scoring.own import with_code
from benchmark.study.schema import Study
from protocols.schema import Protocol, load_protocol
from results.metrics.registry import check_metrics

GENERIC = "data"
"""The one role of protocols that take any manifest."""

Data = Mapping[str, Path | str] | Path | str
"""Manifests by role; or the one manifest, for protocols that need one role."""


def load_protocols(study: Study) -> tuple[Protocol, ...]:
    """Read the protocols of a study, which share their conditions' pixels.

    Raises:
        ProtocolError: A file breaks the schema, or lists a metric that does not exist.
        BenchmarkError: Two protocols have one name, or their noise seeds differ.
        PerturbationError: One has a perturbation of one's own that is not bound.
    """
    protocols = tuple(with_code(load_protocol(stated.protocol)) for stated in study.protocols)
    for protocol in protocols:
        check_metrics(protocol)
    names = [protocol.name for protocol in protocols]
    if len(set(names)) < len(names):
        raise BenchmarkError(f"study '{study.name}': two protocols have one name")
    seeds = {protocol.noise_seed for protocol in protocols}
    if len(seeds) > 1:
        raise BenchmarkError(
            f"study '{study.name}': its protocols have the noise seeds {sorted(seeds)}; one study "
            "has one, since its models share perturbed images"
        )
    return protocols


def roles_of(protocols: Sequence[Protocol]) -> list[str]:
    """List the roles of some protocols."""
    return sorted({role for protocol in protocols for role in protocol.roles})


def stands_for(protocols: Sequence[Protocol], data: Data) -> str | None:
    """Say that the user's own word stands for the one role there is, or None."""
    if isinstance(data, (str, Path)) or roles_of(protocols) != [GENERIC] or len(data) != 1:
        return None
    word = next(iter(data))
    return None if word == GENERIC else f"data '{word}' stands for the protocol's role '{GENERIC}'"


def bound_paths(
    protocols: Sequence[Protocol], data: Data, *, allow_missing: bool = False
) -> dict[str, Path]:
    """Find the manifest file of every role; none is read.

    Args:
        protocols: Whose roles.
        data: The manifest of each.
        allow_missing: A role may be left without one; what needs it is then a stated gap.

    Raises:
        BenchmarkError: A role is unbound or unknown, where all roles are listed; or two roles are
            bound to one manifest.
        ManifestError: There is no such file.
    """
    roles = roles_of(protocols)
    if isinstance(data, (str, Path)):
        data = local_manifest(data)
        if len(roles) != 1:
            raise BenchmarkError(
                f"the roles {', '.join(roles)} need a manifest each: --data ROLE=MANIFEST"
            )
        data = {roles[0]: data}
    elif roles == [GENERIC] and len(data) == 1:
        data = {GENERIC: next(iter(data.values()))}  # its name is the user's own word for it
    data = {role: local_manifest(manifest) for role, manifest in data.items()}
    unknown = sorted(set(data) - set(roles))
    if unknown:
        raise BenchmarkError(f"no role is called '{unknown[0]}'; the roles are {', '.join(roles)}")
    unbound = [role for role in roles if role not in data]
    if unbound and not (allow_missing and data):
        raise BenchmarkError(
            f"no manifest is bound to {', '.join(unbound)}: --data {unbound[0]}=MANIFEST"
            + ("; or leave them out with --allow-missing" if data else "")
        )
    bound: dict[Path, str] = {}
    for role in (role for role in roles if role in data):
        other = bound.setdefault(Path(data[role]).resolve(), role)
        if other != role:
            raise BenchmarkError(
                f"{data[role]} is bound to '{other}' and to '{role}': what one of them trains on "
                "would count as unseen in the other; give each role a manifest of its own"
            )
    for role in bound.values():
        check_path(Path(data[role]))
    return {role: Path(data[role]) for role in bound.values()}


def read_bound(paths: Mapping[str, Path]) -> dict[str, Manifest]:
    """Read the manifest of every role.

    Raises:
        ManifestError: One cannot be read.
    """
    return {role: read_manifest(path) for role, path in paths.items()}


def bind(
    protocols: Sequence[Protocol], data: Data, *, allow_missing: bool = False
) -> dict[str, Manifest]:
    """Read the manifest of every role, as ``bound_paths`` finds them.

    Raises:
        BenchmarkError: As there.
        ManifestError: A manifest cannot be read.
    """
    return read_bound(bound_paths(protocols, data, allow_missing=allow_missing))


def check_folder(out: Path) -> None:
    """Refuse a folder that no run can be in.

    Raises:
        BenchmarkError: It, or what it would lie in, is a file; it is an address of a store; or it
            holds other things.
    """
    refuse_address(out, "--out")
    above = next((path for path in (out, *out.parents) if path.exists()), out)
    if not above.is_dir():
        what = "a file" if above == out else f"in {above}, which is a file"
        raise BenchmarkError(f"--out {out} is {what}: choose another folder")
    if out.is_dir() and not (out / "run.json").is_file():
        # Another run may have just begun, and be writing these under names with a dot.
        begun = (".lock", "samples.parquet", ".samples.parquet.", ".run.json.")
        other = [path.name for path in out.iterdir() if not path.name.startswith(begun)]
        if other:
            raise BenchmarkError(
                f"{out} holds other files ({other[0]}) and no run: choose a new folder"
            )
