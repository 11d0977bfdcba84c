"""Who somebody is at a registry."""

from __future__ import annotations

import base64

from ...values import frozen

__all__ = ["TOKEN_USER", "Credentials"]

TOKEN_USER = "<token>"  # noqa: S105  in a helper's answer: the secret is an identity token


@frozen
class Credentials:
    """A user and password, or an identity token (OAuth 2 refresh token) instead. `origin`: where they stand."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    origin: str = ""

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, origin={self.origin!r})"  # no secret in logs and tracebacks

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header. Spec: RFC 7617."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
