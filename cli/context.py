"""Where a build begins: its context (a folder, a URL, stdin) and its build file, as the command line names them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..errors import SourceError, UsageError
from ..frontend import HEAD_BYTES, is_packed
from ..llb import redacted
from ..regexes import lazy_regex
from ..values import frozen
from .compile_options import STDIN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from ..worker import HandedFile

__all__ = ["Place", "check_folder", "find_place", "is_remote", "is_ssh"]

_REMOTE = lazy_regex(r"(?:https?|git|ssh)://|github\.com/|[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9.-]+:")
_SESSION = "http://buildkit-session/"  # how BuildKit's client names what it holds itself; no such host is ever asked
_PIECE_BYTES = 1 << 20
_MOST_BYTES = 16 << 20  # of a build file


@frozen
class Place:
    """What is known of it before anything is read.

    folders: the client's, by the names they have for a frontend. options: what the frontend must be told.
    files: what the client holds, by URL. stdin: the build file, when it came from there.
    """

    shown: str  # for people: an absolute path, a URL, or "-"
    folders: Mapping[str, str] = {}
    options: Mapping[str, str] = {}
    files: Mapping[str, HandedFile] = {}
    stdin: bytes | None = None


def is_remote(text: str) -> bool:
    """Whether it is a git repository or a URL, and not a folder that is called so."""
    return _REMOTE.match(text) is not None and not os.path.isdir(text)


def is_ssh(url: str) -> bool:
    """Whether a remote context is reached by ssh."""
    return is_remote(url) and (url.startswith("ssh://") or ("://" not in url and not url.startswith("github.com/")))


def find_place(context: str, file: str) -> Place:
    """context, file: the argument and the value of --file, "" for none.

    Raises SourceError for what is not there, UsageError where the two contradict each other.
    """
    if context == STDIN:
        return _from_stdin(file)
    if is_remote(context):
        return _from_url(context, file)
    check_folder(context, f"build context {context!r}")
    name, beside = _build_file(file, context)
    return Place(
        shown=os.path.abspath(context),
        folders={"context": context, "dockerfile": beside},
        options={"filename": name} if name else {},
        stdin=_read_build_file() if file == STDIN else None,
    )


def _from_url(url: str, file: str, *, files: Mapping[str, HandedFile] | None = None) -> Place:
    """The build file is in the context, unless it comes from stdin or is given with an absolute path: as in docker."""
    shown = STDIN if files else redacted(url)
    wanted, folders, stdin = {"context": url}, {}, None
    if file == STDIN:
        stdin = _read_build_file()
        wanted["dockerfilekey"] = "dockerfile"
    elif file.startswith("/"):
        wanted["filename"], folders["dockerfile"] = _build_file(file, "/")
        wanted["dockerfilekey"] = "dockerfile"
    elif file:
        wanted["filename"] = file
    return Place(shown=shown, folders=folders, options=wanted, files=files or {}, stdin=stdin)


def _from_stdin(file: str) -> Place:
    """An archive of the context, or the build file alone: told apart by how it begins."""
    if sys.stdin.isatty():
        raise UsageError("a build context or a build file is expected on stdin", hint="redirect a file into it")
    given = sys.stdin.buffer
    head = _read_head(given)
    if is_packed(head):
        handed = _keep(head, given)
        url = _SESSION + handed.digest.hex
        return _from_url(url, file, files={url: handed})
    if file:
        raise UsageError(
            "a build file comes from stdin, and another is named with --file", hint="leave one of them out"
        )
    data = head + given.read(_MOST_BYTES + 1 - len(head))
    if not data:
        raise SourceError("stdin is empty; expected a build file, or a tar of the build context", ref=STDIN)
    empty = _empty_folder()
    return Place(shown=STDIN, folders={"context": empty, "dockerfile": empty}, stdin=data)


def _read_head(stream: BinaryIO) -> bytes:
    """A pipe gives what it has; more may come."""
    head = b""
    while len(head) < HEAD_BYTES and (piece := stream.read(HEAD_BYTES - len(head))):
        head += piece
    return head


def _keep(head: bytes, rest: BinaryIO) -> HandedFile:
    """What comes on stdin as a file without a name, gone with this process. Raises SourceError."""
    import hashlib
    import tempfile

    from ..digest import Digest
    from ..worker import HandedFile

    hasher = hashlib.sha256()
    file = tempfile.TemporaryFile(prefix="llbuild-")  # noqa: SIM115  open as long as the build
    try:
        piece = head
        while piece:
            hasher.update(piece)
            file.write(piece)
            piece = rest.read(_PIECE_BYTES)
        file.flush()
    except OSError as error:
        where = tempfile.gettempdir()
        raise SourceError(
            f"cannot keep the build context from stdin in {where}: {error.strerror}",
            ref=STDIN,
            hint="name a folder with more space in $TMPDIR",
        ) from None
    return HandedFile(digest=Digest(f"sha256:{hasher.hexdigest()}"), file=file)


def _empty_folder() -> str:
    """The context of a build file that comes alone."""
    import atexit
    import tempfile

    folder = tempfile.mkdtemp(prefix="llbuild-")
    atexit.register(os.rmdir, folder)
    return folder


def _read_build_file() -> bytes:
    return sys.stdin.buffer.read(_MOST_BYTES + 1)


def check_folder(path: str, what: str) -> None:
    """Raises SourceError where it is none, or cannot be read; `what` names it."""
    try:
        with os.scandir(path):
            pass
    except FileNotFoundError:
        raise SourceError(f"{what} does not exist", ref=path) from None
    except NotADirectoryError:
        raise SourceError(f"{what} is not a folder", ref=path, hint="name the build file with -f") from None
    except OSError as error:
        raise SourceError(f"{what} cannot be read: {error.strerror}", ref=path) from None


def _build_file(text: str, context: str) -> tuple[str, str]:
    """The build file's name and its folder; "" where the frontend's default is meant."""
    if not text or text == STDIN:
        return "", context
    folder, name = os.path.split(text)
    if not name:
        raise SourceError(f"build file {text!r} is a folder; expected a file", ref=text)
    path = folder or "."
    if not os.path.isdir(path):
        raise SourceError(f"build file {text!r} does not exist: there is no folder {folder}", ref=text)
    return name, path
