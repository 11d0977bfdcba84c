from __future__ import annotations

import pytest
from llbuild.cli.cache.specs import CacheKind, CacheSource, CacheTarget, parse_cache_sources, parse_cache_targets
from llbuild.errors import UsageError

REGISTRY = CacheTarget(kind=CacheKind.REGISTRY, place="example.com/cache:latest")
LOCAL = CacheTarget(kind=CacheKind.LOCAL, place="/cache")

# (--cache-to, the target)
TARGETS = [
    ("example.com/cache", REGISTRY),
    ("type=registry,ref=example.com/cache", REGISTRY),
    ("type=registry,ref=example.com/cache,mode=min", REGISTRY),
    ("TYPE=registry,ref=example.com/cache", REGISTRY),
    ("alice/cache:1", CacheTarget(kind=CacheKind.REGISTRY, place="docker.io/alice/cache:1")),
    ("type=local,dest=/cache", LOCAL),
    ('type=local,"dest=/a,b"', CacheTarget(kind=CacheKind.LOCAL, place="/a,b")),
    ("type=local,dest=/cache,image-manifest=true,oci-mediatypes=true", LOCAL),
    ("type=local,dest=/cache,tag=main", CacheTarget(kind=CacheKind.LOCAL, place="/cache", tag="main")),
    ("type=local,dest=/cache,mode=max", CacheTarget(kind=CacheKind.LOCAL, place="/cache", everything=True)),
    (
        "type=local,dest=/cache,compression=zstd,compression-level=19,force-compression=true",
        CacheTarget(kind=CacheKind.LOCAL, place="/cache", compression="zstd", level=19, force=True),
    ),
    (
        "type=local,dest=/cache,compression=uncompressed,ignore-error=1,mounts=t",
        CacheTarget(kind=CacheKind.LOCAL, place="/cache", compression="none", ignore_error=True, mounts=True),
    ),
    ("type=inline", CacheTarget(kind=CacheKind.INLINE)),
]


@pytest.mark.parametrize(("text", "want"), TARGETS)
def test_a_target_is_read(text: str, want: CacheTarget) -> None:
    assert parse_cache_targets([text]) == (want,)


# (--cache-to, the error)
WRONG_TARGETS = [
    ("", "--cache-to is empty; expected a reference, or type=…"),
    ("type=local", "dest=DIR is missing"),
    ("type=registry", "ref=NAME[:TAG] is missing"),
    ("dest=/cache", "type= is missing; expected one of registry, local, inline"),
    ("type=locale,dest=/cache", "unknown type 'locale' (did you mean 'local'?)"),
    ("type=s3,bucket=x", "type=s3 is not supported yet; there are registry, local, inline"),
    ("type=gha", "type=gha is not supported yet"),
    ("type=local,src=/cache", "type=local takes dest=, tag=,"),
    ("type=local,dest=/a,dset=/b", "not dset= (did you mean 'dest'?)"),
    ("type=local,dest=/a,dest=/b", "dest= is given twice"),
    ("type=local,dest=/a,b", "expected key=value, found 'b'"),
    ("type=local,dest=/a,reset=true", "reset= is not supported yet"),
    ("type=local,dest=/a,mode=most", "mode= expects min, max; found 'most'"),
    ("type=local,dest=/a,image-manifest=false", "image-manifest=false is not supported"),
    ("type=local,dest=/a,oci-mediatypes=false", "oci-mediatypes=false is not supported"),
    ("type=local,dest=/a,compression=estargz", "compression=estargz is for images"),
    ("type=local,dest=/a,compression=bzip2", "compression= expects gzip, zstd, uncompressed; found 'bzip2'"),
    ("type=local,dest=/a,compression-level=10", "compression-level= expects 0 to 9, found '10'"),
    ("type=local,dest=/a,compression=zstd,compression-level=0", "compression-level= expects 1 to 22, found '0'"),
    ("type=local,dest=/a,compression=zstd,compression-level=x", "expects 1 to 22, found 'x'"),
    ("type=local,dest=/a,compression=uncompressed,compression-level=1", "compression=uncompressed has no levels"),
    ("type=local,dest=/a,mounts=maybe", "mounts= expects true or false, found 'maybe'"),
    ("type=inline,mode=max", "an image carries mode=min only"),
    ("type=inline,dest=/a", "type=inline takes mode=, not dest="),
    ("example/Cache", "a repository name must be lower case"),
    (f"cache@sha256:{'0' * 64}", "a digest cannot be chosen"),
    ('type=local,"dest=/a', "the quotes do not match"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_TARGETS)
def test_a_target_that_cannot_be_is_told_why(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_cache_targets([text])
    assert message in caught.value.message


def test_two_caches_in_one_place_are_refused() -> None:
    with pytest.raises(UsageError, match="two caches would be written to /cache"):
        parse_cache_targets(["type=local,dest=/cache", "type=local,dest=/cache,mode=max"])
    assert len(parse_cache_targets(["type=local,dest=/cache", "type=local,dest=/cache,tag=2"])) == 2


PINNED = f"example.com/cache@sha256:{'0' * 64}"
# (--cache-from, the source)
SOURCES = [
    ("example.com/cache:1", CacheSource(kind=CacheKind.REGISTRY, place="example.com/cache:1", name="")),
    (f"type=registry,ref={PINNED}", CacheSource(kind=CacheKind.REGISTRY, place=PINNED, name="")),
    ("type=local,src=/cache", CacheSource(kind=CacheKind.LOCAL, place="/cache")),
    ("type=local,src=/cache,tag=main", CacheSource(kind=CacheKind.LOCAL, place="/cache", name="main")),
    ("type=local,src=/cache,digest=sha256:1", CacheSource(kind=CacheKind.LOCAL, place="/cache", name="sha256:1")),
    ("type=local,src=/cache,mounts=false", CacheSource(kind=CacheKind.LOCAL, place="/cache", mounts=False)),
]


@pytest.mark.parametrize(("text", "want"), SOURCES)
def test_a_source_is_read(text: str, want: CacheSource) -> None:
    assert parse_cache_sources([text, text]) == (want,)


# (--cache-from, the error)
WRONG_SOURCES = [
    ("", "--cache-from is empty"),
    ("type=local,dest=/cache", "type=local takes src=, tag=, digest=, mounts=, not dest="),
    ("type=local", "src=DIR is missing"),
    ("type=inline", "type=inline is for --cache-to"),
    ("type=registry,ref=a,mode=max", "type=registry takes ref=, mounts=, registry.insecure=, not mode="),
    ("type=registry,ref=a,touch_refresh=true", "touch_refresh= is not supported yet"),
    ("type=azblob", "type=azblob is not supported yet; there are registry, local"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_SOURCES)
def test_a_source_that_cannot_be_is_told_why(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_cache_sources([text])
    assert message in caught.value.message
