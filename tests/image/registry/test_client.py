from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
from llbuild.digest import Digest, sha256_digest
from llbuild.errors import SourceError
from llbuild.image import Descriptor, MediaType, RegistryClient, parse_reference
from llbuild.image.registry.auth import parse_challenge, realm_host
from llbuild.image.registry.hosts import find_host, is_loopback, trust
from llbuild.tests.faultproxy import serve_fault_proxy
from llbuild.tests.image.registry.fake_registry import Answer, FakeRegistry, serve_fake_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llbuild.image import Reference

pytestmark = pytest.mark.anyio

MANIFEST = b'{"schemaVersion":2}'
BLOB = bytes(range(256)) * 20_000
LAYER = Descriptor(media_type=MediaType.OCI_LAYER, digest=sha256_digest(BLOB), size_bytes=len(BLOB))


@pytest.fixture(name="server")
def _server() -> Iterator[FakeRegistry]:
    with serve_fake_registry() as server:
        yield server


def image_at(server: FakeRegistry, suffix: str = ":1") -> Reference:
    return parse_reference(f"{server.address}/tool{suffix}")


class Sink:
    def __init__(self) -> None:
        self.data = b""
        self.largest = 0

    async def __call__(self, chunk: bytes) -> None:
        self.data += chunk
        self.largest = max(self.largest, len(chunk))


async def test_a_manifest_comes_with_its_digest_and_type(server: FakeRegistry) -> None:
    server.answers["/v2/tool/manifests/1"] = Answer(
        body=MANIFEST, headers={"Content-Type": f"{MediaType.OCI_MANIFEST}; charset=utf-8"}
    )
    async with RegistryClient() as registry:
        document = await registry.manifest(image_at(server))
    assert document.data == MANIFEST
    assert document.descriptor == Descriptor(
        media_type=MediaType.OCI_MANIFEST, digest=sha256_digest(MANIFEST), size_bytes=len(MANIFEST)
    )


async def test_asking_for_a_digest_is_no_pull(server: FakeRegistry) -> None:
    digest = sha256_digest(MANIFEST)
    server.answers["/v2/tool/manifests/1"] = Answer(body=MANIFEST, headers={"Docker-Content-Digest": digest})
    async with RegistryClient() as registry:
        assert await registry.digest(image_at(server)) == digest
    assert server.requests == ["HEAD /v2/tool/manifests/1"]


@pytest.mark.parametrize("header", ["", "sha256:12", "blake3:" + "0" * 64])
async def test_a_registry_that_says_no_digest_is_asked_for_the_manifest(server: FakeRegistry, header: str) -> None:
    server.answers["/v2/tool/manifests/1"] = Answer(body=MANIFEST, headers={"Docker-Content-Digest": header})
    async with RegistryClient() as registry:
        assert await registry.digest(image_at(server)) is None
        assert (await registry.manifest(image_at(server))).data == MANIFEST


@pytest.mark.parametrize("status", [405, 501])
async def test_a_registry_that_knows_no_head_is_asked_for_the_manifest(server: FakeRegistry, status: int) -> None:
    server.answers["/v2/tool/manifests/1"] = Answer(status=status)
    async with RegistryClient() as registry:
        assert await registry.digest(image_at(server)) is None


@pytest.mark.parametrize("length", [None, -1])
async def test_a_blob_streams_in_pieces(server: FakeRegistry, length: int | None) -> None:
    server.answers[f"/v2/tool/blobs/{LAYER.digest}"] = Answer(body=BLOB, length=length)
    sink = Sink()
    async with RegistryClient() as registry:
        await registry.blob(image_at(server), LAYER, sink)
    assert sink.data == BLOB
    assert sink.largest < 2 << 20


async def test_a_redirect_to_where_blobs_are_kept_is_followed(server: FakeRegistry) -> None:
    server.answers[f"/v2/tool/blobs/{LAYER.digest}"] = Answer(status=307, headers={"Location": "/elsewhere"})
    server.answers["/elsewhere"] = Answer(body=BLOB)
    sink = Sink()
    async with RegistryClient() as registry:
        await registry.blob(image_at(server), LAYER, sink)
    assert sink.data == BLOB


