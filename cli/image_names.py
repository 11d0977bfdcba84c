"""Names of images, as arguments of commands."""

from __future__ import annotations

from ..errors import SourceError, UsageError

__all__ = ["image_name"]


def image_name(what: str, text: str) -> str:
    """The full name that `text` means, for an image to be made. Raises UsageError; `what` is the argument's name."""
    from ..image import parse_reference

    try:
        reference = parse_reference(text)
    except SourceError as exc:
        raise UsageError(f"{what}: {exc.message}", hint=exc.hint) from exc
    if reference.digest is not None:
        raise UsageError(f"{what} {text!r}: a digest cannot be chosen; expected NAME[:TAG]")
    return str(reference)
