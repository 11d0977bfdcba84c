from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from llbuild.digest import Digest, sha256_digest
from llbuild.errors import CorruptError, LlbuildError, NotFoundError, SourceError, StoreError
from llbuild.image import Descriptor, MediaType
from llbuild.tests.tools import ROOT
from llbuild.worker.content import ContentStore, StoredBlob, StoredImage
from llbuild.worker.stamps import same_bytes

HELLO = sha256_digest(b"hello")
A = Descriptor(media_type=MediaType.OCI_MANIFEST, digest=sha256_digest(b"a"), size_bytes=1)
B = Descriptor(media_type=MediaType.OCI_MANIFEST, digest=sha256_digest(b"b"), size_bytes=1)


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "root")


def files(store: ContentStore) -> list[str]:
    return sorted(str(path.relative_to(store.folder)) for path in Path(store.folder).rglob("*") if path.is_file())


def test_looking_at_a_store_makes_nothing(store: ContentStore) -> None:
    assert not store.has(HELLO)
    assert store.images() == ()
    assert store.image("x") is None
    assert store.sweep() == 0
    assert not store.remove(HELLO)
    assert not store.remove_image("x")
    assert not Path(store.folder).exists()


def test_a_blob_is_seen_at_its_commit_and_not_before(store: ContentStore) -> None:
    with store.ingest() as blob:
        blob.write(b"hel")
        blob.write(memoryview(b"lo"))
        assert not store.has(HELLO)
        assert blob.commit(HELLO) == StoredBlob(HELLO, 5)
    assert store.has(HELLO)
    assert store.has(HELLO, 5)
    assert not store.has(HELLO, 6)
    assert store.read(HELLO) == b"hello"
    with store.open(HELLO) as file:
        assert file.read() == b"hello"
    assert os.stat(store.path(HELLO)).st_mode & 0o777 == 0o444
    assert files(store) == [f"blobs/sha256/{HELLO.hex}", "oci-layout"]


def test_a_blob_that_is_not_what_was_expected_is_not_kept(store: ContentStore) -> None:
    with store.ingest() as blob, pytest.raises(CorruptError) as caught:
        blob.write(b"hellO")
        blob.commit(HELLO)
    assert (caught.value.expected, caught.value.actual) == (HELLO, sha256_digest(b"hellO"))
    assert files(store) == ["oci-layout"]


def test_a_blob_without_a_commit_is_dropped(store: ContentStore) -> None:
    with pytest.raises(KeyError), store.ingest() as blob:
        blob.write(b"hello")
        raise KeyError
    assert files(store) == ["oci-layout"]


def test_a_writer_that_hashes_itself_is_believed(store: ContentStore) -> None:
    with store.ingest(verify=False) as blob:
        blob.write(b"hello")
        assert blob.commit(HELLO).digest == HELLO


def test_other_algorithms_have_their_own_folder(store: ContentStore) -> None:
    digest = Digest("sha512:" + hashlib.sha512(b"hello").hexdigest())
    with store.ingest(algorithm="sha512") as blob:
        blob.write(b"hello")
        blob.commit(digest)
    assert store.read(digest) == b"hello"


def test_a_small_blob_is_written_once(store: ContentStore) -> None:
    assert store.write(b"hello") == StoredBlob(HELLO, 5)
    inode = os.stat(store.path(HELLO)).st_ino
    store.write(b"hello")
    assert os.stat(store.path(HELLO)).st_ino == inode


def test_a_missing_blob_and_a_changed_one_are_told_apart(store: ContentStore) -> None:
    with pytest.raises(NotFoundError):
        store.read(HELLO)
    with pytest.raises(NotFoundError):
        store.open(HELLO)
    store.write(b"hello")
    os.chmod(store.path(HELLO), 0o644)
    Path(store.path(HELLO)).write_bytes(b"hellO")
    with pytest.raises(CorruptError) as caught:
        store.read(HELLO)
    assert caught.value.expected == HELLO


