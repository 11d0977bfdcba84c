"""`@frozen`: frozen, slotted, keyword-only classes, as `@dataclass(frozen=True, slots=True, kw_only=True)` makes them.

Why not dataclasses: they write source code for every class and compile it, at every start of the
program, 0.5 ms a class; with the ~120 values a cached build touches (and `inspect`, `ast`, `tokenize`
behind the library) that is 60 ms, more than all the rest of such a build together. Here the methods are
shared closures over the field names, and only a class that has a hundred instances gets an initialiser of its own
source after all. Type checkers see ordinary dataclasses (PEP 681).
"""

# No `from __future__ import annotations`: see worker/snapshot/rows.py.
from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar, dataclass_transform, overload

__all__ = ["MISSING", "ValueField", "frozen", "replace", "value_fields"]

_FEW = 100  # instances that take as long as writing an initialiser does

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
    """The fields of a value class, in order: inherited ones first."""
    fields: tuple[ValueField, ...] | None = cls.__value_fields__
    if fields is None:
        made = _value_class(cls)
        defaults, annotations = made.__value_defaults__, made.__annotations__
        own = (ValueField(name, defaults.get(name, MISSING), annotations[name]) for name in made.__slots__)
        fields = made.__value_fields__ = (*_inherited(made), *own)
    return fields


def replace(instance: _T, /, **changes: Any) -> _T:
    """A copy of a value with some fields changed. Raises TypeError for a field it does not have."""
    cls: Any = type(instance)
    given = {field.name: getattr(instance, field.name) for field in value_fields(cls)}
    unknown = changes.keys() - given.keys()
    if unknown:
        raise TypeError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}")
    made: _T = cls(**(given | changes))
    return made


def _make(cls: type[Any], *, kw_only: bool) -> type[Any]:
    """The class once more, with slots. What its methods need is found out when the first of them is called.

    Most classes that a command imports make no instance in it, and setting an attribute of a class that exists is dear.
    """
    body = dict(cls.__dict__)
    own = [
        name for name, annotation in body.get("__annotations__", {}).items() if not annotation.startswith("ClassVar")
    ]
    for unwanted in ("__dict__", "__weakref__"):
        body.pop(unwanted, None)
    body["__value_defaults__"] = {name: body.pop(name) for name in own if name in body}
    body["__value_fields__"] = None  # not asked for yet: `value_fields`
    body["__qualname__"] = cls.__qualname__
    body["__slots__"] = tuple(own)
    body["__setattr__"] = _refuse
    body["__delattr__"] = _refuse
    body.setdefault("__repr__", _repr)
    body["__init__"] = _first_init
    body.setdefault("__eq__", _first_eq)
    if body.get("__hash__") is None:
        body["__hash__"] = _first_hash
    body["__match_args__"] = () if kw_only else tuple(field.name for field in _inherited(cls)) + tuple(own)
    return type(cls)(cls.__name__, cls.__bases__, body)  # type: ignore[no-any-return,misc]  # the metaclass makes it


def _inherited(cls: type[Any]) -> tuple[ValueField, ...]:
    above = next((base for base in cls.__mro__[1:] if "__value_fields__" in base.__dict__), None)
    return value_fields(above) if above else ()


def _value_class(cls: type[Any]) -> Any:
    """The class that `frozen` made: `cls` or the nearest above it."""
    return next(base for base in cls.__mro__ if "__value_fields__" in base.__dict__)


def _first_init(self: Any, *args: Any, **given: Any) -> None:
    cls = _value_class(type(self))
    cls.__init__ = _initialiser(cls, value_fields(cls), positional=bool(cls.__match_args__))
    cls.__init__(self, *args, **given)


def _first_eq(self: Any, other: object) -> Any:
    cls = _value_class(type(self))
    cls.__eq__ = _equality(_key(cls))
    return cls.__eq__(self, other)


def _first_hash(self: Any) -> int:
    cls = _value_class(type(self))
    cls.__hash__ = _hashing(_key(cls))
    return hash(self)


def _key(cls: type[Any]) -> Callable[[Any], Any]:
    names = [field.name for field in value_fields(cls)]
    return attrgetter(*names) if names else _no_key


def _initialiser(cls: Any, fields: tuple[ValueField, ...], *, positional: bool) -> Callable[..., None]:
    """The one for the first instances: costs nothing to make. After a few it gives way to a written one."""
    plan = tuple((field.name, getattr(cls, field.name).__set__, field.default) for field in fields)
    names = frozenset(field.name for field in fields)
    order = tuple(field.name for field in fields) if positional else ()
    after = getattr(cls, "__post_init__", None)
    left_to_make = _FEW

    def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807  becomes a method
        nonlocal left_to_make
        left_to_make -= 1
        if left_to_make == 0 and cls.__init__ is __init__:
            cls.__init__ = _written_initialiser(plan, after, positional=positional)
            cls.__init__.__qualname__ = f"{cls.__qualname__}.__init__"  # what errors call it
        if args:
            _name(cls, args, given, order)
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


def _written_initialiser(
    plan: tuple[tuple[str, Callable[[Any, Any], None], Any], ...],
    after: Callable[[Any], None] | None,
    *,
    positional: bool,
) -> Any:
    """The same as source with the fields' names in it, as dataclasses do it: a third of the time per instance."""
    known: dict[str, Any] = {"_after": after}
    parameters = ["self"] if positional or not plan else ["self", "*"]
    lines = []
    for name, put, default in plan:
        known[f"_put_{name}"], known[f"_default_{name}"] = put, default
        parameters.append(name if default is MISSING else f"{name}=_default_{name}")
        lines.append(f" _put_{name}(self, {name})")
    if after is not None or not plan:
        lines.append(" _after(self)" if after is not None else " pass")
    exec("\n".join((f"def __init__({', '.join(parameters)}):", *lines)), known)  # noqa: S102  names of fields alone
    return known["__init__"]


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
        for field in value_fields(type(self))
        if (item := getattr(self, field.name)) is not field.default and item != field.default
    )
    return f"{type(self).__qualname__}({', '.join(said)})"
