from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.errors import SourceError
from llbuild.image import parse_reference

HEX = "0123456789abcdef" * 4

# text, canonical, familiar
GOOD = [
    ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
    ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
    ("alice/tool", "docker.io/alice/tool:latest", "alice/tool:latest"),
    ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
    ("index.docker.io/alice/tool", "docker.io/alice/tool:latest", "alice/tool:latest"),
    ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
    ("localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"),
    ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
    ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest", "127.0.0.1:5000/a/b/c:latest"),
    ("ghcr.io/a/b_c.d-e__f--g", "ghcr.io/a/b_c.d-e__f--g:latest", "ghcr.io/a/b_c.d-e__f--g:latest"),
    ("Host/x", "Host/x:latest", "Host/x:latest"),
    ("library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
    ("docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
    (f"busybox@sha256:{HEX}", f"docker.io/library/busybox@sha256:{HEX}", f"busybox@sha256:{HEX}"),
    (f"a.b/c:d@sha256:{HEX}", f"a.b/c:d@sha256:{HEX}", f"a.b/c:d@sha256:{HEX}"),
    ("x:" + "t" * 128, "docker.io/library/x:" + "t" * 128, "x:" + "t" * 128),
]


@pytest.mark.parametrize(("text", "canonical", "familiar"), GOOD)
def test_a_reference_is_normalised_as_docker_does(text: str, canonical: str, familiar: str) -> None:
    reference = parse_reference(text)
    assert (str(reference), reference.familiar()) == (canonical, familiar)
    assert parse_reference(canonical) == reference


BAD = [
    ("", "expected an image reference, found nothing"),
    ("Busybox", "'Busybox' is not an image reference: a repository name must be lower case"),
    ("a//b", "'a//b' is not an image reference: expected [HOST/]NAME[:TAG][@DIGEST]"),
    ("a/", "'a/' is not an image reference: expected [HOST/]NAME[:TAG][@DIGEST]"),
    ("/a", "'/a' is not an image reference: expected [HOST/]NAME[:TAG][@DIGEST]"),
    ("a..b", "'a..b' is not an image reference: expected [HOST/]NAME[:TAG][@DIGEST]"),
    ("a___b", "'a___b' is not an image reference: expected [HOST/]NAME[:TAG][@DIGEST]"),
    ("-a", "'-a' is not an image reference: expected [HOST/]NAME[:TAG][@DIGEST]"),
    ("a b", "'a b' is not an image reference: expected [HOST/]NAME[:TAG][@DIGEST]"),
    ("a\n", "'a\\n' is not an image reference: expected [HOST/]NAME[:TAG][@DIGEST]"),
    ("a:", "'a:' is not an image reference: '' is not a tag"),
    ("a:.b", "'a:.b' is not an image reference: '.b' is not a tag"),
    ("a:" + "t" * 129, f"{'a:' + 't' * 129!r} is not an image reference: {'t' * 129!r} is not a tag"),
    ("a@", "'a@' is not an image reference: '' is not a digest"),
    ("a@sha256:12", "'a@sha256:12' is not an image reference: 'sha256:12' is not a digest"),
    (f"a@blake3:{HEX}", f"'a@blake3:{HEX}' is not an image reference: 'blake3:{HEX}' is not a digest"),
    (HEX, f"'{HEX}' is not an image reference: 64 hex digits are an identifier, not a name"),
    ("-x.y/a", "'-x.y/a' is not an image reference: '-x.y' is not a registry host"),
    ("a.b:x/c", "'a.b:x/c' is not an image reference: 'a.b:x' is not a registry host"),
    ("a.b/" + "c" * 252, f"{'a.b/' + 'c' * 252!r} is not an image reference: its name is longer than 255 characters"),
    ("a" * 2000, f"'{'a' * 40}…' is not an image reference: it is longer than 1024 characters"),
    ("é", "'é' is not an image reference: expected [HOST/]NAME[:TAG][@DIGEST]"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_reference_says_which_part_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_reference(text)
    assert caught.value.message.startswith(message)


@given(st.text(alphabet="abAB019._-/:@[] é\n", max_size=80))
def test_any_text_is_a_reference_that_reads_back_or_one_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except SourceError:
        return
    assert parse_reference(str(reference)) == reference
    assert parse_reference(reference.familiar()) == reference
