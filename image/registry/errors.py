"""What goes wrong at a registry, told in one line each."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import httpx

from ...errors import SourceError
from ..strict_json import decode_json
from .body import read_bounded
from .failures import BROKEN_OFF, PASSING, reason_of, tls_reason
from .ratelimit import retry_after, spoken_duration, spoken_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...digest import Digest
    from ..descriptor import Descriptor
    from ..reference import Reference
    from .credentials import Credentials

__all__ = ["broken", "check_status", "unreachable", "with_mirrors", "wrong_bytes"]

_MAX_ERROR_BYTES = 16 << 10
_LOGIN = "it may not exist, or be private: log in with llbuild login (what docker and podman know counts too)"


async def check_status(
    response: httpx.Response, reference: Reference | str, credentials: Credentials | None = None
) -> None:
    """Raises SourceError unless the answer is a success. `credentials`: what we came with."""
    status, host, ref = response.status_code, response.url.host, str(reference)
    if 200 <= status < 300:
        return
    if status == 404:
        raise SourceError(f"{ref} not found at {host}{await _detail(response)}", ref=ref, hint="check name and tag")
    if status in {401, 403}:
        hint = _LOGIN if credentials is None else "check user and password"
        if credentials is not None and credentials.origin:
            hint = f"the credentials were those of {credentials.origin}"
        raise SourceError(f"{ref}: access denied by {host}{await _detail(response)}", ref=ref, hint=hint)
    wait_s = retry_after(response.headers)
    if status == 429:
        hint = "try again later" if wait_s is None else f"try again in {spoken_duration(wait_s)}"
        if credentials is None:
            hint += ", or log in: who is known may be allowed more"
        words = f"{ref}: {host} limits the rate of requests{await _detail(response)}{spoken_limit(response.headers)}"
        raise SourceError(words, ref=ref, hint=hint, transient=True, retry_after_s=wait_s)
    detail = await _detail(response)
    hint = "" if wait_s is None else f"try again in {spoken_duration(wait_s)}"
    if status == 400 and response.url.scheme == "http":  # what TLS servers answer; to a HEAD, without saying why
        address = response.url.netloc.decode()
        hint = f'if it speaks TLS, say http = false in [registry."{address}"] of the config file'
    words = f"{ref}: {host} answered {status}{detail}"
    raise SourceError(words, ref=ref, hint=hint, transient=status in PASSING, retry_after_s=wait_s)


async def _detail(response: httpx.Response) -> str:
    """The registry's own words. Spec: OCI distribution-spec 1.1, "Error Codes"."""
    try:
        data = await read_bounded(response, "", limit=_MAX_ERROR_BYTES)
        answer = decode_json(data, what="error", ref="")
        words = next((error.text("message") or error.text("code") for error in answer.children("errors")), "")
        words = words or answer.text("details") or answer.text("error_description")  # Docker Hub's; RFC 6749, 5.2
    except (SourceError, httpx.HTTPError):
        return ""
    words = "".join(character for character in words if character.isprintable())[:200]
    return f" ({words})" if words else ""


def unreachable(ref: str, domain: str, error: httpx.HTTPError | httpx.InvalidURL | ssl.SSLError) -> SourceError:
    """`ref`: the image, by the name it has at the server that was asked; `domain` where it is about none (logins)."""
    known = tls_reason(error, domain)
    of_image = ref != domain
    advice = "; an image of the local store needs no registry" if of_image else ""
    reason, hint = known or (reason_of(error), f"check the network and the registry's name{advice}")
    return SourceError(
        f"{ref}: cannot reach {domain}: {reason}" if of_image else f"cannot reach {domain}: {reason}",
        ref=ref,
        hint=hint,
        transient=known is None and isinstance(error, (*BROKEN_OFF, ssl.SSLError)),
    )


def with_mirrors(error: SourceError, refused: Sequence[str]) -> SourceError:
    """The registry's own error, and what its mirrors had said before."""
    if not refused:
        return error
    words = "; ".join([error.message, *refused])
    return SourceError(
        words, ref=error.ref, hint=error.hint, transient=error.transient, retry_after_s=error.retry_after_s
    )


def broken(reference: Reference, blob: Descriptor, received: int, error: httpx.HTTPError | None = None) -> SourceError:
    why = f" ({reason_of(error)})" if error is not None else ""
    return SourceError(
        f"{reference}: blob {blob.digest.short} is broken off: expected {blob.size_bytes} bytes, got {received}{why}",
        ref=str(reference),
        hint="try again",
        transient=received < blob.size_bytes,
    )


def wrong_bytes(reference: Reference, expected: str, actual: Digest) -> SourceError:
    return SourceError(
        f"{reference}: the registry sent other bytes than asked for: expected {expected[:80]}, found {actual}",
        ref=str(reference),
    )
