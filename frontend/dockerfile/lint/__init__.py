"""Lint: what a Dockerfile's author may want to change. Checks stand where BuildKit has them; rules are data."""

from __future__ import annotations

from .bases import check_base_platform, check_defaults, check_platform, watch_from
from .commands import (
    check_arg,
    check_command_line,
    check_env,
    check_healthcheck,
    check_label,
    check_port,
    check_source,
    check_workdir,
    watch_variables,
)
from .linter import Linter
from .text import check_continuations, check_description, check_keywords, check_stages

__all__ = [
    "Linter",
    "check_arg",
    "check_base_platform",
    "check_command_line",
    "check_continuations",
    "check_defaults",
    "check_description",
    "check_env",
    "check_healthcheck",
    "check_keywords",
    "check_label",
    "check_platform",
    "check_port",
    "check_source",
    "check_stages",
    "check_workdir",
    "watch_from",
    "watch_variables",
]
