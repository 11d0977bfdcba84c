"""Copies as a Dockerfile asks for them. What is wanted here is what BuildKit was seen to do, unless it says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from llbuild.errors import LlbuildError, SourceError
from llbuild.llb import ChownOptions, FileCopy, FileMkfile, FileOp, FileRm, FileStep, NamedUser
from llbuild.tests.worker.snapshot.trees import IS_ROOT, OLD_S, Bench, changes, copying, show
from llbuild.worker.fileop import run_file_op
from llbuild.worker.snapshot import FolderTree, MergedTree, Snapshot, read_contents, remove_tree

CONTEXT = {
    "a.txt": "a",
    "b.txt": "b",
    "d/x": "dx",
    "d/lnk": "-> x",
    "d/sub/y": "dy",
    "d/sub/z.md": "dz",
    "e/": "",
    "k/": "700",
    "k/f": "f",
    "l": "-> a.txt",
    "ld": "-> d",
    "out": "-> /etc/passwd",
    "dangling": "-> nowhere",
    "h/a": "h",
    "h/b": "= h/a",
    "x[1]": "br",
}
BASE = {
    "app/": "750",
    "app/old": "o",
    "app/sub/keep": "k",
    "app/ls": "-> sub",
    "link": "-> app",
    "abs": "-> /app/sub",
    "up": "-> ../../../app",
    "fl": "-> app/old",
    "file": "F",
    "dl": "-> missing/deep",
    "loop": "-> loop",
}

COPIES: list[tuple[str, str, dict[str, str | None]]] = [
    # files
    ("/a.txt", "/new", {"new": "644 a"}),
    ("/a.txt", "/new/", {"new/": "755", "new/a.txt": "644 a"}),
    ("/a.txt", "/n1/n2/f", {"n1/": "755", "n1/n2/": "755", "n1/n2/f": "644 a"}),
    ("/a.txt", "/app", {"app/a.txt": "644 a"}),
    ("/a.txt", "/app/", {"app/a.txt": "644 a"}),
    ("/a.txt", "/app/.", {"app/a.txt": "644 a"}),
    ("/a.txt", "/app/old", {"app/old": "644 a"}),
    ("/a.txt", "/", {"a.txt": "644 a"}),
    ("/a.txt", "//dd///ee", {"dd/": "755", "dd/ee": "644 a"}),
    ("/a.txt", "/app/ls/../q", {"app/q": "644 a"}),
    # links at the destination are followed, inside the root
    ("/a.txt", "/link", {"app/a.txt": "644 a"}),
    ("/a.txt", "/link/", {"app/a.txt": "644 a"}),
    ("/a.txt", "/link/../q", {"q": "644 a"}),
    ("/a.txt", "/abs/q", {"app/sub/q": "644 a"}),
    ("/a.txt", "/up/q", {"app/q": "644 a"}),
    ("/a.txt", "/fl", {"app/old": "644 a"}),
    ("/a.txt", "/dl", {"missing/": "755", "missing/deep": "644 a"}),
    ("/a.txt", "/dl/", {"missing/": "755", "missing/deep/": "755", "missing/deep/a.txt": "644 a"}),
    # links at the source, too
    ("/l", "/x", {"x": "644 a"}),
    ("/l", "/x/", {"x/": "755", "x/l": "644 a"}),
    ("/ld/x", "/x", {"x": "644 dx"}),
    ("/ld/sub", "/x", {"x/": "755", "x/y": "644 dy", "x/z.md": "644 dz"}),
    ("/../a.txt", "/x", {"x": "644 a"}),
    ("/d/../a.txt", "/x", {"x": "644 a"}),
    ("/d/sub/../../b.txt", "/x", {"x": "644 b"}),
    # folders: what is in them
    ("/d/sub", "/app", {"app/y": "644 dy", "app/z.md": "644 dz"}),
    ("/d/sub/", "/app/", {"app/y": "644 dy", "app/z.md": "644 dz"}),
    ("/d/sub", "/new/deep/", {"new/": "755", "new/deep/": "755", "new/deep/y": "644 dy", "new/deep/z.md": "644 dz"}),
    ("/e", "/newe", {"newe/": "755"}),
    ("/e", "/app", {}),
    ("/k", "/new", {"new/": "755", "new/f": "644 f"}),
    ("/d", "/app", {"app/x": "644 dx", "app/lnk": "-> x", "app/sub/y": "644 dy", "app/sub/z.md": "644 dz"}),
    ("/d", "/app/ls", {"app/sub/x": "644 dx", "app/sub/lnk": "-> x", "app/sub/sub/": "755",
                       "app/sub/sub/y": "644 dy", "app/sub/sub/z.md": "644 dz"}),
    # wildcards
    ("/*.txt", "/w/", {"w/": "755", "w/a.txt": "644 a", "w/b.txt": "644 b"}),
    ("/[^a].txt", "/w/", {"w/": "755", "w/b.txt": "644 b"}),
    ("/x[[]1]", "/w/", {"w/": "755", "w/x[1]": "644 br"}),
    ("/*.zip", "/w/", {}),
    ("/d/*/y", "/w/", {"w/": "755", "w/y": "644 dy"}),
    ("/*/x", "/w/", {"w/": "755", "w/x": "644 dx"}),  # d/x; ld is not looked through
    ("/l*", "/w/", {"w/": "755", "w/l": "644 a", "w/x": "644 dx", "w/lnk": "-> x", "w/sub/": "755",
                    "w/sub/y": "644 dy", "w/sub/z.md": "644 dz"}),
    ("/ld/*.md", "/w/", {}),
    ("/ld/sub/*.md", "/w/", {"w/": "755", "w/z.md": "644 dz"}),
]  # fmt: skip

REFUSED = [
    ("/missing", "/w", "'missing' not found"),
    ("/b.tx", "/w", "'b.tx' not found; did you mean 'b.txt'?"),
    ("/d/missing", "/w", "'d/missing' not found"),
    ("/a.txt/x", "/w", "'a.txt/x' not found"),
    ("/dangling", "/w", "'dangling' is a symbolic link to nothing that is there"),
    ("/out", "/w", "'out' is a symbolic link to nothing that is there"),
    ("/nodir/*.txt", "/w", "'nodir' not found"),
    ("/[", "/w", "malformed"),
    ("/a.txt", "/loop", "too many symbolic links in '/loop'"),
    ("/a.txt", "/file/", "/file is not a folder"),
    ("/a.txt", "/file/x", "/file is not a folder"),
    ("/d", "/file", "/file"),
    ("/d", "/app/old", "/app/old"),
]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(("src", "dest", "want"), COPIES)
def test_a_copy_puts_things_where_docker_does(bench: Bench, src: str, dest: str, want: dict[str, str | None]) -> None:
    base = Snapshot((bench.layer(BASE),))
    result = bench.run(base, copying(src, dest), source=bench.context(CONTEXT))
    assert changes(bench.show(base), bench.show(result)) == want


@pytest.mark.parametrize(("src", "dest", "want"), COPIES)
def test_a_copy_from_another_stage_goes_by_the_same_rules(
    bench: Bench, src: str, dest: str, want: dict[str, str | None]
) -> None:
    base = Snapshot((bench.layer(BASE),))
    result = bench.run(base, copying(src, dest), source=Snapshot((bench.layer(CONTEXT),)))
    assert changes(bench.show(base), bench.show(result)) == want


@pytest.mark.parametrize(("src", "dest", "message"), REFUSED)
def test_a_copy_that_cannot_be_is_refused_and_leaves_nothing(bench: Bench, src: str, dest: str, message: str) -> None:
    base = Snapshot((bench.layer(BASE),))
    before = bench.names()
    with pytest.raises(LlbuildError) as caught:
        bench.run(base, copying(src, dest), source=bench.context(CONTEXT))
    assert message in caught.value.message
    assert str(bench.folder) not in caught.value.message
    assert bench.names() == before


def test_a_wildcard_that_must_match_is_refused_when_it_does_not(bench: Bench) -> None:
    with pytest.raises(SourceError, match="matches nothing"):
        bench.run(Snapshot(), copying("/*.zip", "/", allow_empty_wildcard=False), source=bench.context(CONTEXT))


def test_without_create_dest_path_the_folder_must_be_there(bench: Bench) -> None:
    with pytest.raises(LlbuildError, match="/no/such does not exist"):
        bench.run(Snapshot(), FileCopy(src="/a.txt", dest="/no/such/x"), source=bench.context(CONTEXT))


def test_a_folder_copied_as_itself_brings_its_mode_and_name(bench: Bench) -> None:
    base = Snapshot((bench.layer(BASE),))
    context = bench.context(CONTEXT)
    new = bench.run(base, copying("/k", "/new", dir_copy_contents=False), source=context)
    into = bench.run(base, copying("/k", "/app", dir_copy_contents=False), source=context)
    assert changes(bench.show(base), bench.show(new)) == {"new/": "700", "new/f": "644 f"}
    assert changes(bench.show(base), bench.show(into)) == {"app/k/": "700", "app/k/f": "644 f"}


def test_a_folder_met_on_the_way_takes_the_mode_of_the_copied_one_and_the_top_keeps_its_own(bench: Bench) -> None:
    base = Snapshot((bench.layer({"t/": "711", "t/k/": "711"}),))
    result = bench.run(base, copying("/", "/t"), source=bench.context({"k/": "700", "k/f": "f"}))
    assert changes(bench.show(base), bench.show(result)) == {"t/k/": "700", "t/k/f": "644 f"}


def test_a_folder_is_not_copied_onto_a_link_or_a_file_unless_they_are_to_be_replaced(bench: Bench) -> None:
    base = Snapshot((bench.layer({"t/sub": "-> /elsewhere", "elsewhere/": ""}),))
    context = bench.context({"sub/f": "f"})
    with pytest.raises(LlbuildError, match="/t/sub"):
        bench.run(base, copying("/", "/t"), source=context)
    result = bench.run(base, copying("/", "/t", always_replace_existing=True), source=context)
    assert bench.show(result) == {"elsewhere/": "755", "t/": "755", "t/sub/": "755", "t/sub/f": "644 f"}


def test_a_file_is_not_copied_onto_a_folder_unless_it_is_to_be_replaced(bench: Bench) -> None:
    base = Snapshot((bench.layer({"t/f/inner": "i"}),))
    context = bench.context({"f": "f"})
    with pytest.raises(LlbuildError, match="/t/f"):
        bench.run(base, copying("/", "/t"), source=context)
    result = bench.run(base, copying("/", "/t", always_replace_existing=True), source=context)
    assert bench.show(result) == {"t/": "755", "t/f": "644 f"}


EXCLUDES: list[tuple[str, tuple[str, ...], list[str]]] = [
    ("/d", ("**/y",), ["w/lnk", "w/sub/", "w/sub/z.md", "w/x"]),
    ("/d", ("sub", "!sub/y"), ["w/lnk", "w/sub/", "w/sub/y", "w/x"]),
    ("/d", ("sub/*",), ["w/lnk", "w/sub/", "w/x"]),
    ("/d", ("*",), []),
    ("/*.txt", ("a*",), ["w/b.txt"]),  # by the documentation; BuildKit itself copies both
]


@pytest.mark.parametrize(("src", "excludes", "want"), EXCLUDES)
def test_what_is_excluded_is_not_copied(bench: Bench, src: str, excludes: tuple[str, ...], want: list[str]) -> None:
    result = bench.run(Snapshot(), copying(src, "/w/", exclude_patterns=excludes), source=bench.context(CONTEXT))
    assert sorted(bench.show(result)) == sorted([*want, "w/"])


INCLUDES: list[tuple[str, tuple[str, ...], list[str]]] = [
    ("/", ("d/sub/y",), ["w/d/", "w/d/sub/", "w/d/sub/y"]),
    ("/", ("d/*/y",), ["w/d/", "w/d/sub/", "w/d/sub/y"]),
    ("/", ("**/y",), ["w/d/", "w/d/sub/", "w/d/sub/y"]),
    ("/d", ("sub/y",), ["w/sub/", "w/sub/y"]),
    ("/", ("d/sub",), ["w/d/", "w/d/sub/", "w/d/sub/y", "w/d/sub/z.md"]),
    ("/", ("k/f",), ["w/k/", "w/k/f"]),
]


@pytest.mark.parametrize(("src", "includes", "want"), INCLUDES)
def test_what_is_included_brings_the_folders_it_lies_in(
    bench: Bench, src: str, includes: tuple[str, ...], want: list[str]
) -> None:
    result = bench.run(Snapshot(), copying(src, "/w/", include_patterns=includes), source=bench.context(CONTEXT))
    assert sorted(bench.show(result)) == sorted([*want, "w/"])
    if "w/k/" in want:
        assert bench.show(result)["w/k/"] == "700"


@pytest.mark.parametrize(
    ("path", "excludes", "there"),
    [("/d/x", (), True), ("/d/missing", (), False), ("/ld/x", (), False), ("/d/x", ("d/x",), False)],
)
def test_a_required_path_must_be_among_what_is_copied(
    bench: Bench, path: str, excludes: tuple[str, ...], there: bool
) -> None:
    action = copying("/", "/w/", include_patterns=(path[1:],), exclude_patterns=excludes, required_paths=(path,))
    if there:
        bench.run(Snapshot(), action, source=bench.context(CONTEXT))
        return
    with pytest.raises(SourceError, match=f"'{path[1:]}' not found"):
        bench.run(Snapshot(), action, source=bench.context(CONTEXT))


CHMODS = [
    ("755", 0o644, 0o755),
    ("4755", 0o644, 0o4755),
    ("u=rwX,go=rX", 0o600, 0o644),
    ("u=rwX,go=rX", 0o700, 0o755),
    ("+x", 0o644, 0o755),
    ("go-rwx", 0o755, 0o700),
    ("a-w,u+s", 0o755, 0o4555),
    ("g=u", 0o600, 0o660),
    ("g=u,o=u", 0o4755, 0o4777),
    ("u-s", 0o4755, 0o755),
    ("o=g-x", 0o750, 0o754),
]


@pytest.mark.parametrize(("text", "before", "after"), CHMODS)
def test_permissions_are_set_as_asked(bench: Bench, text: str, before: int, after: int) -> None:
    context = bench.context({"f": "x"})
    os.chmod(f"{bench.folder}/context1/f", before)
    how = {"mode": int(text, 8)} if text.isdigit() else {"mode_text": text}
    result = bench.run(Snapshot(), copying("/f", "/new/f", **how), source=context)
    assert bench.show(result) == {"new/": "755", "new/f": f"{after:o} x"}


def test_a_mode_that_is_none_is_refused(bench: Bench) -> None:
    with pytest.raises(LlbuildError, match="'u=q' is no file mode"):
        bench.run(Snapshot(), copying("/a.txt", "/x", mode_text="u=q"), source=bench.context(CONTEXT))


PASSWD = {"etc/passwd": "root:x:0:0::/root:/bin/sh\nbob:x:1000:1001::/home/bob:/bin/sh\n", "etc/group": "staff:x:50:\n"}


@pytest.mark.needs_root
@pytest.mark.parametrize(
    ("owner", "want"),
    [
        (ChownOptions(user=12), "12:12"),
        (ChownOptions(user=12, group=13), "12:13"),
        (ChownOptions(group=13), "0:13"),
        (ChownOptions(user=NamedUser(name="bob", input=0)), "1000:1001"),
        (ChownOptions(user=NamedUser(name="bob", input=0), group=NamedUser(name="staff", input=0)), "1000:50"),
    ],
)
def test_an_owner_is_given_to_the_copies_and_the_folders_made_for_them(
    bench: Bench, owner: ChownOptions, want: str
) -> None:
    base = Snapshot((bench.layer({**PASSWD, "there/": ""}),))
    result = bench.run(
        base, copying("/d/sub/y", "/p/q/f", owner=owner), copying("/d/sub", "/there", owner=owner),
        source=bench.context(CONTEXT),
    )  # fmt: skip
    assert changes(bench.show(base), bench.show(result)) == {
        "p/": f"755 of {want}",
        "p/q/": f"755 of {want}",
        "p/q/f": f"644 dy of {want}",
        "there/y": f"644 dy of {want}",
        "there/z.md": f"644 dz of {want}",
    }


@pytest.mark.parametrize("half", ["user", "group"])
def test_an_owner_the_image_does_not_know_is_refused_by_name(bench: Bench, half: str) -> None:
    base = Snapshot((bench.layer(PASSWD),))
    owner = ChownOptions(**{half: NamedUser(name="nobody-knows", input=0)})
    with pytest.raises(LlbuildError, match=f"no {half} 'nobody-knows'"):
        bench.run(base, copying("/a.txt", "/x", owner=owner), source=bench.context(CONTEXT))


@pytest.mark.needs_root
def test_files_of_a_stage_keep_their_owners_and_files_of_a_context_are_roots(bench: Bench) -> None:
    stage = Snapshot((bench.layer({"f": "x", "l": "-> f"}, owners={"f": (7, 8), "l": (9, 9)}),))
    assert bench.show(bench.run(Snapshot(), copying("/", "/"), source=stage)) == {
        "f": "644 x of 7:8",
        "l": "-> f of 9:9",
    }
    context = bench.context({"f": "x"})
    os.chown(f"{bench.folder}/context1/f", 7, 8)
    assert bench.show(bench.run(Snapshot(), copying("/", "/"), source=context)) == {"f": "644 x"}


def test_hard_links_among_the_copied_stay_links_of_each_other(bench: Bench) -> None:
    result = bench.run(Snapshot(), copying("/h", "/w/"), source=bench.context(CONTEXT))
    tree = bench.tree(result)
    one, other = tree.stat("w/a"), tree.stat("w/b")
    assert one is not None
    assert other is not None
    assert one.st_ino == other.st_ino
    assert one.st_nlink == 2


def test_times_are_kept_to_the_nanosecond_or_set(bench: Bench) -> None:
    context = bench.context({"d/f": "x", "d/l": "-> f"})
    times = (OLD_S * 10**9 + 1, OLD_S * 10**9 + 123_456_789)
    os.utime(f"{bench.folder}/context1/d/f", ns=times)
    os.utime(f"{bench.folder}/context1/d/l", ns=times, follow_symlinks=False)
    os.utime(f"{bench.folder}/context1/d", ns=times)
    kept = bench.tree(bench.run(Snapshot(), copying("/", "/w/"), source=context))
    stamped = bench.tree(bench.run(Snapshot(), copying("/", "/w/", timestamp=5 * 10**9), source=context))
    for path in ("w/d", "w/d/f", "w/d/l"):
        assert _mtime(kept, path) == times[1]
    for path in ("w", "w/d", "w/d/f", "w/d/l"):
        assert _mtime(stamped, path) == 5 * 10**9


def test_folders_that_only_hold_something_new_keep_all_but_their_time(bench: Bench) -> None:
    base = Snapshot((bench.layer({"p/": "751", "p/q/": "1777", "p/q/f": "x"}),))
    lower = Path(bench.store.folder(base.layers[0]))
    if IS_ROOT:
        os.chown(lower / "p/q", 11, 12)
    os.setxattr(lower / "p/q", "user.note", b"hi")
    result = bench.run(base, copying("/a.txt", "/p/q/new"), FileRm(path="/p/q/f"), source=bench.context(CONTEXT))
    upper = Path(bench.store.folder(result.layers[-1])) / "p/q"
    assert _facts(upper) == _facts(lower / "p/q")
    assert _facts(upper.parent) == _facts(lower / "p")
    assert os.getxattr(upper, "user.note") == b"hi"


def _facts(path: Path) -> tuple[int, int, int]:
    """Without the time: as on a mounted overlay it is now's, since something was put in (fontconfig goes by that)."""
    found = path.stat()
    return found.st_mode, found.st_uid, found.st_gid


