from __future__ import annotations

from llbuild.cli.tables import render_table


def test_columns_stand_under_their_headings() -> None:
    assert (
        render_table(("NAME", "SIZE", "COMMENT"), [("a", "1.05MB", ""), ("registry.example/文字", "0B", "two\nlines")])
        == """\
NAME                    SIZE      COMMENT
a                       1.05MB
registry.example/文字   0B        two lines
"""
    )


def test_an_empty_table_is_its_headings() -> None:
    assert render_table(("NAME", "SIZE"), []) == "NAME      SIZE\n"
