"""Secrets: a step has them while it runs, and afterwards nothing has."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

VALUE = "S3cr3t-0f-the-Test"


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(VALUE)
    return path


def holders(folder: Path, value: str) -> list[str]:
    """The files below a folder that hold the text."""
    found = subprocess.run(["grep", "-rlaF", "--", value, str(folder)], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


def test_a_secret_is_in_the_step_and_nowhere_afterwards(
    llbuild: Llbuild, context: Callable[..., Path], token: Path, tmp_path: Path
) -> None:
    folder = context(
        "FROM busybox\n"
        f"RUN --mount=type=secret,id=tok grep -qx {VALUE[:6]}.* /run/secrets/tok "
        "&& grep -q 'secrets/tok tmpfs ro' /proc/mounts\n"
        "RUN --mount=type=secret,id=tok,env=TOKEN,required \\\n"
        "    --mount=type=secret,id=tok,target=/a/b/c,mode=0440,uid=5,gid=6 \\\n"
        "    test ${#TOKEN} = 18 && test $(stat -c %a:%u:%g /a/b/c) = 440:5:6 && test $(cat /a/b/c) = $TOKEN\n"
        "RUN test ! -e /run/secrets && test ! -e /a && test -z $TOKEN && touch /run-before\n"
    )
    out = tmp_path / "out.tar"
    outcome = llbuild.build("-t", "x", "-o", f"type=tar,dest={out}", "--secret", f"id=tok,src={token}", folder)
    assert len(outcome.ran()) == 3
    assert holders(llbuild.root, VALUE) == []
    assert VALUE.encode() not in out.read_bytes()
    assert VALUE not in outcome.stdout + outcome.stderr
    files = llbuild("run", "x", "find", "/run", "/a", exit_code=1).stdout
    assert "secrets" not in files


def test_a_changed_secret_changes_no_result(llbuild: Llbuild, context: Callable[..., Path], token: Path) -> None:
    folder = context("FROM busybox\nRUN --mount=type=secret,id=tok wc -c < /run/secrets/tok > /size\n")
    assert len(llbuild.build("--secret", f"id=tok,src={token}", folder).ran()) == 1
    token.write_text("another one, longer")
    assert llbuild.build("--secret", f"id=tok,src={token}", folder).ran() == []
    assert llbuild.build(folder).ran() == []


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        ("id=tok,env=OTHER", {"OTHER": VALUE}),
        ("id=tok,type=env,src=OTHER", {"OTHER": VALUE}),
        ("type=env,id=tok", {"tok": VALUE}),
        ("id=tok", {"tok": VALUE}),
    ],
)
def test_a_secret_may_come_from_the_environment(
    llbuild: Llbuild, context: Callable[..., Path], given: str, environment: dict[str, str]
) -> None:
    folder = context("FROM busybox\nRUN --mount=type=secret,id=tok,required test $(wc -c < /run/secrets/tok) = 18\n")
    assert len(llbuild.build("--secret", given, folder, env=environment).ran()) == 1
    assert holders(llbuild.root, VALUE) == []


def test_a_secret_nobody_gave_is_missed_only_where_it_is_required(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    options = "--mount=type=secret,id=tok --mount=type=secret,id=x,env=X"
    llbuild.build(context(f"FROM busybox\nRUN {options} test -z $X && test ! -e /run/secrets\n"))
    folder = context("FROM busybox\nRUN --mount=type=secret,id=tok,required true\n")
    outcome = llbuild.build(folder, exit_code=1)
    assert "the secret 'tok' is required, and was not given" in outcome.stderr
    assert "hint: add --secret id=tok,src=FILE" in outcome.stderr
    assert "   2 | >>> RUN --mount" in outcome.stderr


def test_a_failing_step_does_not_give_its_secret_away(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "zero").write_bytes(VALUE.encode() + b"\0")
    folder = context("FROM busybox\nRUN --mount=type=secret,id=tok,env=TOK,required exit 3\n")
    outcome = llbuild.build("--secret", f"id=tok,src={tmp_path / 'zero'}", folder, exit_code=1)
    assert "the secret 'tok' holds a zero byte" in outcome.stderr
    outcome = llbuild.build("--secret", "id=tok,env=V", folder, exit_code=1, env={"V": VALUE})
    assert "exited with code 3" in outcome.stderr
    assert VALUE not in outcome.stderr
    assert holders(llbuild.root, VALUE) == []


def test_wrong_secrets_are_refused_before_anything_runs(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    folder = context("FROM busybox\nRUN --mount=type=secret,id=tok true\n")
    (tmp_path / "large").write_bytes(bytes((500 << 10) + 1))
    for given, message in (
        (f"id=tok,src={tmp_path / 'large'}", "--secret id=tok: it is larger than 500 KiB"),
        ("id=nowhere-", "--secret id=nowhere-: there is no file 'nowhere-', nor an environment variable nowhere-"),
        (f"id=tok,src={tmp_path}", f"--secret id=tok: {str(tmp_path)!r} is a folder"),
        ("id=tok,env=NOT_SET", "--secret id=tok: there is no environment variable NOT_SET"),
    ):
        outcome = llbuild("build", "--secret", given, folder, exit_code=2)
        assert message in outcome.stderr


def test_a_secret_at_a_link_that_leads_out_stays_inside(
    llbuild: Llbuild, context: Callable[..., Path], token: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = context(
        "FROM busybox\n"
        f"RUN rm -rf /run && ln -s {outside} /run && ln -s /proc/self/cwd/../../../..{outside} /b\n"
        "RUN --mount=type=secret,id=tok --mount=type=secret,id=tok,target=/b/x "
        f"find {outside} -type f | wc -l > /n && cat /n\n"
    )
    outcome = llbuild.build("--secret", f"id=tok,src={token}", folder)
    assert outcome.step("--mount").output == b"2\n"
    assert list(outside.iterdir()) == []
