"""`--call METHOD`: ask about a build file instead of building it. BuildKit's subrequests."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import FrontendError, LlbuildError, UsageError
from ..values import frozen
from .compiling import ask_frontend, whole_input
from .job import BuildView
from .parser import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ..frontend import Lookup, Request
    from .compile_options import CompileOptions
    from .parser import GlobalOptions
    from .request import BuildInput
    from .stub_images import StubImages

    _Answer = TypeVar("_Answer")

__all__ = ["FORMS", "Call", "conduct_call", "parse_call"]

FORMS = ("plain", "json", "github")
_METHODS = {  # what can be asked -> what it is called here, and which forms the answer has
    "check": ("check", FORMS),
    "lint": ("check", FORMS),
    "outline": ("outline", ("plain", "json")),
    "targets": ("targets", ("plain", "json")),
    "convert-llb": ("convert-llb", ("json",)),
    "convertllb": ("convert-llb", ("json",)),
}


@frozen
class Call:
    """What is asked, and how the answer is printed."""

    method: str
    form: str = "plain"
    strict: bool = False  # findings make the command fail


def parse_call(text: str) -> Call | None:
    """`METHOD[,format=FORM][,strict]`; None for `build`, which asks nothing. Raises UsageError."""
    name, *settings = text.split(",")
    if name == "build" and not settings:
        return None
    if name not in _METHODS:
        known = ["build", *_METHODS]
        raise UsageError(f"--call {name!r}: unknown method{suggestion(name, known)}", hint=f"there are {_list(known)}")
    method, forms = _METHODS[name]
    form, strict = forms[0], False
    for setting in settings:
        key, _, value = setting.partition("=")
        if key == "format":
            form = "plain" if value == "text" else value  # docker's word
            if form not in forms:
                raise UsageError(f"--call {text}: {name} has no format {value!r}", hint=f"there are {_list(forms)}")
        elif setting in {"strict", "strict=true", "strict=false"}:
            strict = value != "false"
        else:
            raise UsageError(f"--call {text}: unknown setting {setting!r}", hint="there are format=FORM and strict")
    return Call(method=method, form=form, strict=strict)


def _list(words: list[str] | tuple[str, ...]) -> str:
    return ", ".join(words)


def conduct_call(call: Call, options: CompileOptions, globals_: GlobalOptions, stub: StubImages | None = None) -> int:
    """Ask and print. Returns the exit code: 1 for a build file that is wrong, or has findings that are to count."""
    view = BuildView()
    try:
        return _Conversation(options, globals_, stub, view).answer(call)
    except UsageError:
        raise
    except LlbuildError as error:
        from .failure import report_failure

        report_failure(error, view, debug=globals_.debug)
        return 1


class _Conversation:
    """One question about one build file."""

    def __init__(
        self, options: CompileOptions, globals_: GlobalOptions, stub: StubImages | None, view: BuildView
    ) -> None:
        self.globals = globals_
        self.stub = stub
        self.view = view
        self.given: BuildInput = whole_input(options, stub, view)

    def answer(self, call: Call) -> int:
        match call.method:
            case "check":
                return self._check(call)
            case "outline":
                self._outline(call)
            case "targets":
                self._targets(call)
            case _:
                self._convert()
        return 0

    def _ask(self, ask: Callable[[Request, Lookup], _Answer] | None, what: str) -> _Answer:
        if ask is None:
            raise FrontendError(f"the frontend {self.given.frontend.name!r} cannot be asked for {what}")
        if self.stub is not None:
            return ask_frontend(ask, self.given, self.stub, self.view)
        from .state import open_state

        return ask_frontend(ask, self.given, open_state(self.globals.root), self.view, self.globals.config)

    @property
    def _build_file(self) -> tuple[str, bytes]:
        """It is the first that a frontend reads."""
        return next(iter(self.view.files.items()))

    def _check(self, call: Call) -> int:
        from .findings import findings_github, findings_json, findings_plain

        result = self._ask(self.given.frontend.lint, "lint")
        match call.form:
            case "json":
                text = findings_json(result, *self._build_file)
            case "github":
                text = findings_github(result, self.given.folders.get("dockerfile", ""))
            case _:
                text = findings_plain(result, self.view.sources)
        sys.stdout.write(text)
        if result.error is not None and call.form == "plain":
            from .failure import report_failure

            sys.stdout.flush()
            report_failure(result.error, self.view, debug=self.globals.debug)
        return int(result.error is not None or (call.strict and bool(result.warnings)))

    def _outline(self, call: Call) -> None:
        from .outlines import outline_json, outline_plain

        outline = self._ask(self.given.frontend.outline, "an outline")
        text = outline_json(outline, self._build_file[1]) if call.form == "json" else outline_plain(outline)
        sys.stdout.write(text)

    def _targets(self, call: Call) -> None:
        from .outlines import targets_json, targets_plain

        targets = self._ask(self.given.frontend.targets, "targets")
        text = targets_json(targets, self._build_file[1]) if call.form == "json" else targets_plain(targets)
        sys.stdout.write(text)

    def _convert(self) -> None:
        import json

        from ..proto import converted_definition
        from .report import render_warnings

        compiled = self._ask(self.given.frontend.compile, "a definition")
        if len(compiled.results) > 1:
            raise UsageError("--call convert-llb prints one definition; ask for one --platform at a time")
        document = converted_definition(compiled.results[0].definition)
        # Sorted as in Go's JSON: protobuf's maps have no order of their own.
        sys.stdout.write(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        sys.stderr.write(render_warnings(compiled.warnings, self.view.sources))
