"""Classic BPF, as far as seccomp needs it: instructions as values, and as the bytes the kernel takes.

Spec: linux/filter.h and linux/bpf_common.h; what is loaded from is struct seccomp_data of linux/seccomp.h.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ALLOW",
    "ERRNO",
    "KILL_PROCESS",
    "MAX_INSTRUCTIONS",
    "Instruction",
    "branch",
    "encode",
    "keep_bits",
    "load",
    "result",
]

ALLOW, ERRNO, KILL_PROCESS = 0x7FFF_0000, 0x0005_0000, 0x8000_0000  # SECCOMP_RET_*
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS

_LD_W_ABS, _RET_K, _JMP_JA, _JMP_JEQ, _JMP_JGT, _JMP_JGE, _ALU_AND = 0x20, 0x06, 0x05, 0x15, 0x25, 0x35, 0x54
_FARTHEST = 255  # a conditional jump has 8 bits for its way
_CODES = {"==": _JMP_JEQ, ">": _JMP_JGT, ">=": _JMP_JGE}


class Instruction(NamedTuple):
    """struct sock_filter."""

    code: int
    jump_true: int
    jump_false: int
    value: int


def load(offset: int) -> Instruction:
    """Put a 32-bit word of the call's description in the accumulator."""
    return Instruction(_LD_W_ABS, 0, 0, offset)


def keep_bits(mask: int) -> Instruction:
    """Keep the accumulator's bits that are in `mask`."""
    return Instruction(_ALU_AND, 0, 0, mask)


def result(value: int) -> Instruction:
    return Instruction(_RET_K, 0, 0, value)


def branch(
    comparison: str, value: int, then: Sequence[Instruction], otherwise: Sequence[Instruction]
) -> list[Instruction]:
    """Compare the accumulator ("==", ">", ">=") and go one of two ways, each of which must end in a result."""
    code = _CODES[comparison]
    if len(otherwise) <= _FARTHEST:
        return [Instruction(code, len(otherwise), 0, value), *otherwise, *then]
    far = Instruction(_JMP_JA, 0, 0, len(otherwise))
    return [Instruction(code, 0, 1, value), far, *otherwise, *then]


def encode(program: Sequence[Instruction]) -> bytes:
    """In this machine's byte order, as the kernel wants it."""
    if len(program) > MAX_INSTRUCTIONS:
        raise AssertionError(f"a filter of {len(program)} instructions: the kernel takes {MAX_INSTRUCTIONS}")
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
