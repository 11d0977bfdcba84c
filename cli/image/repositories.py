"""Names of repositories, for what is done with all their tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import NotFoundError, SourceError, UsageError
from ...image import parse_reference
from ...values import replace

if TYPE_CHECKING:
    from ...image import Descriptor, Reference
    from ...worker import ContentStore

__all__ = ["repository_of", "stored_tags"]


def repository_of(text: str) -> Reference:
    """The repository that `text` names, as a reference without a tag. Raises UsageError, SourceError."""
    reference = parse_reference(text)
    if "@" in text or ":" in text.rpartition("/")[2]:
        raise UsageError(f"--all-tags wants a name without tag or digest, found {text!r}")
    return replace(reference, tag="")


def stored_tags(content: ContentStore, repository: Reference) -> list[tuple[Reference, Descriptor]]:
    """The images of the repository in the local store, by their names, in order. Raises NotFoundError."""
    found = []
    for image in content.images():
        try:
            reference = parse_reference(image.name)
        except SourceError:  # the name that another tool gave it
            continue
        if reference.name == repository.name and reference.tag:
            found.append((reference, image.descriptor))
    if not found:
        raise NotFoundError(f"the local store has no image of {repository.familiar()}")
    return sorted(found, key=lambda pair: str(pair[0]))