def test_images_are_kept_by_name(store: ContentStore) -> None:
    store.put_image("docker.io/library/b:1", B)
    store.put_image("docker.io/library/a:1", A)
    assert store.images() == (StoredImage("docker.io/library/a:1", A), StoredImage("docker.io/library/b:1", B))
    store.put_image("docker.io/library/b:1", A)
    assert store.image("docker.io/library/b:1") == A
    assert store.remove_image("docker.io/library/b:1")
    assert [image.name for image in store.images()] == ["docker.io/library/a:1"]


def test_what_a_registry_said_is_no_image_of_the_store(store: ContentStore) -> None:
    store.put_source("docker.io/library/a:1", A)
    assert store.source("docker.io/library/a:1") == A
    assert store.image("docker.io/library/a:1") is None
    assert store.images() == ()


def test_naming_an_image_again_writes_nothing(store: ContentStore) -> None:
    store.put_image("x", A)
    inode = os.stat(f"{store.folder}/index.json").st_ino
    store.put_image("x", A)
    assert os.stat(f"{store.folder}/index.json").st_ino == inode


def test_what_skopeo_put_into_the_store_is_an_image_of_it(store: ContentStore) -> None:
    store.put_image("docker.io/library/a:1", A)
    index = Path(f"{store.folder}/index.json")
    index.write_bytes(index.read_bytes().replace(b'"io.containerd.image.name":"docker.io/library/a:1",', b""))
    assert store.images() == (StoredImage("docker.io/library/a:1", A),)
    assert store.image("docker.io/library/a:1") == A
    store.put_image("docker.io/library/a:1", B)
    assert store.images() == (StoredImage("docker.io/library/a:1", B),)
    assert store.remove_image("docker.io/library/a:1")
    assert store.images() == ()


@pytest.mark.parametrize("torn", [b"", bytes(100)])
def test_an_index_torn_by_a_power_failure_is_an_empty_one(store: ContentStore, torn: bytes) -> None:
    store.put_image("x", A)
    Path(f"{store.folder}/index.json").write_bytes(torn)
    assert store.images() == ()
    store.put_image("y", A)
    assert [image.name for image in store.images()] == ["y"]


def test_a_broken_index_is_one_error(store: ContentStore) -> None:
    store.put_image("x", A)
    Path(f"{store.folder}/index.json").write_bytes(b'{"schemaVersion": 2, "manifests": [{"digest": 1}]}')
    with pytest.raises(SourceError, match=r"index.json: manifests\[0\].digest: expected a string, found a number"):
        store.images()


def test_many_processes_name_images_at_once_and_none_is_lost(store: ContentStore) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from llbuild.digest import sha256_digest; from llbuild.image import Descriptor\n"
        "from llbuild.worker.content import ContentStore\n"
        "for number in range(20):\n"
        "    name = f'{sys.argv[2]}-{number}'\n"
        "    found = Descriptor(media_type='m', digest=sha256_digest(name.encode()), size_bytes=1)\n"
        "    ContentStore(Path(sys.argv[1])).put_image(name, found)\n"
    )
    root = str(Path(store.folder).parent)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen([sys.executable, "-c", program, root, str(me)], env=environ) for me in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(store.images()) == 60
    assert {path.name for path in Path(store.folder).iterdir()} == {"blobs", "index.json", "oci-layout"}


def test_a_sweep_takes_what_the_dead_left_and_nothing_else(store: ContentStore) -> None:
    program = (
        "import os, sys; from pathlib import Path; from llbuild.worker.content import ContentStore\n"
        "ContentStore(Path(sys.argv[1])).ingest().write(b'half'); os.kill(os.getpid(), 9)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    root = str(Path(store.folder).parent)
    assert subprocess.run([sys.executable, "-c", program, root], env=environ, check=False).returncode == -9
    with store.ingest() as blob:
        blob.write(b"hello")
        assert store.sweep() == 1
        blob.commit(HELLO)
    assert store.sweep() == 0
    assert store.read(HELLO) == b"hello"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_error(store: ContentStore) -> None:
    with store.ingest() as blob:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, blob._file)
        os.close(full)
        with pytest.raises(StoreError, match="No space left on device"):
            blob.write(b"hello")


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file")
    store = ContentStore(tmp_path / "root")
    for write in (lambda: store.write(b"x"), lambda: store.put_image("x", A)):
        with pytest.raises(LlbuildError, match="Not a directory"):
            write()