async def test_a_token_is_fetched_once_for_a_repository(server: FakeRegistry) -> None:
    challenge = f'Bearer realm="http://{server.address}/token",service="here",scope="repository:tool:pull"'
    headers = {"WWW-Authenticate": challenge}
    server.answers["/token"] = Answer(body=json.dumps({"access_token": "let-me-in"}).encode())
    server.answers["/v2/tool/manifests/1"] = Answer(body=MANIFEST, headers=headers, token="let-me-in")
    server.answers[f"/v2/tool/blobs/{LAYER.digest}"] = Answer(body=BLOB, headers=headers, token="let-me-in")
    async with RegistryClient() as registry:
        await registry.manifest(image_at(server))
        await registry.blob(image_at(server), LAYER, Sink())
    assert server.requests == [
        "GET /v2/tool/manifests/1",
        "GET /token?service=here&scope=repository%3Atool%3Apull",
        "GET /v2/tool/manifests/1",
        f"GET /v2/tool/blobs/{LAYER.digest}",
    ]
    assert server.authorizations == ["", "", "Bearer let-me-in", "Bearer let-me-in"]


def answer_error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


ANSWERS = [
    (Answer(status=404), "{ref} not found at 127.0.0.1"),
    (
        Answer(status=404, body=answer_error("MANIFEST_UNKNOWN", "manifest \x1b[31munknown")),
        "{ref} not found at 127.0.0.1 (manifest [31munknown)",
    ),
    (Answer(status=404, body=b"{" * 20_000), "{ref} not found at 127.0.0.1"),
    (Answer(status=404, body=b"<html>"), "{ref} not found at 127.0.0.1"),
    (Answer(status=401), "{ref}: access denied by 127.0.0.1"),
    (Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}), "{ref}: access denied by 127.0.0.1"),
    (Answer(status=403, body=answer_error("DENIED", "")), "{ref}: access denied by 127.0.0.1 (DENIED)"),
    (Answer(status=429, headers={"Retry-After": "7"}), "{ref}: 127.0.0.1 limits the rate of requests"),
    (Answer(status=503), "{ref}: 127.0.0.1 answered 503"),
    (Answer(status=304), "{ref}: 127.0.0.1 answered 304"),
    (Answer(body=b" " * (5 << 20)), "{ref}: the registry answered with more than 4096 KiB"),
    (Answer(body=MANIFEST, length=100), "{ref}: cannot reach {host}: peer closed connection"),
    (Answer(status=301, headers={"Location": "http://[bad"}), "{ref}: cannot reach {host}: "),
    (
        Answer(body=MANIFEST, headers={"Docker-Content-Digest": "sha256:" + "0" * 64}),
        f"{{ref}}: the registry sent other bytes than asked for: expected sha256:{'0' * 64}, found sha256:",
    ),
    (
        Answer(status=401, headers={"WWW-Authenticate": 'Bearer realm="http://example.com/token"'}),
        "{ref}: the registry sends us to 'http://example.com/token' for a token; expected an https URL",
    ),
    (
        Answer(status=401, headers={"WWW-Authenticate": 'Bearer realm="file:///etc/passwd"'}),
        "{ref}: the registry sends us to 'file:///etc/passwd' for a token; expected an https URL",
    ),
    (
        Answer(status=401, headers={"WWW-Authenticate": 'Bearer realm="https://[x"'}),
        "{ref}: the registry sends us to 'https://[x' for a token; expected an https URL",
    ),
]


@pytest.mark.parametrize(("answer", "message"), ANSWERS)
async def test_what_goes_wrong_is_one_line(server: FakeRegistry, answer: Answer, message: str) -> None:
    server.answers["/v2/tool/manifests/1"] = answer
    reference = image_at(server)
    async with RegistryClient() as registry:
        with pytest.raises(SourceError) as caught:
            await registry.manifest(reference)
    assert caught.value.message.startswith(message.format(ref=reference, host=server.address))
    assert caught.value.ref == str(reference)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("answer", "transient"),
    [
        (Answer(status=429), True),
        (Answer(status=503), True),
        (Answer(body=MANIFEST, length=100), True),
        (Answer(status=404), False),
        (Answer(status=403), False),
        (Answer(body=MANIFEST, headers={"Docker-Content-Digest": "sha256:" + "0" * 64}), False),
    ],
)
async def test_what_may_go_well_the_next_time_is_told_from_what_will_not(
    server: FakeRegistry, answer: Answer, transient: bool
) -> None:
    server.answers["/v2/tool/manifests/1"] = answer
    async with RegistryClient() as registry:
        with pytest.raises(SourceError) as caught:
            await registry.manifest(image_at(server))
    assert caught.value.transient is transient


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 1}', b"{}", b'{"token": "a\\nb"}', b"x" * 100_000])
async def test_a_token_server_that_gives_none_is_one_error(server: FakeRegistry, body: bytes) -> None:
    server.answers["/v2/tool/manifests/1"] = Answer(
        status=401, headers={"WWW-Authenticate": f'Bearer realm="http://{server.address}/token"'}
    )
    server.answers["/token"] = Answer(body=body)
    async with RegistryClient() as registry:
        with pytest.raises(SourceError):
            await registry.manifest(image_at(server))