def _mtime(tree: MergedTree, path: str) -> int:
    found = tree.stat(path)
    assert found is not None
    return found.st_mtime_ns


def test_extended_attributes_and_holes_come_along(bench: Bench) -> None:
    context = bench.context({"f": "", "d/": ""})
    place = f"{bench.folder}/context1/f"
    os.setxattr(place, "user.note", b"hi")
    os.setxattr(f"{bench.folder}/context1/d", "user.note", b"ho")
    with Path(place).open("r+b") as file:
        file.seek(50 << 20)
        file.write(b"end")
        file.truncate(99 << 20)
    result = bench.run(Snapshot(), copying("/", "/w/"), source=context)
    copied = Path(bench.store.folder(result.layers[-1])) / "w/f"
    assert os.getxattr(copied, "user.note") == b"hi"
    assert os.getxattr(copied.parent / "d", "user.note") == b"ho"
    assert copied.stat().st_size == 99 << 20
    assert copied.stat().st_blocks * 512 < 8 << 20
    with copied.open("rb") as file:
        file.seek(50 << 20)
        assert file.read(4) == b"end\0"


def test_names_of_any_bytes_survive(bench: Bench) -> None:
    names = ["new\nline", os.fsdecode(b"\xff\xfe"), "y" * 255, " ", "-rf", ".wh-not", "日本"]
    result = bench.run(Snapshot(), copying("/", "/w/"), source=bench.context(dict.fromkeys(names, "x")))
    assert sorted(bench.show(result)) == sorted(["w/", *(f"w/{name}" for name in names)])


