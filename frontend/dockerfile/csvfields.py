"""One line of comma-separated values: the form of `--mount` and of list options."""

from __future__ import annotations

__all__ = ["split_csv"]


def split_csv(line: str) -> list[str]:
    """The fields; one in double quotes may hold commas, and `""` for a quote. Raises ValueError."""
    if not line:
        raise ValueError("it is empty")
    fields: list[str] = []
    at = 0
    while True:
        if line.startswith('"', at):
            field, at = _quoted(line, at + 1)
            if at < len(line) and line[at] != ",":
                raise ValueError(f"after a closing quote a comma is expected, found {line[at]!r}")
        else:
            end = line.find(",", at)
            end = len(line) if end < 0 else end
            field, at = line[at:end], end
            if '"' in field:
                raise ValueError(f"a quote inside {field!r}; quote the whole field")
        fields.append(field)
        if at >= len(line):
            return fields
        at += 1


def _quoted(line: str, at: int) -> tuple[str, int]:
    out: list[str] = []
    while True:
        end = line.find('"', at)
        if end < 0:
            raise ValueError("a quote is never closed")
        out.append(line[at:end])
        if not line.startswith('"', end + 1):
            return "".join(out), end + 1
        out.append('"')
        at = end + 2
