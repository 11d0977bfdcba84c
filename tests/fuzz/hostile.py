"""Input made to be expensive: a megabyte of whatever grows in memory or time. `python -m … TARGET` reads it all.

Each piece is read in a process of its own that may take so much memory and CPU time and no more.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from llbuild.errors import LlbuildError
from llbuild.frontend.dockerfile.ignorefile import parse_ignore_file
from llbuild.frontend.dockerfile.parser import parse
from llbuild.frontend.dockerfile.reader import read_stages
from llbuild.frontend.dockerfile.subrequests import lint_request
from llbuild.frontend.dockerfile.words import expand, split_fields
from llbuild.frontend.syntax import frontend_named
from llbuild.image import decode_config, decode_manifest
from llbuild.llb import decode_definition
from llbuild.patterns import IgnoreList
from llbuild.proto import decode_buildkit
from llbuild.tests.frontend.dockerfile.kit import MemoryLookup, compile_one, request
from llbuild.tests.fuzz.targets import packages as read_packages
from llbuild.worker.seccomp.own import Machine, parse_profile
from llbuild.worker.seccomp.rules import compile_own

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EXPENSIVE"]

SIZE = 1 << 20
MEMORY = {
    "compile": 320 << 20,
    "check": 320 << 20,
    "packages": 256 << 20,
}  # bytes, where it is more than what reading alone may take
USUAL_MEMORY = 64 << 20
CPU_S = 60  # a hundred times what the most expensive piece takes


def fill(unit: bytes, before: bytes = b"", after: bytes = b"", size: int = SIZE) -> bytes:
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


def counted(line: bytes, before: bytes = b"") -> bytes:
    """Lines that differ by their number."""
    return before + b"".join(line % number for number in range((SIZE - len(before)) // (len(line) + 3)))


def dockerfiles() -> dict[str, bytes]:
    """Each `\\ ` and newline ends a piece of one long instruction: a physical line has 64 KB at most."""
    head = b"FROM a\n"
    long = [
        *(b"RUN a b", b"RUN <<a", b"ENV a=b", b"ARG a", b"LABEL 'a'=\"b\"", b"COPY a", b"EXPOSE 80", b"FROM a"),
        *(
            b"RUN --flag",
            b"RUN --mount=type=tmpfs,target=/a",
            b"COPY --exclude=a",
            b'CMD ["a",',
            b"CMD [",
            b'ENV a=b "',
        ),
        *(b"ENV A=${a:-", b"RUN \xff", "RUN \u2003".encode(), b"HEALTHCHECK a"),
    ]
    lines = [
        *(b"FROM a", b"ARG a", b"RUN a", b"COPY a b", b"COPY --from=a b c", b"ONBUILD RUN a", b"ENV a=b", b"ENV a b"),
        *(b"RUN <<a\na", b"RUN <<a", b'CMD ["a"]', b'CMD ["', b"CMD [1 x", b"HEALTHCHECK CMD a", b"\0", b"", b"\r"),
        *(b"RUN \\\n\\\na", b"LABEL a='b' c=\"d\"", b"# check=a", b"WORKDIR a/", b"SHELL []", b"VOLUME a", b"USER a"),
        *(b"AB", b"# a", b"#"),
    ]
    chars = (b"x", b"\\", b"\n", b"\r", b"\0", b"#", b"[", b'"', b"'", b"$", b"\xff")
    found = {f"in one {text!r}": fill(b" \\\n" + text.partition(b" ")[2], head + text) for text in long}
    found |= {f"lines {line!r}": fill(line + b"\n", head) for line in lines}
    found |= {f"only {char!r}": fill(char) for char in chars}
    found |= {f"in a line {unit!r}": fill(unit, head + b"ENV A=") for unit in (b"${", b"'", b'"', b"$A", b"<<a ")}
    closed = b"}\\\n" * 120_000
    return found | {
        "nested operators": fill(b"${a:-\\\n", head + b"ENV A=", closed),
        "body": fill(b"x $A\n", head + b"COPY <<a /\n", b"\na\n"),
        "tabs": fill(b"\tx\n", head + b"COPY <<-a /\n", b"\na\n"),
        "continued comments": fill(b"#\n", b"FROM \\\n", b"a"),
        "deep json": fill(b'{"a":\\\n', head + b"CMD [", b"}\\\n" * 150_000 + b"]"),
        "onbuild onbuild": fill(b"ONBUILD \\\n", head),
        "stages": counted(b"FROM a AS a%d\n"),
        "labels": counted(b" k%d=v \\\n", head + b"LABEL"),
    }


def compiled() -> dict[str, bytes]:
    """What costs when it is run through: values that are repeated, and what grows with every line."""
    long = b"a" * 60_000
    value, lines = b"FROM a\nENV A=" + long + b"\n", 200_000
    users = [b"RUN a\n", b"RUN $A\n", b"COPY $A /\n", b"ENV B=$A\n"]
    stages = b"".join(b"FROM s%d AS s%d\n" % (number, number + 1) for number in range(2000))
    patterns = [
        b"${A%%" + b"*?a" * 300 + b"}",
        b"${A//" + b"*?b" * 300 + b"/}",
        b"${A//a" + b"?" * 2900 + b"b/}",
        b"${A##*?b?c}",
    ]
    return {
        **{f"pattern {number}": fill(b"ENV B=" + text + b"\n", value) for number, text in enumerate(patterns)},
        **{f"seen by {line!r}": fill(line, value, size=lines) for line in users},
        "args": counted(b"ARG a%d=1\nRUN a\n", b"FROM a\n"),
        "envs": counted(b"ENV a%d=1\nRUN a\n", b"FROM a\n"),
        "shell": fill(b"RUN a\nCMD a\n", b'FROM a\nSHELL ["' + long + b'"]\n', size=lines),
        "user": fill(b"RUN a\n", b"FROM a\nUSER " + long + b"\n", size=lines),
        "working folder": fill(b"WORKDIR " + b"a/" * 500 + b"\n", b"FROM a\n"),
        "destination": fill(b" \\\na", b"FROM a\nCOPY a", b" /" + long, size=300_000),
        "ports": fill(b" \\\n1-65535", b"FROM a\nEXPOSE 1"),
        "triggers": fill(b"ONBUILD RUN a\n", b"FROM a AS s0\n", stages, lines),
        "equal sources": fill(b"FROM a\n", after=b"COPY --from=0 / /\n", size=250_000),
    }  # fmt: skip


def ignore_files() -> dict[str, bytes]:
    lines = [
        b"!**/**/**",
        b"**/**/**/x",
        b"a",
        b"!",
        b"*",
        b"**/a/**/a/**/a/**/b",
        b"*a*a*a*a*b",
        b"a**a**a**a**b",
        b"",
        b"[a]",
        b"../",
    ]
    found = {f"lines {line!r}": fill(line + b"\n") for line in lines}
    found |= {f"few lines {line!r}": fill(line + b"\n", size=400_000) for line in lines}
    long = [b"*", b"**/", b"?", b"[a]", b"a/", b"a**", b"**/*a*/", b"[^a]*", b"\\"]
    found |= {f"in one line {unit!r}": fill(unit, size=60_000) for unit in long}
    return found | {"numbers": counted(b"%d/*/**/?a*\n"), "class": b"[" + b"a-b" * 20_000 + b"]"}


def definitions() -> dict[str, bytes]:
    """MessagePack: maps and arrays of many little things, and a head that promises more than there is."""
    units = [
        b"\x80",
        b"\x90",
        b"\xc0",
        b"\x81\xa0\x00",
        b"\x91\x00",
        b"\x81\xa2id\xa0",
        b"\xd4\x05\x00",
        b"\x92\xa1:\x80",
    ]
    found = {}
    for field in (b"vertices", b"metadata", b"sources"):
        for unit in units:
            head = b"\x82\xa3llb\x01\xa8" + field[:8].ljust(8) + b"\xdd" + (SIZE // len(unit)).to_bytes(4, "big")
            found[f"{field.decode()} of {unit!r}"] = head + unit * (SIZE // len(unit))
    return found | {
        "deep arrays": fill(b"\x91"),
        "deep maps": fill(b"\x81\xa1a"),
        "promises": fill(b"\x00", b"\xdd\xff\xff\xff\xff"),
    }


def wire() -> dict[str, bytes]:
    """Protobuf: the same, as fields of a definition and of an op in it."""
    units = [
        b"\x0a\x00",
        b"\x12\x00",
        b"\x1a\x00",
        b"\x0a\x02\x0a\x00",
        b"\x0a\x02\x12\x00",
        b"\x0a\x02\x5a\x00",
        b"\x12\x02\x0a\x00",
    ]
    found = {f"fields {unit!r}": fill(unit) for unit in units}
    for unit in (b"\x0a\x00", b"\x0a\x02\x10\x01", b"\x5a\x02\x0a\x00", b"\x12\x04\x12\x02\x0a\x00"):
        inner = unit * (SIZE // len(unit))
        found[f"an op of {unit!r}"] = b"\x0a\x80\x80\x40" + inner.ljust(SIZE, b"\0")
    return found | {"never ending number": fill(b"\xff"), "zeros": fill(b"\0")}


def words() -> dict[str, bytes]:
    units = [
        b"$A",
        b"${",
        b"${a:-",
        b'"',
        b"'",
        b"\\",
        b"<<",
        b" ",
        b"a ",
        b"'a' ",
        b"${A//a/b}",
        b"${A%%*}",
        b"${A:+x} ",
        b"$",
        b"}",
    ]
    found = {f"{unit!r}": fill(unit) for unit in units}
    return found | {"nested": fill(b"${a:-", after=b"}" * 170_000), "quoted": fill(b'"${a:-', after=b'}"' * 100_000)}


def read_words(data: bytes) -> None:
    text, env = data.decode(), {"A": "ab" * 2000}
    for read in (expand, split_fields):
        try:
            read(text, env)
        except ValueError:
            continue


def read_findings(data: bytes) -> None:
    lint_request(request(), MemoryLookup(files={("dockerfile", "Dockerfile"): data}))


def read_ignore_file(data: bytes) -> None:
    try:
        ignore = IgnoreList(parse_ignore_file(data))
    except ValueError:
        return
    for path in ("a/" * 60 + "c", "a" * 250, "x"):
        ignore.excludes(path)
        ignore.may_include_below(path)


def syntaxes() -> dict[str, bytes]:
    units = [b"# check=a\n", b"#", b"//\n", b"# syntax=", b" ", b"{", b'{"a":', b"[],", b"{},"]
    return {f"{unit!r}": fill(unit) for unit in units} | {"json": fill(b"{},", b'{"a":[', b"1]}")}


def package_lists() -> dict[str, bytes]:
    lines = [
        b"Package: a%d\nStatus: install ok installed\nVersion: 1\n\n",
        b"P:a%d\nV:1\n\n",
        b"Name: a%d\nVersion: 1\n",
        b"ID=a%d\n",
        b'{"name": "a%d"',
    ]
    found = {f"lines {line!r}": counted(line) for line in lines}
    found |= {f"only {unit!r}": fill(unit) for unit in (b"a", b"\n", b":", b"[", b'{"a":', b"\xff")}
    go = b"\xff Go buildinf:\x08\x02".ljust(32, b"\0") + b"\x00\xff\xff\x3f"
    head = b"\x7fELF\x02\x01".ljust(32, b"\0") + (64).to_bytes(8, "little") * 2 + bytes(6)
    elf = head + b"\x38\0\xff\xff\x40\0\xff\xff\0\0"
    return found | {"go": fill(b"dep\ta\tv1\n", go), "elf": fill(b"\x01\0\0\0\x06\0\0\0", elf.ljust(64, b"\0"))}


def image_documents() -> dict[str, bytes]:
    descriptor = b'{"mediaType":"m","digest":"sha256:' + b"0" * 64 + b'","size":1},'
    head, tail = b'{"schemaVersion":2,"rootfs":{"type":"layers"},"config":{"Env":', b"}}"
    units = [b"[", b'{"a":', b'"a",', b"1,", b"{},", b"[],", b"9", b"\\ud800"]
    found = {f"{unit!r}": fill(unit) for unit in units}
    found |= {f"a list of {unit!r}": fill(unit, head + b"[", b'""]' + tail) for unit in (b'"a",', b"1,", b"{},")}
    for key in (b"manifests", b"layers"):
        found[f"{key!r}"] = fill(descriptor, b'{"schemaVersion":2,"' + key + b'":[', descriptor[:-1] + b"]}")
    return found | {
        "history": fill(b'{"created_by":"x"},', b'{"rootfs":{},"history":[', b"{}]}"),
        "names": counted(b'"%d":{},', b'{"rootfs":{},"config":{"Volumes":{') + b'"":{}}}}',
    }


def read_image_document(data: bytes) -> None:
    for read in (decode_manifest, decode_config):
        try:
            read(data)
        except LlbuildError:
            continue


def seccomp_profiles() -> dict[str, bytes]:
    """A megabyte of names, of rules for one call, of comparisons in one rule."""
    allow = '"action": "SCMP_ACT_ALLOW"'
    names = ",".join(f'"c{number}"' for number in range(100_000))
    rule = f'{{"name": "read", {allow}, "args": [{{"index": 0, "op": "SCMP_CMP_GT", "value": 7}}]}}'
    comparison = '{"index": 0, "op": "SCMP_CMP_EQ"}'
    begin = '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": ['
    return {
        "names": f'{begin}{{"names": [{names}], {allow}}}]}}'.encode(),
        "rules": f"{begin}{','.join([rule] * 9_000)}]}}".encode(),
        "comparisons": f'{begin}{{"name": "read", {allow}, "args": [{",".join([comparison] * 25_000)}]}}]}}'.encode(),
        "depth": b"[" * 1_000_000,
    }


def read_seccomp_profile(data: bytes) -> object:
    return compile_own(parse_profile(data, Machine("x86_64", (6, 1))))


EXPENSIVE: dict[str, tuple[Callable[[], dict[str, bytes]], Callable[[bytes], object]]] = {
    "dockerfile": (dockerfiles, lambda data: read_stages(parse(data, "D"))),
    "compile": (compiled, lambda data: compile_one(data, everything=True)),
    "check": (compiled, read_findings),
    "words": (words, read_words),
    "ignorefile": (ignore_files, read_ignore_file),
    "definition": (definitions, decode_definition),
    "buildkit": (wire, decode_buildkit),
    "packages": (package_lists, read_packages),
    "syntax": (syntaxes, lambda data: frontend_named(data, "D")),
    "manifest": (image_documents, read_image_document),
    "seccomp": (seccomp_profiles, read_seccomp_profile),
}


def main(target: str) -> None:
    """Print what takes too much, or ends in anything but a result or an error of ours."""
    inputs, read = EXPENSIVE[target]
    for name, data in inputs().items():
        sys.stdout.flush()
        child = os.fork()
        if not child:
            os._exit(_attempt(read, data, MEMORY.get(target, USUAL_MEMORY)))
        _, status = os.waitpid(child, 0)
        if status:
            print(f"{name}: {_meaning(os.waitstatus_to_exitcode(status))}")  # noqa: T201  the test reads it


def _attempt(read: Callable[[bytes], object], data: bytes, memory: int) -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    try:
        read(data)
    except LlbuildError:
        return 0
    except MemoryError:
        return 3
    except BaseException:  # noqa: BLE001  whatever it is, it is what is looked for
        sys.excepthook(*sys.exc_info())
        return 4
    return 0


def _meaning(code: int) -> str:
    return {3: "takes too much memory", 4: "breaks the reader"}.get(
        code, f"ends with {code}; the CPU time was {CPU_S} s at most"
    )


if __name__ == "__main__":
    main(sys.argv[1])
