"""Which system calls a step may make: Docker's default profile, as a program for the kernel's seccomp filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .cache import filter_program as filter_program
    from .cache import notify_program as notify_program
    from .compiler import compile_filter as compile_filter
    from .notify import FAKING_MACHINES as FAKING_MACHINES
    from .profile import ARCHITECTURES as ARCHITECTURES
    from .profile import Profile as Profile
    from .profile import default_profile as default_profile
    from .profile import named_rules as named_rules

_HOME = {
    "ARCHITECTURES": "profile",
    "FAKING_MACHINES": "notify",
    "Profile": "profile",
    "compile_filter": "compiler",
    "default_profile": "profile",
    "filter_program": "cache",
    "named_rules": "profile",
    "notify_program": "cache",
}

__all__ = [
    "ARCHITECTURES",
    "FAKING_MACHINES",
    "Profile",
    "compile_filter",
    "default_profile",
    "filter_program",
    "named_rules",
    "notify_program",
]

__getattr__ = lazy_face(__name__, _HOME)
