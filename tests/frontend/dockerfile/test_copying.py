"""COPY and ADD: ops, flags, inline files, the paths asked of the context."""

from __future__ import annotations

import pytest
from llbuild.llb import (
    ChownOptions,
    FileCopy,
    FileMkfile,
    NamedUser,
)
from llbuild.tests.frontend.dockerfile.kit import (
    DIGEST,
    PATH,
    MemoryLookup,
    compile_one,
    file_ops,
    names,
    sources,
)
from llbuild.values import replace

PLAIN = FileCopy(
    src="/a",
    dest="/d",
    follow_symlink=True,
    dir_copy_contents=True,
    create_dest_path=True,
    allow_wildcard=True,
    allow_empty_wildcard=True,
)


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("COPY a /d", PLAIN),
        ("COPY a d", replace(PLAIN, dest="/w/d")),
        ("COPY a .", replace(PLAIN, dest="/w/")),
        ("COPY a ./x/", replace(PLAIN, dest="/w/x/")),
        ("COPY a /d/.", replace(PLAIN, dest="/d/.")),
        ("COPY ./a/../b/ /d/", replace(PLAIN, src="/b", dest="/d/")),
        ("COPY ../../a /d", PLAIN),
        ("COPY $S /d", replace(PLAIN, src="/from env")),
        ('COPY ["a b", "/d e"]', replace(PLAIN, src="/a b", dest="/d e")),
        ("ADD a /d", replace(PLAIN, attempt_unpack=True)),
        ("COPY --chmod=0755 a /d", replace(PLAIN, mode=0o755)),
        ("COPY --chown=1000:2000 a /d", replace(PLAIN, owner=ChownOptions(user=1000, group=2000))),
        ("COPY --chown=root a /d", replace(PLAIN, owner=ChownOptions(user=0))),
        (
            "COPY --chown=app:$G a /d",
            replace(PLAIN, owner=ChownOptions(user=NamedUser(name="app", input=0), group=NamedUser(name="g", input=0))),
        ),
    ],
)
def test_a_copy_has_the_flags_of_a_dockerfile_copy(line: str, action: FileCopy) -> None:
    definition = compile_one(f"FROM a\nENV S='from env' G=g\nWORKDIR /w\n{line}").definition
    copy = file_ops(definition)[-1]
    assert [(step.action, step.input, step.secondary_input, step.output) for step in copy.steps] == [(action, 0, 1, 0)]


def test_a_copy_of_many_is_one_op_with_chained_steps() -> None:
    definition = compile_one("FROM a\nCOPY x y <<one <<'two' /d/\n1 $PATH\none\n2 $PATH\ntwo").definition
    copy = file_ops(definition)[-1]
    assert [(step.input, step.secondary_input, step.output) for step in copy.steps] == [
        *((0, 1, -1), (4, 1, -1), (5, 2, -1), (6, 3, 0))
    ]
    assert [step.action.src for step in copy.steps if isinstance(step.action, FileCopy)] == ["/x", "/y", "/one", "/two"]
    made = [op.steps[0].action for op in file_ops(definition)[:-1]]
    path = PATH.partition("=")[2]
    assert {action.path: action.data for action in made if isinstance(action, FileMkfile)} == {
        "/one": f"1 {path}\n".encode(),
        "/two": b"2 $PATH\n",
    }


def test_an_inline_file_keeps_bytes_that_are_no_text() -> None:
    definition = compile_one(b"FROM scratch\nCOPY <<E /d\n\xff\x00\nE").definition
    (make, _) = file_ops(definition)
    assert isinstance(make.steps[0].action, FileMkfile)
    assert make.steps[0].action.data == b"\xff\x00\n"


@pytest.mark.parametrize(
    ("text", "follow"),
    [
        ("FROM a\nCOPY x /\nCOPY y/* z /", '["x","y/*","z"]'),
        ("FROM a\nCOPY . /", None),
        ("FROM a\nCOPY x /\nADD / /", None),
        ("FROM a\nCOPY 'a&b' /", '["a\\u0026b"]'),
        ("FROM a AS x\nCOPY one /\nFROM a\nCOPY --from=x /one /\nCOPY two /", '["one","two"]'),
    ],
)
def test_only_needed_paths_of_the_context_are_asked_for(text: str, follow: str | None) -> None:
    assert sources(compile_one(text).definition)["local://context"].get("local.followpaths") == follow


def test_ignore_files_become_exclude_patterns() -> None:
    files = {("context", ".dockerignore"): b"\xef\xbb\xbf# c\n\n /a/../b/ \n!/keep\n**/*.o\n"}
    definition = compile_one("FROM a\nCOPY . /", None, MemoryLookup(files=dict(files))).definition
    assert sources(definition)["local://context"]["local.excludepatterns"] == '["b","!keep","**/*.o"]'
    files["dockerfile", "Dockerfile.dockerignore"] = b"own"
    definition = compile_one("FROM a\nCOPY . /", None, MemoryLookup(files=files)).definition
    assert sources(definition)["local://context"]["local.excludepatterns"] == '["own"]'


def test_a_copy_from_an_image_fetches_that_image() -> None:
    definition = compile_one("FROM scratch\nCOPY --from=busybox:1 /bin/sh /sh").definition
    assert names(definition) == [
        f"FROM docker.io/library/busybox:1@{DIGEST}",
        "[stage-0 1/1] COPY --from=busybox:1 /bin/sh /sh",
    ]


def test_stages_are_found_by_number_too() -> None:
    definition = compile_one("FROM a\nRUN 1\nFROM scratch\nCOPY --from=0 /x /").definition
    assert names(definition)[1] == "[stage-0 2/2] RUN 1"
