"""`@frozen`: frozen, slotted, keyword-only classes, as `@dataclass(frozen=True, slots=True, kw_only=True)` makes them.

Why not dataclasses: they write source code for every class and compile it, at every start of the
program, 0.5 ms a class; with the ~120 values a cached build touches (and `inspect`, `ast`, `tokenize`
behind the library) that is 60 ms, more than all the rest of such a build together. Here the methods are
shared closures over the field names. Type checkers see ordinary dataclasses (PEP 681).
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, dataclass_transform, overload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MISSING", "ValueField", "frozen", "replace", "value_fields"]

_T = TypeVar("_T")


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


class ValueField(NamedTuple):
    """One field: its name, its default (MISSING: required) and its annotation as text."""

    name: str
    default: Any
    annotation: str


@overload
def frozen(cls: type[_T], /) -> type[_T]: ...
@overload
def frozen(*, kw_only: bool) -> Callable[[type[_T]], type[_T]]: ...
@dataclass_transform(frozen_default=True, kw_only_default=True)
def frozen(cls: Any = None, /, *, kw_only: bool = True) -> Any:
    """Make a class a value: equal and hashed by its fields, never changed.

    `kw_only=False`: fields may be given by position. Fields are the class's own annotations; a default
    must be immutable. `__post_init__` is called where there is one.
    """
    if cls is None:
        return lambda found: _make(found, kw_only=kw_only)
    return _make(cls, kw_only=kw_only)


def value_fields(cls: type[Any]) -> tuple[ValueField, ...]:
    """The fields of a value class, in order."""
    fields: tuple[ValueField, ...] = cls.__value_fields__
    return fields


def replace(instance: _T, /, **changes: Any) -> _T:
    """A copy of a value with some fields changed. Raises TypeError for a field it does not have."""
    cls: Any = type(instance)
    given = {field.name: getattr(instance, field.name) for field in cls.__value_fields__}
    unknown = changes.keys() - given.keys()
    if unknown:
        raise TypeError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}")
    made: _T = cls(**(given | changes))
    return made


def _make(cls: type[Any], *, kw_only: bool) -> type[Any]:
    body = dict(cls.__dict__)
    own = tuple(
        ValueField(name, body.pop(name, MISSING), annotation)
        for name, annotation in body.get("__annotations__", {}).items()
        if not annotation.startswith("ClassVar")
    )
    fields = _inherited(cls) + own
    names = tuple(field.name for field in fields)
    for unwanted in ("__dict__", "__weakref__"):
        body.pop(unwanted, None)
    body["__slots__"] = tuple(field.name for field in own)
    body["__value_fields__"] = fields
    body["__match_args__"] = () if kw_only else names
    body["__setattr__"] = _refuse
    body["__delattr__"] = _refuse
    body.setdefault("__repr__", _repr)
    made: Any = type(cls)(cls.__name__, cls.__bases__, body)  # type: ignore[misc]  # the metaclass makes the class
    made.__qualname__ = cls.__qualname__
    made.__init__ = _initialiser(made, fields, positional=not kw_only)
    key = attrgetter(*names) if names else _no_key
    if "__eq__" not in body:
        made.__eq__ = _equality(key)
    if body.get("__hash__") is None:
        made.__hash__ = _hashing(key)
    return made  # type: ignore[no-any-return]  # a class made of a class


def _inherited(cls: type[Any]) -> tuple[ValueField, ...]:
    return next((base.__value_fields__ for base in cls.__mro__[1:] if hasattr(base, "__value_fields__")), ())


def _initialiser(cls: Any, fields: tuple[ValueField, ...], *, positional: bool) -> Callable[..., None]:
    plan = tuple((field.name, getattr(cls, field.name).__set__, field.default) for field in fields)
    puts = tuple(put for _, put, _ in plan)
    names = frozenset(field.name for field in fields)
    order = tuple(field.name for field in fields)
    after = getattr(cls, "__post_init__", None)

    def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807  becomes a method
        if args:
            if positional and len(args) == len(order) and not given and after is None:  # places come by the thousand
                for put, item in zip(puts, args, strict=True):
                    put(self, item)
                return
            _name(cls, args, given, order if positional else ())
        left = len(given)
        for name, put, default in plan:
            if name in given:
                left -= 1
                put(self, given[name])
            elif default is MISSING:
                raise TypeError(f"{cls.__name__} lacks {name}")
            else:
                put(self, default)
        if left:
            raise TypeError(f"{cls.__name__} has no field {', '.join(sorted(given.keys() - names))}")
        if after is not None:
            after(self)

    return __init__


def _name(cls: Any, args: tuple[Any, ...], given: dict[str, Any], order: tuple[str, ...]) -> None:
    """Put what came by position under its name. Raises TypeError: too many, or given by name too."""
    if len(args) > len(order):
        raise TypeError(f"{cls.__name__} takes {len(order)} values by position")
    for name, item in zip(order, args, strict=False):
        if name in given:
            raise TypeError(f"{cls.__name__} got {name} twice")
        given[name] = item


def _equality(key: Callable[[Any], Any]) -> Callable[[Any, object], bool]:
    def __eq__(self: Any, other: object) -> bool:  # noqa: N807
        if self is other:
            return True
        if other.__class__ is not self.__class__:
            return NotImplemented
        return bool(key(self) == key(other))

    return __eq__


def _hashing(key: Callable[[Any], Any]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(key(self))

    return __hash__


def _no_key(instance: object) -> tuple[()]:
    del instance
    return ()


def _refuse(self: object, name: str, *_: object) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} cannot be changed: it is a value")


def _repr(self: Any) -> str:
    """Only what differs from the defaults: values with twenty fields are read in test failures."""
    said = (
        f"{field.name}={item!r}"
        for field in type(self).__value_fields__
        if (item := getattr(self, field.name)) is not field.default and item != field.default
    )
    return f"{type(self).__qualname__}({', '.join(said)})"