def test_the_store_is_an_oci_layout(store: ContentStore) -> None:
    store.put_image("x", A)
    assert json.loads(Path(f"{store.folder}/oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(Path(f"{store.folder}/index.json").read_bytes())["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": "x", "org.opencontainers.image.ref.name": "x"}


def test_a_stamp_tells_that_a_blob_was_touched_or_is_not_whole(store: ContentStore) -> None:
    digest = store.write(b"a").digest
    assert digest == A.digest
    stamp = store.stamp(A)
    assert stamp
    assert ContentStore(Path(store.root)).stamp(A) == stamp
    path = Path(store.path(digest))
    path.chmod(0o644)
    path.write_bytes(b"b")
    assert store.stamp(A) not in {"", stamp}
    assert not store.verify(digest)
    path.write_bytes(b"ab")
    assert store.stamp(A) == ""
    path.unlink()
    assert store.stamp(A) == ""
    assert not store.verify(digest)


def test_a_small_blob_that_was_damaged_is_written_again(store: ContentStore) -> None:
    path = Path(store.path(store.write(b"hello").digest))
    path.chmod(0o644)
    path.write_bytes(b"jello")
    store.write(b"hello", HELLO)
    assert store.read(HELLO) == b"hello"


def test_a_blob_is_buried_out_of_sight_and_swept(store: ContentStore) -> None:
    store.write(b"hello")
    ((digest, found),) = store.blobs()
    assert digest == HELLO
    assert store.bury(digest, found.st_ino + 1) == ""  # another file is there by now
    assert store.has(HELLO)
    grave = store.bury(digest, found.st_ino)
    assert not store.has(HELLO)
    assert store.half_written() == [grave]
    assert store.sweep() == 1
    assert store.bury(digest, found.st_ino) == ""


def test_a_blob_in_the_making_is_not_left_over(store: ContentStore) -> None:
    with store.ingest() as blob:
        blob.write(b"hel")
        assert store.half_written() == []


def test_while_the_store_is_locked_nobody_names_an_image(store: ContentStore) -> None:
    code = (
        "import sys; from pathlib import Path; from llbuild.worker.content import ContentStore;"
        "from llbuild.tests.worker.test_content import A; print('go', flush=True);"
        "ContentStore(Path(sys.argv[1])).put_image('x', A)"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT / ".typing")}
    with store.locked():
        other = subprocess.Popen([sys.executable, "-c", code, store.root], env=environ, stdout=subprocess.PIPE)
        assert other.stdout
        assert other.stdout.readline() == b"go\n"
        assert store.images() == ()
    other.communicate(timeout=60)
    assert [image.name for image in store.images()] == ["x"]


def test_a_link_to_a_blob_leaves_it_what_it_was(store: ContentStore, tmp_path: Path) -> None:
    store.write(b"content")
    blob = Descriptor(media_type="x", digest=sha256_digest(b"content"), size_bytes=7)
    before, path = store.stamp(blob), Path(store.path(blob.digest))
    (tmp_path / "exported").hardlink_to(path)
    linked = store.stamp(blob)
    assert before != linked
    assert same_bytes(before, linked)
    (tmp_path / "exported").unlink()
    assert same_bytes(linked, store.stamp(blob))


def test_who_writes_to_a_blob_and_hides_it_is_found_out(store: ContentStore) -> None:
    store.write(b"content")
    blob = Descriptor(media_type="x", digest=sha256_digest(b"content"), size_bytes=7)
    before, path = store.stamp(blob), Path(store.path(blob.digest))
    times = path.stat()
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not same_bytes(before, store.stamp(blob))
