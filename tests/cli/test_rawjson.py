from __future__ import annotations

import io
import json

from llbuild.cli.progress.rawjson import RawJsonDisplay, rfc3339
from llbuild.solver import VertexUsage
from llbuild.tests.cli.recorded import T0, cached, completed, digest, log, queued, started, transfer


def test_each_event_is_one_solve_status() -> None:
    stream = io.StringIO()
    display = RawJsonDisplay(stream)
    events = [
        queued("a", "FROM busybox"),
        cached("a", 0.5),
        queued("b", "RUN make", "a"),
        started("b", 1),
        log("b", 1.25, b"\xffhi\n", stream=2),
        transfer("b", 1.5, "layer", 5, 10),
        transfer("b", 1.75, "layer", 10, 0, done=True),
        VertexUsage(digest("b"), 0.5, 0.25, 4096, 512, 1024, T0 + 2),
        completed("b", 2, "boom"),
    ]
    for event in events:
        display.display(event)
    display.close()
    a, b = digest("a"), digest("b")
    half, one = "2023-11-14T22:13:20.5Z", "2023-11-14T22:13:21Z"
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"vertexes": [{"digest": a, "name": "FROM busybox"}]},
        {"vertexes": [{"digest": a, "name": "FROM busybox", "started": half, "completed": half, "cached": True}]},
        {"vertexes": [{"digest": b, "inputs": [a], "name": "RUN make"}]},
        {"vertexes": [{"digest": b, "inputs": [a], "name": "RUN make", "started": one}]},
        {"logs": [{"vertex": b, "stream": 2, "data": "/2hpCg==", "timestamp": "2023-11-14T22:13:21.25Z"}]},
        {
            "statuses": [
                {
                    "id": "layer",
                    "vertex": b,
                    "total": 10,
                    "current": 5,
                    "timestamp": "2023-11-14T22:13:21.5Z",
                    "started": "2023-11-14T22:13:21.5Z",
                }
            ]
        },
        {
            "statuses": [
                {
                    "id": "layer",
                    "vertex": b,
                    "current": 10,
                    "timestamp": "2023-11-14T22:13:21.75Z",
                    "started": "2023-11-14T22:13:21.5Z",
                    "completed": "2023-11-14T22:13:21.75Z",
                }
            ]
        },
        {
            "vertexes": [
                {
                    "digest": b,
                    "inputs": [a],
                    "name": "RUN make",
                    "started": one,
                    "completed": "2023-11-14T22:13:22Z",
                    "error": "boom",
                    "usage": {
                        "userSeconds": 0.5,
                        "systemSeconds": 0.25,
                        "maxRssBytes": 4096,
                        "readBytes": 512,
                        "writtenBytes": 1024,
                    },
                }
            ]
        },
    ]


def test_times_have_no_trailing_zeros() -> None:
    assert rfc3339(T0) == "2023-11-14T22:13:20Z"
    assert rfc3339(T0 + 0.120) == "2023-11-14T22:13:20.12Z"
    assert rfc3339(0) == "1970-01-01T00:00:00Z"
