"""Credential helpers: programs `docker-credential-NAME` that keep secrets in a keychain, a vault, a cloud.

Protocol: docker-credential-helpers, README, "Development": a verb as argument, the rest on stdin and stdout.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

from ...errors import SourceError
from ...values import frozen
from .credentials import TOKEN_USER, Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CredentialHelper"]

_TIMEOUT_S = 60  # it may ask the person in a window of its own
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NOT_FOUND = "credentials not found"  # how helpers say that they know nothing of a host


@frozen(kw_only=False)
class CredentialHelper:
    """Blocks. `server`: what it calls the registry; `ref`: what it is asked for, in errors. All raise SourceError."""

    name: str
    server: str
    ref: str
    environ: Mapping[str, str]

    @property
    def program(self) -> str:
        return f"docker-credential-{self.name}"

    def get(self) -> Credentials | None:
        """None: it knows none, or is not here: Docker Desktop leaves such a configuration behind, and what is public
        must stay within reach.
        """
        said = self._run("get", self.server)
        if said is None or _NOT_FOUND in said.lower():
            return None
        try:
            fields = json.loads(said)
            user, secret = str(fields["Username"]), str(fields["Secret"])
        except (ValueError, TypeError, KeyError):
            raise SourceError(f"{self.program} answered something other than credentials", ref=self.ref) from None
        if user == TOKEN_USER:
            return Credentials(identity_token=secret, origin=self.program)
        return Credentials(username=user, password=secret, origin=self.program) if user else None

    def store(self, credentials: Credentials) -> None:
        user, secret = credentials.username, credentials.password
        if credentials.identity_token:
            user, secret = TOKEN_USER, credentials.identity_token
        entry = {"ServerURL": self.server, "Username": user, "Secret": secret}
        if self._run("store", json.dumps(entry)) is None:
            raise SourceError(
                f"there is no program {self.program} to store the password with",
                ref=self.ref,
                hint="install it, or take credsStore and credHelpers out of the configuration of docker",
            )

    def erase(self) -> bool:
        """False: it knew none, or is not here."""
        said = self._run("erase", self.server)
        return said is not None and _NOT_FOUND not in said.lower()

    def _run(self, verb: str, given: str) -> str | None:
        """What it says, also that it found nothing; None when there is no such program."""
        if not _NAME.fullmatch(self.name):
            raise SourceError(f"{self.name!r} is not the name of a credential helper", ref=self.ref)
        try:
            done = subprocess.run(
                [self.program, verb],
                input=given.encode(),
                capture_output=True,
                timeout=_TIMEOUT_S,
                env=dict(self.environ),
                check=False,
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"cannot run {self.program}: {error.strerror}", ref=self.ref) from None
        except subprocess.TimeoutExpired:
            raise SourceError(f"{self.program} gave no answer in {_TIMEOUT_S} s", ref=self.ref) from None
        said = done.stdout.decode(errors="replace").strip()
        if done.returncode and _NOT_FOUND not in said.lower():
            words = said or done.stderr.decode(errors="replace")
            shown = "".join(char for char in words if char.isprintable())[:200]
            raise SourceError(f"{self.program} failed for {self.server}: {shown}", ref=self.ref)
        return said
