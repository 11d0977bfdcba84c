"""Which system calls a step may make: Docker's default profile, or a file's, as a program for the kernel's filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .cache import UNCONFINED as UNCONFINED
    from .cache import filter_program as filter_program
    from .cache import notify_program as notify_program
    from .compiler import compile_filter as compile_filter
    from .notify import FAKING_MACHINES as FAKING_MACHINES
    from .own import read_profile as read_profile
    from .own import this_machine as this_machine
    from .profile import ARCHITECTURES as ARCHITECTURES
    from .profile import Profile as Profile
    from .profile import default_profile as default_profile
    from .profile import named_rules as named_rules

_HOME = {
    "ARCHITECTURES": "profile",
    "FAKING_MACHINES": "notify",
    "UNCONFINED": "cache",
    "Profile": "profile",
    "compile_filter": "compiler",
    "default_profile": "profile",
    "filter_program": "cache",
    "named_rules": "profile",
    "notify_program": "cache",
    "read_profile": "own",
    "this_machine": "own",
}

__all__ = [
    "ARCHITECTURES",
    "FAKING_MACHINES",
    "UNCONFINED",
    "Profile",
    "compile_filter",
    "default_profile",
    "filter_program",
    "named_rules",
    "notify_program",
    "read_profile",
    "this_machine",
]

__getattr__ = lazy_face(__name__, _HOME)
