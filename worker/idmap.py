"""Which ids there are for this process: read from the kernel, which knows best (user_namespaces(7))."""

from __future__ import annotations

__all__ = ["has_single_id", "id_map", "in_user_namespace", "marks_in_user_attributes"]

_CAP_SYS_ADMIN = 21

_EVERY_ID = [(0, 0, 4294967295)]  # outside any user namespace


def id_map(kind: str = "uid") -> list[tuple[int, int, int]]:
    """First id inside, first id outside and how many, for each range of "uid" or "gid"."""
    try:
        with open(f"/proc/self/{kind}_map", encoding="utf-8") as file:
            rows = [line.split() for line in file]
    except FileNotFoundError:  # a kernel without user namespaces
        return _EVERY_ID
    return [(int(inside), int(outside), int(count)) for inside, outside, count in rows]


def in_user_namespace() -> bool:
    """Whether this process lives in a user namespace other than the machine's first one.

    There, device nodes cannot be made and overlayfs keeps its marks in `user.overlay.*` xattrs.
    """
    return id_map() != _EVERY_ID


def marks_in_user_attributes() -> bool:
    """Whether the marks of overlayfs must be `user.*` attributes: only an administrator may set `trusted.*` ones."""
    if in_user_namespace():
        return True
    with open("/proc/self/status", encoding="utf-8", errors="replace") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    return not effective >> _CAP_SYS_ADMIN & 1


def has_single_id() -> bool:
    """Whether it lives in one in which there is no user but one: nothing can be given to anybody else."""
    rows = id_map()
    return len(rows) == 1 and rows[0][2] == 1
