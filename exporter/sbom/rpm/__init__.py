"""Packages of rpm, in every database that it has had since 2001."""

from __future__ import annotations

from .header import parse_header
from .scan import scan_rpm

__all__ = ["parse_header", "scan_rpm"]