def test_sockets_are_left_out_and_fifos_come_along(bench: Bench) -> None:
    import socket

    context = bench.context({"f": "x"})
    folder = Path(f"{bench.folder}/context1")
    os.mkfifo(folder / "fifo", 0o640)
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(folder, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        result = bench.run(Snapshot(), copying("/", "/"), source=context)
        read_contents(context, [copying("/", "/")])
    assert bench.show(result) == {"f": "644 x", "fifo": "prw-r----- 0,0"}


def test_what_is_ignored_is_neither_found_nor_copied(bench: Bench) -> None:
    context = bench.context(CONTEXT, "*", "!d", "d/sub/y")
    result = bench.run(Snapshot(), copying("/", "/"), source=context)
    assert sorted(bench.show(result)) == ["d/", "d/lnk", "d/sub/", "d/sub/z.md", "d/x"]
    with pytest.raises(SourceError, match=r"'a.txt' not found \(excluded by .dockerignore\)"):
        bench.run(Snapshot(), copying("/a.txt", "/"), source=context)


def test_a_file_that_changed_since_it_was_hashed_stops_the_build(bench: Bench) -> None:
    context = bench.context({"f": "before"})
    read_contents(context, [copying("/f", "/")])
    (bench.folder / "context1" / "f").write_text("after!")
    with pytest.raises(SourceError, match=r"'f' changed while the build was reading it"):
        bench.run(Snapshot(), copying("/f", "/"), source=context)


def test_a_link_swapped_in_for_a_folder_is_not_followed(bench: Bench) -> None:
    secret = bench.folder / "secret"
    secret.mkdir()
    (secret / "x").write_text("secret")
    context = bench.context({"d/x": "fine"})
    assert context.stat("d/x") is not None
    (bench.folder / "context1" / "d").rename(bench.folder / "moved")
    (bench.folder / "context1" / "d").symlink_to(secret)
    with pytest.raises(SourceError):
        bench.run(Snapshot(), copying("/d/x", "/"), source=context)


def test_steps_work_on_each_others_results_and_every_output_is_a_snapshot(bench: Bench) -> None:
    """Two outputs: one is left as it was when another step goes on from it."""
    op = FileOp(
        steps=(
            FileStep(action=FileMkfile(path="/one", mode=0o644, data=b"1"), output=1),
            FileStep(action=FileMkfile(path="/two", mode=0o644, data=b"2"), input=0),
            FileStep(action=copying("/two", "/copied"), input=0, secondary_input=1, output=0),
        )
    )
    results = run_file_op(op, [], bench.store)
    assert [bench.show(result) for result in results] == [
        {"one": "644 1", "copied": "644 2"},
        {"one": "644 1"},
    ]
    assert not [name for name in bench.names() if name.startswith("tmp-")]


def test_a_context_can_be_worked_on(bench: Bench) -> None:
    op = FileOp(steps=(FileStep(action=FileRm(path="/f"), input=0, output=0),))
    (result,) = run_file_op(op, [bench.context({"f": "x", "g": "y"})], bench.store)
    assert bench.show(result) == {"g": "644 y"}


def test_what_is_copied_is_what_the_digest_is_over(bench: Bench) -> None:
    """The digest of a context's selection is that of the same files in a snapshot."""
    context = bench.context({"d/f": "x", "d/s/g": "y", "d/l": "-> f"})
    result = bench.run(Snapshot(), copying("/", "/"), source=context)
    if IS_ROOT:
        assert read_contents(context, [copying("/d", "/")]) == read_contents(bench.tree(result), [copying("/d", "/")])
    assert show(FolderTree(f"{bench.folder}/context1")) == bench.show(result)


def test_a_copy_into_a_folder_deeper_than_pythons_stack(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    active = bench.store.begin()
    deep = "/".join("d" * 1200)
    place = active.fs
    for name in deep.split("/"):
        place += "/" + name
        os.mkdir(place)
    base = Snapshot((bench.store.commit(active),))
    try:
        made = bench.run(base, copying("/a.txt", f"/{deep}/"), source=bench.context(CONTEXT))
        assert bench.tree(made).stat(f"{deep}/a.txt") is not None
    finally:
        remove_tree(str(tmp_path / "state"))  # pytest's way is recursive
