"""`llbuild compile --format bundle`: everything a compilation answers as one line of JSON, for programs.

`{"definition": base64 of a pb.Definition, "image": image config, "warnings": […], "error": null, "error_lines": []}`.
A rejected build file has an error and no definition. Several platforms are several lines, each with its `platform`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from ..errors import DockerfileError
from ..image import encode_config
from ..proto import encode_buildkit

if TYPE_CHECKING:
    from ..errors import LlbuildError
    from ..frontend import BuildWarning, Compiled
    from ..image import ImageConfig

__all__ = ["bundle", "described_warning", "rejection_bundle"]


def bundle(compiled: Compiled) -> str:
    """One line for each platform."""
    warnings = [described_warning(warning) for warning in compiled.warnings]
    lines = []
    for result in compiled.results:
        line: dict[str, Any] = {"platform": str(result.platform)} if len(compiled.results) > 1 else {}
        line["definition"] = b64encode(encode_buildkit(result.definition)).decode()
        line["image"] = _timeless(result.image)
        lines.append(line | {"warnings": warnings, "error": None, "error_lines": []})
    return "".join(_line(line) for line in lines)


def rejection_bundle(error: LlbuildError) -> str:
    """What is said of a build file that cannot be compiled; `error_lines` is empty where no line is to blame."""
    lines = [error.at.line, *error.other_lines] if isinstance(error, DockerfileError) else []
    warnings = [described_warning(warning) for warning in error.warnings]
    return _line(
        {"definition": None, "image": None, "warnings": warnings, "error": error.message, "error_lines": lines}
    )


def described_warning(warning: BuildWarning) -> dict[str, Any]:
    """A warning with the lines it is about; 0 where it is about none."""
    line, end_line = (0, 0) if warning.at is None else (warning.at.line, warning.at.last_line)
    return {"rule": warning.rule, "line": line, "end_line": end_line, "message": warning.message}


def _timeless(image: ImageConfig) -> dict[str, Any]:
    """The config as BuildKit's frontend hands it over: no times, no empty history, and no layers is null."""
    document: dict[str, Any] = json.loads(encode_config(image))
    document["rootfs"]["diff_ids"] = document["rootfs"]["diff_ids"] or None
    document.pop("created", None)
    for entry in document["history"]:
        entry.pop("created", None)
    if not document["history"]:
        del document["history"]
    return document


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document) + "\n"
