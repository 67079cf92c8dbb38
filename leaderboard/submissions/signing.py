"""Signatures of submissions, made and verified by OpenSSH (``ssh-keygen -Y``), as git's are.

A signature lies beside its archive, ``x.zip.sig``. Who may sign is the keeper's file of allowed
signers (ssh-keygen(1), ALLOWED SIGNERS): a line a key, ``<submitter> <kind of key> <key>``. No
other program reads the archive before its signature is known to be good.
"""

import base64
import re
import shutil
import subprocess
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from leaderboard.errors import LeaderboardError
from protocols.text import printable
from results.errors import ResultError
from results.files import atomic_write, check_regular

NAMESPACE = "forgerybench-submission"
SUFFIX = ".sig"
_MOST_BYTES = 1 << 16
_SECONDS = 60
_ARMOUR = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\s(.*)\s-----END SSH SIGNATURE-----", re.DOTALL
)
_GOOD = re.compile(r'Good "[^"]+" signature for (\S+) with (\S+) key (SHA256:[A-Za-z0-9+/]+)')


class Signer(NamedTuple):
    """Who signed: a name of the file of allowed signers, and the fingerprint of the key."""

    name: str
    key: str


class SignatureError(LeaderboardError):
    """A signature is not what it must be; ``rule`` says which rule it breaks."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def signature_of(archive: Path) -> Path:
    """Give the file of an archive's signature."""
    return archive.with_name(archive.name + SUFFIX)


def sign_archive(archive: Path, key: Path) -> Path:
    """Sign an archive with a private key, or with a public one whose private half ssh-agent holds.

    Returns:
        The signature's file, written whole.

    Raises:
        LeaderboardError: There is no such key, OpenSSH is not installed, or it cannot sign.
    """
    if not key.is_file():
        raise LeaderboardError(f"{key}: there is no such key; make one: ssh-keygen -t ed25519")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "archive"
        shutil.copyfile(archive, copy)
        done = _keygen("sign", "-f", str(key.resolve()), "-n", NAMESPACE, str(copy))
        made = signature_of(copy)
        if done.returncode or not made.is_file():
            raise LeaderboardError(f"{key}: OpenSSH does not sign with it: {_said(done)}")
        atomic_write(signature_of(archive), made.read_bytes())
    return signature_of(archive)


def verify_signature(archive: Path, signers: Path) -> Signer:
    """Find out who signed an archive; of its content nothing is read but the bytes.

    Raises:
        LeaderboardError: The file of signers cannot be read, or OpenSSH is not installed.
        SignatureError: The signature is missing, of another use, of nobody who may sign, or not
            of these bytes.
    """
    if not signers.is_file():
        raise LeaderboardError(f"{signers}: there is no such file of allowed signers")
    path = signature_of(archive)
    if not path.exists() and not path.is_symlink():
        told = f"a signature is required, and {path.name} is not there: board pack --sign KEY"
        raise SignatureError("signature-missing", told)
    try:
        check_regular(path)
    except ResultError as error:
        raise SignatureError("signature-form", f"{path.name} is no plain file") from error
    if path.stat().st_size > _MOST_BYTES:
        raise SignatureError("signature-form", f"{path.name} is larger than {_MOST_BYTES:,} bytes")
    return _signer(archive, path.resolve(), signers.resolve(), path.name)


def _signer(archive: Path, signature: Path, signers: Path, shown: str) -> Signer:
    """Look up whose key signed, then verify that it signed just this, for just this use."""
    use = _namespace(signature.read_bytes())
    if use is None:
        raise SignatureError("signature-form", f"{shown} is no signature of OpenSSH")
    if use != NAMESPACE:
        told = f"{shown} was made for '{printable(use)[:80]}', not for {NAMESPACE}"
        raise SignatureError("signature-namespace", told)
    form = _keygen("check-novalidate", "-n", NAMESPACE, "-s", str(signature), archive=archive)
    if form.returncode:
        told = f"{shown} is not of these bytes: the archive or it was changed"
        raise SignatureError("signature-good", told)
    found = _keygen("find-principals", "-s", str(signature), "-f", str(signers))
    names = found.stdout.decode("utf-8", "replace").split()
    if found.returncode or not names:
        told = f"{shown} is of a key that {signers.name} does not list"
        raise SignatureError("signature-signer", told)
    name = names[0].split(",")[0]
    done = _keygen(
        "verify", "-f", str(signers), "-I", name, "-n", NAMESPACE, "-s", str(signature),
        archive=archive,
    )  # fmt: skip
    good = _GOOD.search(done.stdout.decode("utf-8", "replace"))
    if done.returncode or good is None:
        told = f"{signers.name} does not let {printable(name)} sign for {NAMESPACE}: {_said(done)}"
        raise SignatureError("signature-signer", told)
    return Signer(good[1], good[3])


def _namespace(signature: bytes) -> str | None:
    """Read what a signature was made for; None where it is no signature.

    Source: OpenSSH's PROTOCOL.sshsig: an armoured blob of the magic ``SSHSIG``, a version, and
    then texts, each behind its length: the public key, the namespace, and more.
    """
    armour = _ARMOUR.fullmatch(signature.strip())
    if armour is None:
        return None
    try:
        blob = base64.b64decode(b"".join(armour[1].split()), validate=True)
        after_key = 14 + int.from_bytes(blob[10:14])
        start = after_key + 4
        stop = start + int.from_bytes(blob[after_key:start])
        is_whole = blob[:6] == b"SSHSIG" and stop <= len(blob)
        return blob[start:stop].decode("utf-8") if is_whole else None
    except ValueError:
        return None


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    """Give the last line of what a program said, harmlessly."""
    lines = (done.stderr + done.stdout).decode("utf-8", "replace").strip().splitlines()
    return printable(lines[-1].strip())[:200] if lines else "nothing was said"


def _keygen(
    what: str, *arguments: str, archive: Path | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run ``ssh-keygen -Y``; the archive is given on its standard input."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise LeaderboardError("signatures need ssh-keygen: install OpenSSH 8.2 or newer")
    with archive.open("rb") if archive else nullcontext(subprocess.DEVNULL) as given:
        return subprocess.run(  # noqa: S603  # of names that were looked up or made here
            [program, "-Y", what, *arguments],
            stdin=given, capture_output=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
