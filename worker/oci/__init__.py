"""Steps run by an OCI runtime, runc or crun, in roots that llbuild prepares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .config import runtime_config as runtime_config
    from .executor import OciExecutor as OciExecutor
    from .runtime import Runtime as Runtime
    from .runtime import find_runtime as find_runtime

_HOME = {
    "OciExecutor": "executor",
    "Runtime": "runtime",
    "find_runtime": "runtime",
    "runtime_config": "config",
}

__all__ = ["OciExecutor", "Runtime", "find_runtime", "runtime_config"]

__getattr__ = lazy_face(__name__, _HOME)
