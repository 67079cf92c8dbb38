"""The folder that a manifest's paths start from, and where it stands when it lies elsewhere."""

from pathlib import Path, PosixPath, PurePosixPath

from benchmark.data.packs import is_pack, open_pack
from benchmark.data.remote import RemoteRoot, address_of_root, remote_root
from benchmark.errors import ManifestError


class LinkedRoot(PosixPath):
    """A root whose links are followed wherever they lead, since its user has said so.

    Data sets in the Hub's cache, in DVC, or linked together from several disks are files behind
    links that leave the folder. Under a plain ``Path`` such a link is refused: an archive from
    anywhere may bring one.
    """


def stated_root(folder: Path, manifest: Path) -> str | None:
    """Give how a manifest's file names the folder of its images.

    Args:
        folder: The folder of the images.
        manifest: The manifest's file.

    Returns:
        None where it lies in that folder; a relative path where the folder lies below that of the
        manifest, so that both can be moved together; else the absolute path.
    """
    here, there = manifest.parent.resolve(), folder.absolute()
    if folder.resolve() == here:
        return None
    if folder.resolve().is_relative_to(here):
        return folder.resolve().relative_to(here).as_posix()
    return there.as_posix()


def root_of(manifest: Path, root: str | None, *, links: bool) -> Path:
    """Give the folder that a manifest's paths start from: a ``PackedRoot`` where that is a pack.

    Args:
        manifest: Its file.
        root: What is stated beside it: an absolute path, or one from its folder; None: that folder.
        links: Whether links are followed out of it.

    Raises:
        ManifestError: It is a pack, and damaged.
    """
    address = address_of_root(manifest)
    if address is not None:
        return _remote(manifest, root, address)
    folder = manifest.parent if root is None else manifest.parent / root
    if is_pack(folder):
        return open_pack(folder, links=links)
    return LinkedRoot(folder) if links else folder


def _remote(manifest: Path, root: str | None, address: str) -> RemoteRoot:
    """Give the root of a manifest that was fetched: its folder there, or one below it.

    Raises:
        ManifestError: The manifest names another place: nothing is fetched from there.
    """
    if root is None:
        return remote_root(manifest.parent, address)
    if root.startswith("/") or ".." in PurePosixPath(root).parts or ":" in root:
        raise ManifestError(
            f"{address}/{manifest.name}: states that its images lie in '{root}'; from an address "
            "only what lies below the manifest's folder is fetched"
        )
    return remote_root(manifest.parent / root, f"{address}/{root}")
