"""What engines are asked on their command lines."""

from __future__ import annotations

import subprocess
import tempfile
from typing import TYPE_CHECKING

from ...errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ask", "refused", "send_archive"]

_LONGEST_REASON = 2000


def ask(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command whose words count, also when it fails."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )


def send_archive(program: Sequence[str], write: Callable[[int], object]) -> None:
    """Pipe an archive into `load`: what `write` writes into a descriptor. Raises ExportError."""
    command = [*program, "load"]
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said) as process:
            assert process.stdin is not None
            try:
                write(process.stdin.fileno())
            except BrokenPipeError:
                pass  # it has seen enough, or gave up: its exit code tells
            except BaseException:
                process.kill()
                raise
            process.stdin.close()
            process.wait()
        if process.returncode:
            said.seek(0)
            raise refused(command, said.read(_LONGEST_REASON).decode(errors="replace"), process.returncode)


def refused(command: Sequence[str], said: str, code: int) -> ExportError:
    """The error of a command that failed."""
    reason = said.strip()[-_LONGEST_REASON:] or f"exit code {code}"
    return ExportError(f"{' '.join(command)} failed: {reason}")