async def test_a_token_that_does_not_help_is_not_asked_for_again(server: FakeRegistry) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{server.address}/token"'}
    server.answers["/v2/tool/manifests/1"] = Answer(headers=challenge, token="another")
    server.answers["/token"] = Answer(body=b'{"token": "this"}')
    async with RegistryClient() as registry:
        with pytest.raises(SourceError, match="access denied by 127.0.0.1"):
            await registry.manifest(image_at(server))
    assert len(server.requests) == 3


BROKEN = [
    pytest.param(Answer(body=BLOB[:1000], length=len(BLOB)), 1000, id="the connection breaks"),
    pytest.param(Answer(body=BLOB[:1000]), 1000, id="the length says it is shorter"),
    pytest.param(Answer(body=BLOB[:1000], length=-1), 1000, id="it ends early, without a length"),
    pytest.param(Answer(body=BLOB + b"x"), len(BLOB) + 1, id="the length says it is longer"),
    pytest.param(Answer(body=BLOB * 3, length=-1), len(BLOB), id="it goes on, without a length"),
]


@pytest.mark.parametrize(("answer", "received"), BROKEN)
async def test_a_blob_of_another_size_is_one_error(server: FakeRegistry, answer: Answer, received: int) -> None:
    server.answers[f"/v2/tool/blobs/{LAYER.digest}"] = answer
    async with RegistryClient() as registry:
        with pytest.raises(SourceError) as caught:
            await registry.blob(image_at(server), LAYER, Sink())
    want = f"blob {LAYER.digest.short} is broken off: expected {len(BLOB)} bytes, got "
    found = caught.value.message.partition(want)[2].partition(" ")[0]
    assert received <= int(found) <= received + (1 << 20)


async def pulled(reference: Reference, *, silence_s: float = 30.0) -> bytes:
    sink = Sink()
    async with RegistryClient(silence_s=silence_s) as registry:
        await registry.blob(reference, LAYER, sink)
    return sink.data


async def test_a_registry_that_falls_silent_is_asked_for_the_rest(server: FakeRegistry) -> None:
    server.answers[f"/v2/tool/blobs/{LAYER.digest}"] = Answer(body=BLOB)
    with serve_fault_proxy(server.address) as proxy:
        proxy.add("GET .*blobs", silent=1 << 20)
        assert await pulled(parse_reference(f"{proxy.address}/tool"), silence_s=0.5) == BLOB
        assert len(proxy.requests) == 2


async def test_a_registry_that_stays_silent_is_one_error_that_passes(server: FakeRegistry) -> None:
    server.answers[f"/v2/tool/blobs/{LAYER.digest}"] = Answer(body=BLOB)
    with serve_fault_proxy(server.address) as proxy:
        proxy.add("GET .*blobs", silent=0, times=9)
        with pytest.raises(SourceError, match=r"got 0 \(no answer in time\)") as caught:
            await pulled(parse_reference(f"{proxy.address}/tool"), silence_s=0.2)
    assert caught.value.transient


async def test_a_download_is_taken_up_by_a_later_call(server: FakeRegistry) -> None:
    server.answers[f"/v2/tool/blobs/{LAYER.digest}"] = Answer(body=BLOB)
    sink = Sink()
    sink.data = BLOB[:1000]
    async with RegistryClient() as registry:
        await registry.blob(image_at(server), LAYER, sink, received=1000)  # it knows no ranges, and sends all of it
        assert sink.data == BLOB
        await registry.blob(image_at(server), LAYER, sink, received=len(BLOB))
    assert sink.data == BLOB
    assert len(server.requests) == 1


async def test_a_config_of_other_bytes_is_one_error(server: FakeRegistry) -> None:
    config = Descriptor(media_type=MediaType.OCI_CONFIG, digest=sha256_digest(b"{}"), size_bytes=2)
    server.answers[f"/v2/tool/blobs/{config.digest}"] = Answer(body=b"[]")
    async with RegistryClient() as registry:
        with pytest.raises(SourceError, match="the registry sent other bytes than asked for"):
            await registry.document(image_at(server), config)


