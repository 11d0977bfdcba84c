"""`--attest`, `--provenance`, `--sbom`: what is to be said of a result, in buildx's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import SourceError, UsageError
from ...values import frozen
from ..csv_specs import csv_attributes, csv_boolean, split_csv
from ..parser import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...exporter.attest import ProvenanceForm
    from ..parser import CommandParser, Found

__all__ = ["Attestations", "SbomForm", "add_attest_flags", "read_attestations"]

_KEYS = {
    "provenance": (
        *("mode", "version", "builder-id", "reproducible", "complete-materials", "inline-only", "filename"),
        "disabled",
    ),
    "sbom": ("generator", "disabled"),
}
_WORDS = frozenset({"1", "t", "true", "0", "f", "false"})


@frozen
class SbomForm:
    """generator: the scanner, by name; "" is the one built in."""

    generator: str = ""

    @property
    def image(self) -> str:
        """The generator where it is an image: told from an installed scanner by its tag, digest or folder."""
        return self.generator if any(mark in self.generator for mark in ":@/") else ""


@frozen
class Attestations:
    """What was asked for; None: not that. complete_materials: refuse a build whose sources are not all known."""

    provenance: ProvenanceForm | None = None
    sbom: SbomForm | None = None
    complete_materials: bool = False

    @property
    def scanner_image(self) -> str:
        """The image that is to scan results; "" where no process is needed for that."""
        return "" if self.sbom is None else self.sbom.image

    def __bool__(self) -> bool:
        return self.provenance is not None or self.sbom is not None


def add_attest_flags(parser: CommandParser) -> None:
    """The flags."""
    parser.add_value(
        "--attest", metavar="SPEC", many=True, help="type=provenance,mode=max|min or type=sbom; said of the image"
    )
    parser.add_value("--provenance", metavar="SPEC", help="true, false, mode=…: the same as --attest type=provenance")
    parser.add_value("--sbom", metavar="SPEC", help="true, false, generator=…: the same as --attest type=sbom")


def read_attestations(found: Found) -> Attestations:
    """Raises UsageError naming what is wrong."""
    texts = [("--attest", text) for text in found.attest or ()]
    for kind in ("provenance", "sbom"):
        text = getattr(found, kind)
        if text:  # empty is not given, as in buildx
            texts.append((f"--{kind}", _spelt_out(kind, text)))
    asked: dict[str, Mapping[str, str]] = {}
    origins: dict[str, tuple[str, str]] = {}
    for flag, text in texts:
        kind, attributes = _parse(flag, text)
        if kind in asked:
            raise UsageError(f"{flag} {text!r}: {kind} is asked for twice", hint="give each type once")
        asked[kind], origins[kind] = attributes, (flag, text)
    for kind, (flag, text) in origins.items():
        if csv_boolean(text, "disabled", asked[kind].get("disabled", "false"), flag=flag):
            del asked[kind]
    provenance, complete = None, False
    if "provenance" in asked:
        flag, text = origins["provenance"]
        provenance = _provenance(flag, text, asked["provenance"])
        complete = _is_set(flag, text, asked["provenance"], "complete-materials")
    sbom = _sbom(*origins["sbom"], asked["sbom"]) if "sbom" in asked else None
    return Attestations(provenance=provenance, sbom=sbom, complete_materials=complete)


def _spelt_out(kind: str, text: str) -> str:
    """`--sbom=true` and `--sbom=generator=…` as `--attest` has them."""
    word = text.strip().lower()
    if word in _WORDS:
        return f"type={kind},disabled={'false' if word in {'1', 't', 'true'} else 'true'}"
    return f"type={kind},{text}"


def _parse(flag: str, text: str) -> tuple[str, Mapping[str, str]]:
    fields = split_csv(text, flag=flag)
    if len(fields) == 1 and "=" not in fields[0]:
        fields = [f"type={fields[0]}"]  # `--attest sbom`
    attributes = csv_attributes(text, fields, flag=flag)
    kind = attributes.pop("type", "")
    if kind not in _KEYS:
        found = f"unknown type {kind!r}{suggestion(kind, _KEYS)}" if kind else "type= is missing"
        raise UsageError(f"{flag} {text!r}: {found}; expected {' or '.join(_KEYS)}")
    for key in attributes:
        if key not in _KEYS[kind]:
            known = ", ".join(f"{name}=" for name in _KEYS[kind])
            raise UsageError(f"{flag} {text!r}: type={kind} takes {known}, not {key}={suggestion(key, _KEYS[kind])}")
    return kind, attributes


def _provenance(flag: str, text: str, found: Mapping[str, str]) -> ProvenanceForm:
    from ...exporter.attest import VERSIONS, Mode, ProvenanceForm

    mode, version = found.get("mode", "max"), found.get("version", VERSIONS[0])
    mode = "max" if mode == "full" else mode  # BuildKit's other word
    if mode not in {"min", "max"}:
        raise UsageError(f"{flag} {text!r}: mode= expects min or max, found {mode!r}")
    if version not in VERSIONS:
        raise UsageError(f"{flag} {text!r}: version= expects {' or '.join(VERSIONS)}, found {version!r}")
    filename = found.get("filename", "provenance.json")
    if not filename or filename in {".", ".."} or "/" in filename or "\0" in filename:
        raise UsageError(f"{flag} {text!r}: filename= expects a name without slashes, found {filename!r}")
    return ProvenanceForm(
        mode=Mode(mode),
        version=version,
        builder_id=found.get("builder-id", ""),
        reproducible=_is_set(flag, text, found, "reproducible"),
        inline_only=_is_set(flag, text, found, "inline-only"),
        filename=filename,
    )


def _sbom(flag: str, text: str, found: Mapping[str, str]) -> SbomForm:
    form = SbomForm(generator=found.get("generator", ""))
    if form.image:
        from ...image import parse_reference

        try:
            parse_reference(form.image)
        except SourceError as error:
            raise UsageError(f"{flag} {text!r}: generator= is no image: {error.message}") from None
    return form


def _is_set(flag: str, text: str, found: Mapping[str, str], key: str) -> bool:
    return csv_boolean(text, key, found.get(key, "false"), flag=flag)
