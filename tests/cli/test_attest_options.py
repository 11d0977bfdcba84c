"""`--attest` and its short forms."""

from __future__ import annotations

import pytest
from llbuild.cli.attest.options import Attestations, SbomForm
from llbuild.cli.options import parse_build
from llbuild.cli.outputs import OutputKind
from llbuild.errors import UsageError
from llbuild.exporter.attest import Mode, ProvenanceForm

NO_NAME = "'a/B:1' is not an image reference: a repository name must be lower case"
MAX, MIN = ProvenanceForm(), ProvenanceForm(mode=Mode.MIN)


def read(line: str) -> Attestations:
    return parse_build(line.split(), {"HOME": "/", "LLBUILD_CONFIG": ""}).solve.attestations


@pytest.mark.parametrize(
    ("line", "want"),
    [
        (".", Attestations()),
        ("--provenance=true .", Attestations(provenance=MAX)),
        ("--provenance=mode=min .", Attestations(provenance=MIN)),
        ("--provenance=mode=full,version=v0.2 .", Attestations(provenance=ProvenanceForm(version="v0.2"))),
        ("--provenance=false .", Attestations()),
        ("--attest type=provenance .", Attestations(provenance=MAX)),
        ("--attest provenance .", Attestations(provenance=MAX)),
        ("--attest type=provenance,disabled=true .", Attestations()),
        (
            "--attest type=provenance,builder-id=https://a/b,reproducible=true,inline-only=1,filename=p.json .",
            Attestations(
                provenance=ProvenanceForm(
                    builder_id="https://a/b", reproducible=True, inline_only=True, filename="p.json"
                )
            ),
        ),
        ("--provenance=complete-materials=true .", Attestations(provenance=MAX, complete_materials=True)),
        ("--sbom=true .", Attestations(sbom=SbomForm())),
        ("--sbom=generator=mine .", Attestations(sbom=SbomForm(generator="mine"))),
        ("--sbom=generator=a/b:1 .", Attestations(sbom=SbomForm(generator="a/b:1"))),
        ("--attest type=sbom --provenance=mode=min .", Attestations(provenance=MIN, sbom=SbomForm())),
        ("--sbom=false --attest type=provenance .", Attestations(provenance=MAX)),
    ],
)
def test_what_is_asked_for_is_read(line: str, want: Attestations) -> None:
    assert read(line) == want


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--attest type=x .", "--attest 'type=x': unknown type 'x'; expected provenance or sbom"),
        ("--attest mode=min .", "--attest 'mode=min': type= is missing; expected provenance or sbom"),
        (
            "--attest type=provenance --provenance=true .",
            "--provenance 'type=provenance,disabled=false': provenance is asked for twice",
        ),
        ("--provenance=mode=x .", "--provenance 'type=provenance,mode=x': mode= expects min or max, found 'x'"),
        (
            "--provenance=version=v2 .",
            "--provenance 'type=provenance,version=v2': version= expects v1 or v0.2, found 'v2'",
        ),
        (
            "--provenance=filename=a/b .",
            "--provenance 'type=provenance,filename=a/b': filename= expects a name without slashes, found 'a/b'",
        ),
        (
            "--attest type=sbom,mode=min .",
            "--attest 'type=sbom,mode=min': type=sbom takes generator=, disabled=, not mode=",
        ),
        (
            "--sbom=generator=a/B:1 .",
            "--sbom 'type=sbom,generator=a/B:1': generator= is no image: " + NO_NAME,
        ),
        (
            "--provenance=reproducible=maybe .",
            "--provenance 'type=provenance,reproducible=maybe': reproducible= expects true or false, found 'maybe'",
        ),
        (
            "--provenance=true -o type=image,oci-mediatypes=false .",
            "attestations are OCI's, and an image with oci-mediatypes=false has no place for them",
        ),
        (
            "--provenance=true -o type=tar,attestation-prefix=a/b .",
            "--output 'type=tar,attestation-prefix=a/b': attestation-prefix= begins a file's name, and has no slash",
        ),
    ],
)
def test_wrong_usage_is_one_clear_message(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(line)
    assert caught.value.message == message


def test_images_are_attested_and_what_docker_loads_is_not() -> None:
    line = "--provenance=true -o type=image -o type=oci,dest=a -o type=docker,dest=b -o type=local,dest=c ."
    outputs = parse_build(line.split(), {"HOME": "/", "LLBUILD_CONFIG": ""}).solve.outputs
    assert {output.kind: output.image.attested for output in outputs} == {
        OutputKind.IMAGE: True,
        OutputKind.OCI_TAR: True,
        OutputKind.DOCKER_TAR: False,
        OutputKind.FOLDER: False,
    }
