"""Cache mounts between steps, builds and processes: sharing, first contents, owners."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llbuild.tests.end_to_end.driver import overlap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from llbuild.tests.end_to_end.driver import Llbuild

# Two stages that run at the same time: each waits for the other's file in a cache that they share.
MEET = "touch /meet/{me} && until test -e /meet/{other}; do sleep 0.05; done"


def two_stages(options: str, scripts: tuple[str, str]) -> str:
    shared = "--mount=type=cache,target=/meet --mount=type=cache,target=/c" + options
    return (
        f"FROM busybox AS a\nRUN {shared} {scripts[0]}\nFROM busybox AS b\nRUN {shared} {scripts[1]}\n"
        "FROM busybox\nCOPY --from=a /a* /\nCOPY --from=b /b* /\n"
    )


def test_private_caches_are_apart_and_used_again(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    scripts = tuple(
        MEET.format(me=me, other=other) + f" && touch /c/{me} && ls /c > /{me}"
        for me, other in (("a", "b"), ("b", "a"))
    )
    out = llbuild.root.parent / "out"
    llbuild.build("-o", str(out), context(two_stages(",sharing=private", (scripts[0], scripts[1]))))
    assert ((out / "a").read_text(), (out / "b").read_text()) == ("a\n", "b\n")
    assert len(list((llbuild.root / "cache-mounts").iterdir())) == 3
    outcome = llbuild.build(context("FROM busybox\nRUN --mount=type=cache,target=/c,sharing=private ls /c\n"))
    assert outcome.step("ls /c").output in (b"a\n", b"b\n")
    assert len(list((llbuild.root / "cache-mounts").iterdir())) == 3


def test_shared_caches_are_one_folder(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    scripts = tuple(
        f"touch /c/{me} && " + MEET.format(me=me, other=other) + f" && ls /c > /{me}"
        for me, other in (("a", "b"), ("b", "a"))
    )
    out = llbuild.root.parent / "out"
    llbuild.build("-o", str(out), context(two_stages("", (scripts[0], scripts[1]))))
    assert ((out / "a").read_text(), (out / "b").read_text()) == ("a\nb\n", "a\nb\n")


def test_a_locked_cache_has_one_user_at_a_time_and_the_other_says_that_it_waits(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    script = "mkdir /c/busy && sleep 0.5 && rmdir /c/busy && touch /{me}"
    locked = "--mount=type=cache,target=/c,sharing=locked"
    folder = context(
        f"FROM busybox AS a\nRUN {locked} {script.format(me='a')}\n"
        f"FROM busybox AS b\nRUN {locked} {script.format(me='b')}\n"
        "FROM busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\n"
    )
    outcome = llbuild.build(folder)
    steps = outcome.named("RUN")
    assert overlap(steps) == 2  # both were started, and one waited
    waited = b"waiting for the cache mount /c, which another step has locked\n"
    assert sorted(step.output for step in steps) == [b"", waited]


@pytest.mark.slow
def test_a_locked_cache_has_one_user_among_all_builds(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    locked = "--mount=type=cache,target=/c,sharing=locked"
    folder = context("FROM busybox\nARG N\n" + f"RUN {locked} mkdir /c/busy && sleep 1 && rmdir /c/busy && echo $N\n")
    builds = [llbuild.start("build", "--build-arg", f"N={number}", folder) for number in range(3)]
    for build in builds:
        _, errors = build.communicate(timeout=120)
        assert build.returncode == 0, errors.decode()


def test_a_cache_begins_with_what_a_stage_has_and_keeps_what_became_of_it(
    llbuild: Llbuild, context: Callable[..., Path]
) -> None:
    text = (
        "FROM busybox AS seed\n"
        "RUN mkdir -m 0750 /s && chown 7:8 /s && ln -s s /l\n"
        "RUN cd /s && echo {seed} > a && ln a b && ln -s /etc/passwd out\n"
        "FROM busybox\n"
        "ARG N\n"
        "RUN --mount=type=cache,id=x,target=/c,from=seed,source=/l stat -c %a:%u:%g /c && ls /c && cat /c/a "
        "&& test /c/a -ef /c/b && echo $N >> /c/a && readlink /c/out\n"
    )
    first = llbuild.build("--build-arg", "N=1", context(text.format(seed="one")))
    assert first.step("--mount").output.decode().split() == ["750:7:8", "a", "b", "out", "one", "/etc/passwd"]
    again = llbuild.build("--build-arg", "N=2", context(text.format(seed="one")))
    assert again.step("--mount").output.decode().split() == ["750:7:8", "a", "b", "out", "one", "1", "/etc/passwd"]
    other = llbuild.build("--build-arg", "N=2", context(text.format(seed="two")))
    assert other.step("--mount").output.decode().split() == ["750:7:8", "a", "b", "out", "two", "/etc/passwd"]


def test_a_cache_may_begin_with_a_file_of_the_context_and_never_leaves_its_source(
    llbuild: Llbuild, context: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given/file").write_text("one\n")
    (tmp_path / "given/link").symlink_to("/file")
    (tmp_path / "given/escape").symlink_to("/etc/hostname")
    text = "FROM busybox\nARG N\nRUN --mount=type=cache,target=/f,from=given,source={source} cat /f && echo $N >> /f\n"
    given = ("--build-context", f"given={tmp_path / 'given'}")
    for number, want in ((1, b"one\n"), (2, b"one\n1\n")):
        outcome = llbuild.build(*given, "--build-arg", f"N={number}", context(text.format(source="link")))
        assert outcome.step("--mount").output == want
    assert (tmp_path / "given/file").read_text() == "one\n"
    outcome = llbuild.build(*given, context(text.format(source="escape")), exit_code=1)
    assert "escape" in outcome.stderr


def test_a_cache_has_the_owner_and_mode_it_is_asked_for(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    folder = context(
        "FROM busybox\n"
        "RUN --mount=type=cache,target=/c,uid=7,gid=8,mode=0700 stat -c %a:%u:%g /c > /one && touch /c/mine\n"
        "RUN --mount=type=cache,target=/c,uid=7,gid=8,mode=0700 ls /c >> /one\n"
        "RUN --mount=type=cache,target=/c ls /c >> /one && stat -c %a:%u:%g /c >> /one\n"
        "RUN --mount=type=cache,target=/c,ro ! touch /c/x 2>/dev/null\n"
        "RUN test ! -e /c && cat /one\n"
    )
    assert llbuild.build(folder).step("cat /one").output.split() == [b"700:7:8", b"mine", b"755:0:0"]


def test_without_cache_the_caches_begin_anew_once(llbuild: Llbuild, context: Callable[..., Path]) -> None:
    cache = "--mount=type=cache,target=/c"
    folder = context(
        f"FROM busybox\nRUN {cache} echo a >> /c/log\nRUN {cache} echo b >> /c/log\n"
        f"RUN {cache} cat /c/log > /log\nRUN cat /log\n"
    )
    for flag, said in ((), b"a\nb\n"), (("--no-cache",), b"a\nb\n"), (("--no-cache",), b"a\nb\n"):
        assert llbuild.build(*flag, folder).step("RUN cat /log").output == said
    changed = context(f"FROM busybox\nRUN {cache} echo c >> /c/log; cat /c/log\n")
    assert llbuild.build(changed).step("cat /c/log").output == b"a\nb\nc\n"
