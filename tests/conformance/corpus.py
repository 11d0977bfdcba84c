"""A corpus: Dockerfiles with what BuildKit's own frontend makes of them. Its README says what stands in it.

Other people's text, so none of it is in this repository: it is found beside it, or where $LLBUILD_CONFORMANCE says.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llbuild.tests.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["VARIABLE", "Case", "Corpus", "find_corpus"]

VARIABLE = "LLBUILD_CONFORMANCE"


@dataclass(frozen=True)
class Case:
    """One Dockerfile with one set of options."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def about(self) -> dict[str, Any]:
        described: dict[str, Any] = json.loads((self.folder / "case.json").read_text())
        return described

    @cached_property
    def expected(self) -> dict[str, Any]:
        wanted: dict[str, Any] = json.loads((self.folder / "expected.json").read_text())
        return wanted

    @property
    def kind(self) -> str:
        return str(self.about["kind"])

    @property
    def rejected(self) -> bool:
        return self.expected["error"] is not None

    def arguments(self) -> list[str]:
        """The options as flags of `llbuild compile`."""
        options = self.about["options"]
        words = [f"--target={options['target']}"] if options["target"] else []
        words += [f"--platform={options['platform']}"] if options["platform"] else []
        words += [f"--build-arg={name}={value}" for name, value in options["build_args"].items()]
        return words + [f"--opt={name}={value}" for name, value in options["opts"].items()]

    def write_context(self, folder: Path) -> None:
        """Make `folder` the build context."""
        folder.mkdir()
        (folder / "Dockerfile").write_bytes((self.folder / "Dockerfile").read_bytes())
        ignored = self.about["options"]["dockerignore"]
        if ignored is not None:
            (folder / ".dockerignore").write_bytes(ignored.encode("utf-8", "surrogateescape"))

    def write_stub(self, path: Path, corpus: Corpus) -> Path:
        """The file that answers for base images: the corpus's, or one of the case's own at `path`."""
        configs = self.about["options"]["base_configs"]
        if not configs:
            return corpus.stub_images
        stub = json.loads(corpus.stub_images.read_text())
        path.write_text(json.dumps({**stub, "refs": {**stub["refs"], **configs}}))
        return path


@dataclass(frozen=True)
class Corpus:
    folder: Path

    @property
    def stub_images(self) -> Path:
        return self.folder / "stub-images.json"

    def cases(self) -> Sequence[Case]:
        return [Case(path.parent) for path in sorted(self.folder.glob("llb/*/case.json"))]


def find_corpus() -> Corpus | str:
    """The corpus, or why there is none."""
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else ROOT.parent / "shared" / "conformance"
    if (folder / "stub-images.json").is_file():
        return Corpus(folder)
    return f"needs a conformance corpus: {folder} has no stub-images.json (${VARIABLE} names another folder)"
