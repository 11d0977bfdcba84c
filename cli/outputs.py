"""`-o`: where a build's result goes. `type=oci,dest=hello.tar` and its short forms."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "STDOUT",
    "Output",
    "OutputKind",
    "csv_attributes",
    "csv_boolean",
    "parse_output",
    "parse_outputs",
    "split_csv",
]

STDOUT = "-"


class OutputKind(Enum):
    IMAGE = "image"  # into the local store
    OCI_TAR = "oci"
    OCI_FOLDER = "oci,tar=false"
    FOLDER = "local"  # the root filesystem
    TAR = "tar"  # the root filesystem


@frozen
class Output:
    """One place for the result. `dest`: a path, "-" for stdout, "" for the local store."""

    kind: OutputKind
    dest: str = ""
    name: str = ""  # of the image, beside the tags; several, separated by commas


_KEYS = {
    "image": ("name",),
    "oci": ("dest", "tar", "name"),
    "local": ("dest",),
    "tar": ("dest",),
}
# what BuildKit and buildah know beyond that
_NOT_YET = {
    *("annotation", "attestation-prefix", "buildinfo", "compression", "compression-level", "dangling-name-prefix"),
    *("force-compression", "inline", "mode", "name-canonical", "oci-artifact", "oci-mediatypes", "platform-split"),
    *("push", "push-by-digest", "registry.insecure", "rewrite-timestamp", "store", "unpack"),
}
_TYPES_NOT_YET = ("cacheonly", "docker", "registry")
_TRUE, _FALSE = {"1", "t", "true"}, {"0", "f", "false"}


def parse_outputs(texts: Sequence[str]) -> tuple[Output, ...]:
    """Every `-o` of a command line.

    Raises UsageError where two cannot both be had.
    """
    outputs = tuple(parse_output(text) for text in texts)
    taken: set[str] = set()
    for output in outputs:
        if output.dest and output.dest in taken:
            place = "stdout" if output.dest == STDOUT else repr(output.dest)
            raise UsageError(f"two outputs go to {place}", hint="give each output a dest= of its own")
        taken.add(output.dest)
    return outputs


def parse_output(text: str) -> Output:
    """One `-o`: `type=…,dest=…` (CSV), a folder alone, or `-` for a tar on stdout.

    Raises UsageError naming the part that is wrong.
    """
    fields = split_csv(text, flag="--output")
    if fields == [STDOUT]:
        return Output(kind=OutputKind.TAR, dest=STDOUT)
    if len(fields) == 1 and "=" not in fields[0]:
        if not fields[0]:
            raise UsageError("--output is empty; expected a folder, or type=…,dest=…")
        return Output(kind=OutputKind.FOLDER, dest=fields[0])
    attributes = csv_attributes(text, fields, flag="--output")
    kind = attributes.pop("type", "")
    if kind not in _KEYS:
        raise _unknown_type(text, kind)
    for key in attributes:
        if key not in _KEYS[kind]:
            raise _unknown_key(text, kind, key)
    return _output(text, kind, attributes)


def csv_attributes(text: str, fields: Sequence[str], *, flag: str) -> dict[str, str]:
    """`key=value` fields; keys in lower case. Raises UsageError for another field, and for a key given twice."""
    attributes: dict[str, str] = {}
    for part in fields:
        key, equals, value = part.partition("=")
        key = key.strip().lower()
        if not equals:
            raise UsageError(f"{flag} {text!r}: expected key=value, found {part!r}")
        if key in attributes:
            raise UsageError(f"{flag} {text!r}: {key}= is given twice")
        attributes[key] = value
    return attributes


def _output(text: str, kind: str, attributes: dict[str, str]) -> Output:
    dest, name = attributes.get("dest", ""), attributes.get("name", "")
    if kind == "image":
        return Output(kind=OutputKind.IMAGE, name=name)
    tar = csv_boolean(text, "tar", attributes.get("tar", "true"), flag="--output")
    folder = kind == "local" or (kind == "oci" and not tar)
    if folder and dest in {"", STDOUT}:
        raise UsageError(f"--output {text!r}: a folder is written, so dest=DIR is needed")
    if kind == "oci":
        form = OutputKind.OCI_FOLDER if folder else OutputKind.OCI_TAR
        return Output(kind=form, dest=dest or STDOUT, name=name)
    return Output(kind=OutputKind(kind), dest=dest or STDOUT)


def csv_boolean(text: str, key: str, value: str, *, flag: str) -> bool:
    """As Go reads one. Raises UsageError."""
    word = value.strip().lower()
    if word not in _TRUE | _FALSE:
        raise UsageError(f"{flag} {text!r}: {key}= expects true or false, found {value!r}")
    return word in _TRUE


def _unknown_type(text: str, kind: str) -> UsageError:
    known = ", ".join(sorted(_KEYS))
    if not kind:
        return UsageError(f"--output {text!r}: type= is missing; expected one of {known}")
    if kind in _TYPES_NOT_YET:
        return UsageError(f"--output {text!r}: type={kind} is not supported yet; there are {known}")
    return UsageError(f"--output {text!r}: unknown type {kind!r}; expected one of {known}")


def _unknown_key(text: str, kind: str, key: str) -> UsageError:
    known = ", ".join(f"{name}=" for name in _KEYS[kind])
    if key.partition(".")[0].partition("[")[0] in _NOT_YET or key in _NOT_YET:
        return UsageError(f"--output {text!r}: {key}= is not supported yet; type={kind} takes {known}")
    return UsageError(f"--output {text!r}: type={kind} takes {known}, not {key}=")


def split_csv(text: str, *, flag: str) -> list[str]:
    """The fields of one CSV line; a quoted field may hold commas: `type=local,"dest=a,b"`."""
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as exc:
        raise UsageError(f"{flag} {text!r}: the quotes do not match") from exc
    return rows[0]
