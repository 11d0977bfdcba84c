"""Values: what `@frozen` promises, and that it promises what dataclasses do."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llbuild.values import frozen, replace, value_fields


@frozen
class Point:
    """Somewhere."""

    x: int
    y: int = 0


@frozen(kw_only=False)
class Pair:
    first: str
    second: tuple[int, ...] = ()


@frozen
class Named(Point):
    name: str = ""

    def shown(self) -> str:
        return f"{self.name}@{self.x}"


@frozen
class Positive:
    number: int

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(self.number)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PointData:
    x: int
    y: int = 0


def test_fields_have_defaults_and_can_be_read() -> None:
    assert (Point(x=1).x, Point(x=1).y) == (1, 0)
    assert Pair("a", (1,)).second == (1,)
    assert Pair("a", second=(2,)).second == (2,)


def test_a_value_never_changes() -> None:
    point = Point(x=1)
    with pytest.raises(AttributeError, match="Point.x cannot be changed"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del point.x
    with pytest.raises(AttributeError):
        point.z = 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("make", "want"),
    [
        (Point, "lacks x"),
        (lambda: Point(x=1, z=2), "has no field z"),  # type: ignore[call-arg]
        (lambda: Point(1), "takes 0 values by position"),  # type: ignore[call-arg]
        (lambda: Pair("a", (), 3), "takes 2 values by position"),  # type: ignore[call-arg]
        (lambda: Pair("a", first="b"), "first twice"),  # type: ignore[misc]
        (lambda: replace(Point(x=1), z=1), "has no field z"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(make, want: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError, match=want):
        make()


def test_equality_is_by_class_and_fields() -> None:
    assert Point(x=1) == Point(x=1, y=0)
    assert Point(x=1) != Point(x=2)
    assert Point(x=1) != Named(x=1)
    assert Pair("a") != ("a", ())  # type: ignore[comparison-overlap]
    assert len({Point(x=1), Point(x=1), Point(x=2)}) == 2


def test_fields_are_inherited_and_come_first() -> None:
    assert [field.name for field in value_fields(Named)] == ["x", "y", "name"]
    assert Named(x=1, name="n").shown() == "n@1"


def test_post_init_may_refuse() -> None:
    with pytest.raises(ValueError, match="0"):
        Positive(number=0)
    with pytest.raises(ValueError, match="-1"):
        replace(Positive(number=1), number=-1)


def test_repr_shows_what_is_not_default() -> None:
    assert repr(Point(x=1)) == "Point(x=1)"
    assert repr(Named(x=1, y=2, name="n")) == "Named(x=1, y=2, name='n')"


def test_patterns_match_by_attribute() -> None:
    match Pair("a", (1,)):
        case Pair(first, second=(number,)):
            assert (first, number) == ("a", 1)
        case _:
            pytest.fail("no match")


@given(st.integers(), st.integers(), st.integers(), st.integers())
def test_it_agrees_with_dataclasses(a: int, b: int, c: int, d: int) -> None:
    assert (Point(x=a, y=b) == Point(x=c, y=d)) == (PointData(x=a, y=b) == PointData(x=c, y=d))
    assert (hash(Point(x=a, y=b)) == hash(Point(x=c, y=d))) == (hash((a, b)) == hash((c, d)))
    changed, expected = replace(Point(x=a, y=b), y=d), dataclasses.replace(PointData(x=a, y=b), y=d)
    assert (changed.x, changed.y) == (expected.x, expected.y)


def test_of_many_instances_the_last_is_made_as_the_first() -> None:
    """After a hundred a class gets another initialiser, which is faster."""

    @frozen
    class Base:
        x: int
        y: int = 0

    @frozen
    class Many(Base):
        name: str = ""
        seen: tuple[int, ...] = ()

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError(self.x)

    @frozen(kw_only=False)
    class Place:
        line: int
        column: int = 1

    @frozen
    class Nothing:
        pass

    made = [Many(x=number % 2, name="n") for number in range(300)]
    assert len(set(made)) == 2
    assert made[0] == made[-2] != made[-1]
    assert (made[-1].x, made[-1].y, made[-1].name, made[-1].seen) == (1, 0, "n", ())
    assert replace(made[-1], y=3) == Many(y=3, x=1, name="n")
    assert [Base(x=number) for number in range(300)][-1] == Base(x=299, y=0)
    assert {Place(1), *(Place(1, column=1) for _ in range(300)), Place(column=1, line=1)} == {Place(1, 1)}
    assert len({Nothing() for _ in range(300)}) == 1
    with pytest.raises(ValueError, match="-1"):
        Many(x=-1)
    for wrong, want in (
        (Many, r"Many.__init__\(\) missing .*'x'"),
        (lambda: Many(x=1, z=2), "unexpected keyword argument 'z'"),  # type: ignore[call-arg]
        (lambda: Many(1), "takes 1 positional"),  # type: ignore[call-arg]
        (lambda: Place(1, 2, 3), "takes from 2 to 3 positional"),  # type: ignore[call-arg]
    ):
        with pytest.raises(TypeError, match=want):
            wrong()  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="cannot be changed"):
        made[-1].x = 2  # type: ignore[misc]
