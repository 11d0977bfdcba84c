"""SLSA provenance v1 said in the words of v0.2. Spec: https://slsa.dev/spec/v0.2/provenance; fields are BuildKit's."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["as_slsa02"]

BUILD_TYPE: Final = "https://mobyproject.org/buildkit@v1"


def as_slsa02(document: dict[str, Any]) -> dict[str, Any]:
    """`document`: a v1 predicate of `make_provenance`."""
    definition, details = document["buildDefinition"], document["runDetails"]
    external, internal, told = definition["externalParameters"], definition["internalParameters"], details["metadata"]
    source = {("entryPoint" if key == "path" else key): value for key, value in external["configSource"].items()}
    complete = told["buildkit_completeness"]
    converted = {
        "builder": {"id": details["builder"]["id"]},
        "buildType": BUILD_TYPE,
        "materials": definition["resolvedDependencies"],
        "invocation": {
            "configSource": source,
            "parameters": external["request"],
            "environment": {"platform": internal["builderPlatform"]},
        },
        "metadata": {
            "buildInvocationID": told["invocationId"],
            "buildStartedOn": told["startedOn"],
            "buildFinishedOn": told["finishedOn"],
            "completeness": {
                "parameters": complete["request"],
                "environment": True,
                "materials": complete["resolvedDependencies"],
            },
            "reproducible": told["buildkit_reproducible"],
            f"{BUILD_TYPE}#hermetic": told["buildkit_hermetic"],
            f"{BUILD_TYPE}#metadata": told["buildkit_metadata"],
        },
    }
    if "buildConfig" in internal:
        converted["buildConfig"] = internal["buildConfig"]
    return converted
