"""Signatures of submissions: by keys that the test makes; what is wrong is refused by name."""

import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from leaderboard.board.records import read_entries
from leaderboard.errors import LeaderboardError
from leaderboard.submissions.adding import add_submission
from leaderboard.submissions.checking import check_archive
from leaderboard.submissions.keeper import make_keeper
from leaderboard.submissions.packing import pack
from leaderboard.submissions.signing import NAMESPACE, sign_archive, signature_of, verify_signature
from tests.cheats import CARD
from tests.fake_run import make_run

KEYGEN = shutil.which("ssh-keygen")
pytestmark = pytest.mark.skipif(KEYGEN is None, reason="ssh-keygen is not installed")
TODAY = date(2026, 11, 27)


def keygen(*arguments: object) -> None:
    assert KEYGEN is not None
    subprocess.run([KEYGEN, *map(str, arguments)], check=True, capture_output=True)


def make_key(path: Path) -> Path:
    keygen("-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path)
    return path


def listed(path: Path, name: str, key: Path, options: str = "") -> Path:
    """Write a file of allowed signers with one line."""
    public = key.with_name(f"{key.name}.pub").read_text(encoding="utf-8").strip()
    path.write_text(f"{name} {options} {public}\n", encoding="utf-8")
    return path


class Case(NamedTuple):
    run: Path
    keeper: Path
    archive: Path
    key: Path
    signers: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("signing")
    run = make_run(folder / "run", protocols=["cross-forgery"], detectors=["xception"])
    archive = folder / "x.zip"
    pack(run, archive, submitter="Some Group", training_data="these", said=CARD)
    key = make_key(folder / "key")
    signers = listed(folder / "signers", "some-group", key)
    return Case(run, make_keeper(run, folder / "keeper"), archive, key, signers)


@pytest.fixture
def case(made: Case, tmp_path: Path) -> Case:
    archive = Path(shutil.copy(made.archive, tmp_path / "x.zip"))
    return made._replace(archive=archive)


def broken(case: Case) -> dict[str, tuple[str, ...]]:
    checked = check_archive(case.archive, case.keeper, TODAY, signers=case.signers)
    return {verdict.rule: verdict.faults for verdict in checked.verdicts if verdict.faults}


def test_a_signed_submission_is_accepted_and_its_entry_names_the_key(
    case: Case, tmp_path: Path
) -> None:
    path = sign_archive(case.archive, case.key)
    assert path == case.archive.with_name("x.zip.sig")
    assert verify_signature(case.archive, case.signers).name == "some-group"
    keeper = shutil.copytree(case.keeper, tmp_path / "keeper")
    done = add_submission(case.archive, keeper, tmp_path / "e", TODAY, signers=case.signers)
    assert [v for v in done.checked.verdicts if v.faults] == []
    (entry,) = read_entries(tmp_path / "e")
    assert entry.signed.startswith("SHA256:")
    unasked = check_archive(case.archive, case.keeper, TODAY)
    assert [each.signed for each in unasked.entries] == [""], "what nobody verified is not said"


def test_a_signature_that_is_required_and_missing_is_named(case: Case) -> None:
    assert broken(case) == {
        "signature-missing": (
            "a signature is required, and x.zip.sig is not there: board pack --sign KEY",
        )
    }


def test_a_changed_archive_is_refused_before_it_is_opened(case: Case) -> None:
    sign_archive(case.archive, case.key)
    case.archive.write_bytes(case.archive.read_bytes() + b"\0")
    assert broken(case) == {
        "signature-good": ("x.zip.sig is not of these bytes: the archive or it was changed",)
    }


def test_a_signature_for_another_use_is_refused(case: Case) -> None:
    keygen("-Y", "sign", "-f", case.key, "-n", "git", case.archive)
    assert broken(case) == {
        "signature-namespace": (f"x.zip.sig was made for 'git', not for {NAMESPACE}",)
    }


def test_a_key_that_nobody_listed_is_refused(case: Case, tmp_path: Path) -> None:
    sign_archive(case.archive, make_key(tmp_path / "other"))
    assert broken(case) == {
        "signature-signer": ("x.zip.sig is of a key that signers does not list",)
    }


def test_a_key_that_is_listed_for_another_use_is_refused(case: Case, tmp_path: Path) -> None:
    sign_archive(case.archive, case.key)
    signers = listed(tmp_path / "signers", "some-group", case.key, 'namespaces="git"')
    assert list(broken(case._replace(signers=signers))) == ["signature-signer"]


def test_one_who_may_sign_does_not_sign_for_another(case: Case, tmp_path: Path) -> None:
    sign_archive(case.archive, case.key)
    signers = listed(tmp_path / "signers", "another-group", case.key)
    assert broken(case._replace(signers=signers)) == {
        "signature-submitter": ("it is some-group's, and another-group signed",)
    }


ARMOURED = b"-----BEGIN SSH SIGNATURE-----\n%s\n-----END SSH SIGNATURE-----\n"


@pytest.mark.parametrize(
    "content",
    [b"", b"no signature", b"\xff" * (1 << 17), ARMOURED % b"U1NIU0lH", ARMOURED % b"\xff"],
)
def test_what_is_no_signature_is_refused(case: Case, content: bytes) -> None:
    signature_of(case.archive).write_bytes(content)
    assert list(broken(case)) == ["signature-form"]


def test_a_key_or_file_of_signers_that_is_not_there_is_named(case: Case, tmp_path: Path) -> None:
    with pytest.raises(LeaderboardError, match="there is no such key; make one: ssh-keygen"):
        sign_archive(case.archive, tmp_path / "none")
    (tmp_path / "text").write_text("no key")
    with pytest.raises(LeaderboardError, match="text: OpenSSH does not sign with it"):
        sign_archive(case.archive, tmp_path / "text")
    assert not signature_of(case.archive).exists()
    with pytest.raises(LeaderboardError, match="there is no such file of allowed signers"):
        verify_signature(case.archive, tmp_path / "none")


def test_the_commands_sign_and_verify(case: Case, tmp_path: Path) -> None:
    def invoke(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["board", *map(str, arguments)], env={"COLUMNS": "240"})
        return done.exit_code, done.output

    said = [part for name, text in CARD.items() for part in (f"--{name}", text)]
    out = tmp_path / "mine.zip"
    options = ("--submitter", "Some Group", "--training-data", "these", *said, "--sign", case.key)
    code, told = invoke("pack", case.run, "-o", out, *options)
    assert (code, f"Signature: {out}.sig" in told) == (0, True), told
    code, told = invoke("check", out, "--keeper", case.keeper, "--signers", case.signers)
    assert (code, "kept    signature-submitter" in told) == (0, True), told
    signature_of(out).unlink()
    code, told = invoke("check", out, "--keeper", case.keeper, "--signers", case.signers)
    assert (code != 0, "broken  signature-missing" in told) == (True, True)