async def test_a_pinned_manifest_of_other_bytes_is_one_error(server: FakeRegistry) -> None:
    reference = image_at(server, f"@{Digest('sha256:' + '0' * 64)}")
    server.answers[f"/v2/tool/manifests/{reference.digest}"] = Answer(body=MANIFEST)
    async with RegistryClient() as registry:
        with pytest.raises(SourceError, match="the registry sent other bytes than asked for"):
            await registry.manifest(reference)


async def test_a_registry_that_is_not_there_is_one_error() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and nobody listens
        reference = parse_reference(f"127.0.0.1:{held.getsockname()[1]}/tool")
        async with RegistryClient() as registry:
            with pytest.raises(SourceError) as caught:
                await registry.manifest(reference)
    assert caught.value.message == f"{reference}: cannot reach {reference.domain}: Connection refused"


async def test_a_host_without_a_name_is_one_error() -> None:
    reference = parse_reference("registry.invalid/tool")
    async with RegistryClient() as registry:
        with pytest.raises(SourceError, match=r"cannot reach registry\.invalid: "):
            await registry.manifest(reference)


HOSTS = [
    ("localhost", True),
    ("localhost:5000", True),
    ("127.0.0.1:5000", True),
    ("127.9.9.9", True),
    ("[::1]:5000", True),
    ("[::2]", False),
    ("docker.io", False),
    ("localhost.example.com", False),
    ("127.0.0.1.example.com", False),
    ("10.0.0.1:5000", False),
]


@pytest.mark.parametrize(("domain", "loopback"), HOSTS)
def test_only_this_machine_is_spoken_to_without_tls(domain: str, loopback: bool) -> None:
    assert is_loopback(domain) == loopback
    assert find_host(domain, None, {}).url.startswith("http://" if loopback else "https://")


def test_docker_hub_has_another_address_than_name() -> None:
    assert find_host("docker.io", None, {}).url == "https://registry-1.docker.io"


def test_certificate_authorities_are_found() -> None:
    assert trust().verify_mode.name == "CERT_REQUIRED"


CHALLENGES = [
    ('Bearer realm="https://a/t",service="s",scope="x:y:z"', ("https://a/t", "s", "x:y:z")),
    ('bearer realm="https://a/t"', ("https://a/t", "", "")),
    ('Bearer  scope = "a,b" , realm="https://a/\\"t" ', ('https://a/"t', "", "a,b")),
    ("Bearer realm=https://a/t,service=s", ("https://a/t", "s", "")),
    ('Basic realm="x"', None),
    ('Bearer service="s"', None),
    ('Bearer realm="unclosed', None),
    ("", None),
]


@pytest.mark.parametrize(("header", "want"), CHALLENGES)
def test_a_challenge_is_read(header: str, want: tuple[str, str, str] | None) -> None:
    assert parse_challenge(header) == want


def test_a_public_realm_is_asked_at_its_own_host() -> None:
    challenge = parse_challenge('Bearer realm="https://auth.docker.io/token",service="registry.docker.io"')
    assert challenge is not None
    assert realm_host(challenge, parse_reference("busybox"), find_host("docker.io", None, {})) == "auth.docker.io"


def tags_of(server: FakeRegistry, body: str, *, path: str = "list", link: str = "") -> None:
    server.answers[f"/v2/tool/tags/{path}"] = Answer(body=body.encode(), headers={"Link": link} if link else {})


async def test_tags_are_listed_to_their_last_page(server: FakeRegistry) -> None:
    tags_of(server, '{"name":"tool","tags":["1","2"]}', link='</v2/tool/tags/more?last=2>; rel="next"')
    tags_of(server, '{"name":"tool","tags":["3"]}', path="more")
    async with RegistryClient() as registry:
        assert await registry.tags(parse_reference(f"{server.address}/tool")) == ("1", "2", "3")


@pytest.mark.parametrize(
    ("body", "link", "words"),
    [
        ('{"name":"tool","tags":null}', "", "has no tags"),
        ('{"name":"tool","tags":[1]}', "", "tags"),
        ("[]", "", "list of tags"),
        ('{"tags":["1"]}', '<https://other.example/more>; rel="next"', "sends us to 'https://other.example/more'"),
        ('{"tags":[]}', '</v2/tool/tags/list>; rel="next"', "has no end"),
    ],
)
async def test_a_list_of_tags_that_is_none_is_told(server: FakeRegistry, body: str, link: str, words: str) -> None:
    tags_of(server, body, link=link)
    async with RegistryClient() as registry:
        with pytest.raises(SourceError) as caught:
            await registry.tags(parse_reference(f"{server.address}/tool"))
    assert words in caught.value.message
