"""Running processes in a sandbox: what to run (`ExecSpec`), how it ended (`ExitStatus`), and who does it.

Everything is loaded on first use: a build that finds all its results never gets here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...faces import lazy_face

if TYPE_CHECKING:
    from .chroot import ChrootExecutor as ChrootExecutor
    from .netprogram import machine_address as machine_address
    from .netprogram import missing_network as missing_network
    from .netprogram import network_program as network_program
    from .sandbox import SandboxExecutor as SandboxExecutor
    from .sandbox import ignore_notice as ignore_notice
    from .spec import DEFAULT_HOSTNAME as DEFAULT_HOSTNAME
    from .spec import BindMount as BindMount
    from .spec import CgroupSpec as CgroupSpec
    from .spec import ExecSpec as ExecSpec
    from .spec import Executor as Executor
    from .spec import ExitStatus as ExitStatus
    from .spec import ExtraMount as ExtraMount
    from .spec import OverlayMount as OverlayMount
    from .spec import RootMount as RootMount
    from .spec import SecretMount as SecretMount
    from .spec import Stdio as Stdio
    from .spec import TmpfsMount as TmpfsMount
    from .start import HelperProcess as HelperProcess
    from .start import start_helper as start_helper

_HOME = {
    "DEFAULT_HOSTNAME": "spec",
    "BindMount": "spec",
    "ChrootExecutor": "chroot",
    "CgroupSpec": "spec",
    "ExecSpec": "spec",
    "Executor": "spec",
    "ExitStatus": "spec",
    "ExtraMount": "spec",
    "OverlayMount": "spec",
    "RootMount": "spec",
    "SandboxExecutor": "sandbox",
    "SecretMount": "spec",
    "Stdio": "spec",
    "TmpfsMount": "spec",
    "HelperProcess": "start",
    "ignore_notice": "sandbox",
    "machine_address": "netprogram",
    "missing_network": "netprogram",
    "network_program": "netprogram",
    "start_helper": "start",
}

__all__ = [
    "DEFAULT_HOSTNAME",
    "BindMount",
    "CgroupSpec",
    "ChrootExecutor",
    "ExecSpec",
    "Executor",
    "ExitStatus",
    "ExtraMount",
    "HelperProcess",
    "OverlayMount",
    "RootMount",
    "SandboxExecutor",
    "SecretMount",
    "Stdio",
    "TmpfsMount",
    "ignore_notice",
    "machine_address",
    "missing_network",
    "network_program",
    "start_helper",
]

__getattr__ = lazy_face(__name__, _HOME)
