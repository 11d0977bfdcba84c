"""Names as BuildKit's Dockerfile frontend gives them, and others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llbuild.llb import StepName, parse_step_name


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("[build 2/5] RUN make", StepName(text="RUN make", stage="build", number=2, total=5)),
        ("[2/5] RUN make", StepName(text="RUN make", number=2, total=5)),
        ("[build  2/15] RUN make", StepName(text="RUN make", stage="build", number=2, total=15)),
        (
            "[linux/arm64 build 1/2] FROM busybox",
            StepName(text="FROM busybox", stage="linux/arm64 build", number=1, total=2),
        ),
        ("[a 1/2] RUN <<EOF\n[b 2/2]\nEOF", StepName(text="RUN <<EOF\n[b 2/2]\nEOF", stage="a", number=1, total=2)),
        ("[internal] load build context", StepName(text="load build context")),
        ("[context other] load from client", StepName(text="[context other] load from client")),
        ("copy /a /b", StepName(text="copy /a /b")),
        ("", StepName(text="")),
        ("[1/2]", StepName(text="", number=1, total=2)),
    ],
)
def test_a_name_is_taken_apart(name: str, want: StepName) -> None:
    assert parse_step_name(name) == want


@settings(max_examples=50)
@given(st.text())
def test_any_text_is_a_name(name: str) -> None:
    assert name.endswith(parse_step_name(name).text)
