"""A certificate authority of a test's own, and what it signs: by the openssl program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llbuild.tests.tools import require_tool, run_tool

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Authority", "Pair", "new_authority"]

_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """PEM files."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    folder: Path
    own: Pair

    def sign(self, name: str, *, client: bool = False) -> Pair:
        """A certificate for a server on 127.0.0.1 and localhost, or for a client."""
        openssl, pair = require_tool("openssl"), _pair(self.folder, name)
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        usage = "clientAuth" if client else "serverAuth\nsubjectAltName = IP:127.0.0.1, DNS:localhost"
        extensions.write_text(f"extendedKeyUsage = {usage}\n")
        run_tool([openssl, "req", *_CURVE, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}"])
        signing: list[str | Path] = [
            "-CA",
            self.own.cert,
            "-CAkey",
            self.own.key,
            "-CAcreateserial",
            "-extfile",
            extensions,
        ]
        run_tool([openssl, "x509", "-req", "-in", request, "-days", "2", *signing, "-out", pair.cert])
        return pair


def new_authority(folder: Path, name: str = "authority") -> Authority:
    openssl, pair = require_tool("openssl"), _pair(folder, name)
    command: list[str | Path] = [openssl, "req", "-x509", *_CURVE, "-days", "2", "-keyout", pair.key, "-out", pair.cert]
    run_tool([*command, "-subj", f"/CN=llbuild tests {name}", "-addext", "keyUsage = keyCertSign"])
    return Authority(folder=folder, own=pair)


def _pair(folder: Path, name: str) -> Pair:
    return Pair(cert=folder / f"{name}.pem", key=folder / f"{name}.key.pem")
