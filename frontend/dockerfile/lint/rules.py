"""The rules: what each is about, and what it says where it fires.

Names and meaning are BuildKit's (frontend/dockerfile/linter/ruleset.go); the words are ours. Imported when the first
rule fires.
"""

from __future__ import annotations

from ....values import frozen

__all__ = ["RULES", "Rule"]

_PAGES = "docs/rules"  # of this repository


@frozen
class Rule:
    """`text` is a format for the details that the check gives."""

    name: str
    description: str
    text: str
    experimental: bool = False  # only where asked for

    @property
    def page(self) -> str:
        """What to read about it."""
        return f"{_PAGES}/{self.name}.md"


_ALL = (
    Rule(
        name="StageNameCasing",
        description="Stage names are written in lower case",
        text="stage name '{0}' has capitals; write it in lower case",
    ),
    Rule(
        name="FromAsCasing",
        description="FROM and AS are written in the same case",
        text="'{1}' is not written in the case of '{0}'",
    ),
    Rule(
        name="NoEmptyContinuation",
        description="A continued instruction has no empty lines in it; they will become errors",
        text="an empty line inside a continued instruction",
    ),
    Rule(
        name="ConsistentInstructionCasing",
        description="All instructions of a file are written in the same case, upper or lower",
        text="'{0}' should be in {1} case, as most instructions here are",
    ),
    Rule(
        name="DuplicateStageName",
        description="Every stage has a name of its own",
        text="an earlier stage is called '{0}' too",
    ),
    Rule(
        name="ReservedStageName",
        description="The words scratch and context do not name stages",
        text="'{0}' is a reserved word; give the stage another name",
    ),
    Rule(
        name="JSONArgsRecommended",
        description="CMD and ENTRYPOINT are JSON arrays, so that no shell stands between the program and its signals",
        text="{0} in shell form: the shell gets the signals, not the program; write a JSON array",
    ),
    Rule(
        name="MaintainerDeprecated",
        description="MAINTAINER is deprecated in favour of a label",
        text="MAINTAINER is deprecated; write LABEL org.opencontainers.image.authors=…",
    ),
    Rule(
        name="UndefinedArgInFrom",
        description="FROM uses only arguments that are declared before the first FROM",
        text="FROM uses the argument '{0}', which is not declared{1}",
    ),
    Rule(
        name="WorkdirRelativePath",
        description="The first WORKDIR is absolute, so that it does not depend on the base image",
        text="the relative WORKDIR '{0}' depends on the base image's working directory",
    ),
    Rule(
        name="UndefinedVar",
        description="Variables are defined before they are used",
        text="the variable '${0}' is not defined{1}",
    ),
    Rule(
        name="MultipleInstructionsDisallowed",
        description="A stage has at most one CMD, ENTRYPOINT and HEALTHCHECK",
        text="this {0} has no effect: a later one in the same stage replaces it",
    ),
    Rule(
        name="LegacyKeyValueFormat",
        description="Key and value are joined by '='",
        text="'{0} key value' is the old form; write '{0} key=value'",
    ),
    Rule(
        name="InvalidBaseImagePlatform",
        description="The base image is made for the platform that is built",
        text="the base image {0} is for {1}, but this build is for {2}",
    ),
    Rule(
        name="RedundantTargetPlatform",
        description="FROM builds for the target platform without being told",
        text="--platform={0} is what FROM does anyway",
    ),
    Rule(
        name="SecretsUsedInArgOrEnv",
        description="Secrets do not go into ARG or ENV, which stay in the image",
        text="{0} '{1}' looks like a secret, and would stay in the image",
    ),
    Rule(
        name="InvalidDefaultArgInFrom",
        description="The defaults of global arguments make valid base images",
        text="with the arguments' default values, '{0}' is no valid base image",
    ),
    Rule(
        name="FromPlatformFlagConstDisallowed",
        description="FROM --platform is not a constant",
        text="--platform={0} is a constant: the stage cannot follow the platform that is built",
    ),
    Rule(
        name="CopyIgnoredFile",
        description="COPY and ADD name no files that .dockerignore excludes",
        text="{0} of '{1}', which .dockerignore excludes",
    ),
    Rule(
        name="InvalidDefinitionDescription",
        description=(
            "A comment above FROM or ARG begins with the name it describes;"
            " an empty comment line sets other comments apart"
        ),
        text="the comment above this {0} does not begin with its name: expected '# {1} …'",
        experimental=True,
    ),
    Rule(
        name="ExposeProtoCasing",
        description="Protocols in EXPOSE are written in lower case",
        text="the protocol in '{0}' should be in lower case",
    ),
    Rule(
        name="ExposeInvalidFormat",
        description="EXPOSE names no addresses or ports of the host; they will become errors",
        text="'{0}' names an address or port of the host, which EXPOSE does not publish",
    ),
)
RULES = {rule.name: rule for rule in _ALL}
