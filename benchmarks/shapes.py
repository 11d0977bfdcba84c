"""Dockerfiles to compile: a usual one, and large ones that each lean on another part of the compiler."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["SHAPES"]

USUAL = """\
# syntax=docker/dockerfile:1
ARG GO=1.22
FROM --platform=$BUILDPLATFORM golang:${GO}-alpine AS base
ARG TARGETOS
ARG TARGETARCH
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH
WORKDIR /src
RUN apk add --no-cache git make \\
    bash curl
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download

FROM base AS build
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod \\
    --mount=type=cache,target=/root/.cache/go-build \\
    go build -o /out/app ./cmd/app

FROM base AS test
COPY . .
RUN go test ./...

FROM node:20 AS web
WORKDIR /web
COPY web/package.json web/package-lock.json ./
RUN npm ci
COPY web/ .
RUN npm run build

FROM alpine:3.20
LABEL org.opencontainers.image.title="app" org.opencontainers.image.version="1"
RUN addgroup -S app && adduser -S app -G app
COPY --from=build --chown=app:app /out/app /usr/bin/app
COPY --from=web /web/dist /srv
ENV PORT=8080
EXPOSE 8080/tcp
USER app
HEALTHCHECK --interval=30s CMD wget -q http://localhost:$PORT/ || exit 1
ENTRYPOINT ["/usr/bin/app"]
CMD ["serve"]
"""
STAGES = 500
INSTRUCTIONS = 5000


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _stage(number: int) -> list[str]:
    """Nine instructions of a stage, its FROM left out."""
    return [
        *(f"ENV TOOL=/opt/{number} HOME_{number}=$TOOL", f"ARG LEVEL_{number}=2", f"WORKDIR /work/{number}"),
        *(f"COPY part{number}/ .", f"RUN make -j {number}", f"RUN make check {number} \\\n  && make install"),
        *(f'LABEL part.{number}="$TOOL"', "USER builder", f"EXPOSE {1000 + number}"),
    ]


def chain() -> str:
    """Every stage is built on the one before it, variables pile up."""
    bases = ["base", *(f"s{number}" for number in range(STAGES - 1))]
    stages = ([f"FROM {base} AS s{number}", *_stage(number)] for number, base in enumerate(bases))
    return _text(line for stage in stages for line in stage)


def star() -> str:
    """Stages on one base, and a last one that copies from each of them."""
    stages = ([f"FROM root AS s{number}", *_stage(number)[:8]] for number in range(STAGES - 2))
    copies = [f"COPY --from=s{number} /work/{number} /all/{number}" for number in range(STAGES - 2)]
    return _text(["FROM base AS root", *(line for stage in stages for line in stage), "FROM base", *copies])


def copies() -> str:
    """Every stage copies from nine earlier ones, the one before it among them."""
    lines = []
    for number in range(STAGES):
        lines += [f"FROM base AS s{number}"]
        lines += [f"COPY --from=s{number * step // 9} /out /in/{step}" for step in range(9)] if number else ["RUN make"]
        lines += [f"COPY --from=s{number - 1} /out /in/last"] if number else []
    return _text(lines)


def runs() -> str:
    return _text(["FROM base", *(f"RUN step {number}" for number in range(INSTRUCTIONS - 1))])


def metadata() -> str:
    """ENV and LABEL in turns, and nothing to execute."""
    return _text(
        ["FROM base", *(f"{('ENV', 'LABEL')[number % 2]} KEY_{number}=value" for number in range(INSTRUCTIONS - 1))]
    )


def env() -> str:
    """A new variable before every process: what the graph holds grows with the square of it."""
    pairs = (f"ENV KEY_{number}=value\nRUN step {number}" for number in range(INSTRUCTIONS // 2))
    return _text(["FROM base", *pairs])


def arg() -> str:
    """The same with ARG, which stands in every history entry too."""
    pairs = (f"ARG KEY_{number}=value\nRUN step {number}" for number in range(INSTRUCTIONS // 2))
    return _text(["FROM base", *pairs])


def words() -> str:
    """Expansion with every kind of operator."""
    pair = 'ENV A=${D:-xy}z"${E-w}" B="a b ${A%%y*}" C=${A/x/$A}\\ z\nLABEL a.$A="$B${C##*z}" b=${A//x/yy}'
    return _text(["FROM base", *[pair] * (INSTRUCTIONS // 2)])


def mounts() -> str:
    lines = (
        f"RUN --mount=type=cache,target=/cache/{number} --mount=from=tools,target=/tools step {number}"
        for number in range(INSTRUCTIONS - 2)
    )
    return _text(["FROM base AS tools", "FROM base", *lines])


SHAPES: dict[str, Callable[[], str]] = {
    "usual": lambda: USUAL,
    **{make.__name__: make for make in (chain, star, copies, runs, metadata, env, arg, words, mounts)},
}
