"""An ssh agent made of private keys, for the time of a build: OpenSSH's own, which knows every form of key."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KeyAgent"]

_LONGEST_KEY_BYTES = 100 << 10  # BuildKit's limit
_TIMEOUT_S = 30


class KeyAgent:
    """Keys in an agent at `path`. It ends with `close`, or a few seconds after this process."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises UsageError for a key that cannot be used, or where OpenSSH is missing."""
        programs = [shutil.which(name) for name in ("ssh-agent", "ssh-add")]
        if None in programs:
            raise UsageError("--ssh with a key needs ssh-agent and ssh-add", hint="install OpenSSH's client")
        self._folder = tempfile.mkdtemp(prefix="llbuild-agent-")
        self.path = f"{self._folder}/agent"
        # The agent watches its parent, which prints its number and then lives until its stdin is closed.
        watched = ("sh", "-c", "echo $SSH_AGENT_PID; exec cat")
        self._number = 0
        self._parent = subprocess.Popen(
            [programs[0] or "", "-a", self.path, *watched],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the build, which still may need it to clean up
        )
        try:
            assert self._parent.stdout is not None
            self._number = int(self._parent.stdout.readline() or 0)
            for key in keys:
                self._add(programs[1] or "", key)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the agent and forget the keys."""
        with suppress(ProcessLookupError):
            if self._number:
                os.kill(self._number, signal.SIGTERM)
        self._parent.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _add(self, program: str, key: str) -> None:
        try:
            with open(key, "rb") as file:
                data = file.read(_LONGEST_KEY_BYTES + 1)
        except OSError as error:
            raise UsageError(f"--ssh: cannot read the key {key!r}: {error.strerror}") from None
        if len(data) > _LONGEST_KEY_BYTES:
            raise UsageError(f"--ssh: {key!r} is too large for a key")
        # By stdin: a file would have to have the permissions that ssh wants. Nobody is asked for a passphrase.
        done = subprocess.run(
            [program, "-q", "-"],
            input=data if data.endswith(b"\n") else data + b"\n",
            env={**os.environ, "SSH_AUTH_SOCK": self.path, "SSH_ASKPASS_REQUIRE": "never"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # it may quote the file
            start_new_session=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise UsageError(
                f"--ssh: {key!r} is no private key, or is protected by a passphrase",
                hint="add it to an agent of yours with ssh-add, and use --ssh default",
            )
