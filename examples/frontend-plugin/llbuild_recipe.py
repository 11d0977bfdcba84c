"""A build language of one's own: a base image on the first line, a shell command on every other."""

from llbuild.errors import FrontendError
from llbuild.frontend import Compiled, CompilingFrontend, Lookup, MoreNeeded, PlatformResult, Request
from llbuild.image import History
from llbuild.llb import image
from llbuild.values import replace


def compile_recipe(request: Request, lookup: Lookup) -> Compiled:
    recipe = lookup.file("dockerfile", request.option("filename") or "recipe.txt")
    if recipe is None:
        raise MoreNeeded
    base_name, *commands = [line for line in recipe.decode().splitlines() if line.strip()] or [""]
    if not base_name:
        raise FrontendError("the recipe is empty: expected a base image on its first line")
    base = lookup.image(base_name, request.platform)
    if base is None:
        raise MoreNeeded
    state = image(base.pinned, platform=request.platform)
    for command in commands:
        state = state.run(command).root
    history = tuple(History(created_by=command, comment="recipe") for command in commands)
    config = replace(base.config, history=base.config.history + history)
    return Compiled(results=(PlatformResult(platform=request.platform, definition=state.marshal(), image=config),))


FRONTEND = CompilingFrontend(name="recipe", compile=compile_recipe)
