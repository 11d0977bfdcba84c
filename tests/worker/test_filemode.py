"""Symbolic modes, as chmod(1) and BuildKit's library read them."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.errors import LlbuildError
from llbuild.llb import FileCopy
from llbuild.worker.filemode import mode_change

FILE, FOLDER = stat.S_IFREG, stat.S_IFDIR

CHANGES = [
    ("755", FILE | 0o600, 0o755),
    ("0755", FILE | 0o600, 0o755),
    ("4755", FILE | 0o600, 0o4755),
    ("7777", FOLDER, 0o7777),
    ("+x", FILE | 0o644, 0o755),
    ("a+x", FILE | 0o644, 0o755),
    ("u+x", FILE | 0o644, 0o744),
    ("go-rwx", FILE | 0o777, 0o700),
    ("u=rwX,go=rX", FILE | 0o600, 0o644),
    ("u=rwX,go=rX", FILE | 0o710, 0o755),
    ("u=rwX,go=rX", FOLDER | 0o700, 0o755),
    ("-X", FILE | 0o755, 0o644),
    ("a-x,a+X", FILE | 0o755, 0o755),  # X asks what the file was
    ("=rw,+X", FILE | 0o700, 0o777),
    ("g=u", FILE | 0o750, 0o770),
    ("go=u-w", FILE | 0o700, 0o755),
    ("o=g", FILE | 0o750, 0o755),
    ("u=g,g=", FILE | 0o740, 0o400),
    ("u+s", FILE | 0o755, 0o4755),
    ("g+s", FILE | 0o755, 0o2755),
    ("+s", FILE | 0o755, 0o6755),
    ("o+s", FILE | 0o755, 0o755),
    ("u-s", FILE | 0o6755, 0o2755),
    ("u=rwx", FILE | 0o4700, 0o700),  # "=" is for the set-id bit of that class too
    ("+t", FOLDER | 0o777, 0o1777),
    ("o+t", FOLDER | 0o777, 0o777),
    ("a=rx", FOLDER | 0o1777, 0o1555),
    ("u=", FILE | 0o777, 0o077),
    ("a=", FILE | 0o777, 0),
    ("ug+rw,o-r", FILE | 0o404, 0o660),
    ("u+w-x", FILE | 0o500, 0o600),
]


@pytest.mark.parametrize(("text", "mode", "want"), CHANGES)
def test_a_mode_in_words_changes_what_it_says(text: str, mode: int, want: int) -> None:
    change = mode_change(FileCopy(src="a", dest="b", mode=0, mode_text=text))
    assert change is not None
    assert oct(change(mode)) == oct(want)


@pytest.mark.parametrize("text", ["x", "u", "u=q", "8", "778", "77777", "u+x,", ",", "u+x;g+x", "-rw ", "\uff10"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(LlbuildError, match="is no file mode"):
        mode_change(FileCopy(src="a", dest="b", mode_text=text))


def test_no_mode_keeps_what_is_there_and_a_number_is_for_everything() -> None:
    assert mode_change(FileCopy(src="a", dest="b")) is None
    change = mode_change(FileCopy(src="a", dest="b", mode=0o4711))
    assert change is not None
    assert change(FILE | 0o600) == change(FOLDER | 0o755) == 0o4711


@given(st.text("ugoa+-=rwxXst,01234567", min_size=1, max_size=12), st.integers(0, 0o7777))
def test_a_mode_is_refused_or_gives_permissions(text: str, mode: int) -> None:
    try:
        change = mode_change(FileCopy(src="a", dest="b", mode_text=text))
    except LlbuildError:
        return
    assert change is not None
    assert 0 <= change(FILE | mode) <= 0o7777
