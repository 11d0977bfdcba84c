"""Where vertices come from, on the wire and back."""

from __future__ import annotations

from llbuild.llb import Definition, Edge, Metadata, SourceFile, SourceOp, make_vertex
from llbuild.proto import decode_buildkit, encode_buildkit
from llbuild.proto import ops_pb2 as pb
from llbuild.span import Span

VERTEX = make_vertex(SourceOp(identifier="local://context"))
FILE = SourceFile(path="Dockerfile", data=b"FROM scratch\n")


def defined(*spans: Span, sources: tuple[SourceFile, ...] = (FILE,)) -> Definition:
    metadata = ((VERTEX.digest, Metadata(spans=spans)),) if spans else ()
    return Definition(vertices=(VERTEX,), root=Edge(VERTEX.digest), metadata=metadata, sources=sources)


def source_of(definition: Definition) -> pb.Source:
    return pb.Definition.FromString(encode_buildkit(definition)).Source


def test_lines_count_from_one_and_characters_from_zero() -> None:
    source = source_of(defined(Span("Dockerfile", 3, 5, 4, 9)))
    ((location,),) = [found.locations for found in source.locations.values()]
    (place,) = location.ranges
    assert (place.start.line, place.start.character) == (3, 4)
    assert (place.end.line, place.end.character) == (4, 8)
    assert [(info.filename, info.language) for info in source.infos] == [("Dockerfile", "Dockerfile")]


def test_neighbouring_spans_of_a_file_are_ranges_of_one_location() -> None:
    one, two = Span("Dockerfile", 1, 1, 1), Span("Dockerfile", 2, 1, 2)
    other = Span("b", 1, 1, 1)
    sources = (FILE, SourceFile(path="b", data=b""))
    definition = defined(one, two, other, one, sources=sources)
    ((first, second, third),) = [found.locations for found in source_of(definition).locations.values()]
    assert [(item.sourceIndex, len(item.ranges)) for item in (first, second, third)] == [(0, 2), (1, 1), (0, 1)]
    assert decode_buildkit(encode_buildkit(definition)) == definition


def test_a_span_without_a_last_line_ends_where_it_begins() -> None:
    again = decode_buildkit(encode_buildkit(defined(Span("Dockerfile", 7))))
    assert again == defined(Span("Dockerfile", 7, 1, 7))


def test_a_file_that_is_only_spoken_of_comes_without_contents() -> None:
    again = decode_buildkit(encode_buildkit(defined(Span("gone", 1, 1, 1))))
    assert again.sources == (FILE, SourceFile(path="gone", data=b"", language=""))


def test_every_vertex_has_an_entry_and_without_files_there_is_none() -> None:
    assert list(source_of(defined()).locations.values()) == [pb.Locations()]
    assert not pb.Definition.FromString(encode_buildkit(defined(sources=()))).HasField("Source")


def test_two_files_of_one_name_stay_two() -> None:
    message = pb.Definition.FromString(encode_buildkit(defined(Span("Dockerfile", 1, 1, 1))))
    message.Source.infos.add(filename="Dockerfile", data=b"other")
    message.Source.infos.add(filename="Dockerfile", data=FILE.data, language="Dockerfile")
    for found in message.Source.locations.values():
        found.locations.add(sourceIndex=1).ranges.add(start=pb.Position(line=2), end=pb.Position(line=2))
        found.locations.add(sourceIndex=2).ranges.add(start=pb.Position(line=3), end=pb.Position(line=3))
    definition = decode_buildkit(message.SerializeToString())
    assert [file.path for file in definition.sources] == ["Dockerfile", "Dockerfile (1)"]
    ((_, said),) = definition.metadata
    assert [span.path for span in said.spans] == ["Dockerfile", "Dockerfile (1)", "Dockerfile"]
