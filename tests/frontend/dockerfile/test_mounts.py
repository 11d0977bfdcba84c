"""RUN --mount: keys, defaults, and what does not go together."""

from __future__ import annotations

import pytest
from llbuild.errors import DockerfileError
from llbuild.llb import (
    CacheOptions,
    CacheSharing,
    Mount,
    MountType,
    SecretEnv,
    SecretOptions,
    SshOptions,
    TmpfsOptions,
)
from llbuild.tests.frontend.dockerfile.kit import compile_one, execs, names, sources

BIND = Mount(dest="/m", input=1, readonly=True)


def mounts(flags: str, before: str = "") -> tuple[Mount, ...]:
    (run,) = execs(compile_one(f"FROM a\n{before}RUN {flags} x", everything=True).definition)
    return run.mounts[1:]


@pytest.mark.parametrize(
    ("flag", "mount"),
    [
        ("target=/m", BIND),
        ("TYPE=bind,dst=/m,src=s", Mount(dest="/m", input=1, selector="/s", readonly=True)),
        ("type=bind,destination=/m,rw", Mount(dest="/m", input=1)),
        ("target=/m,ro=false", Mount(dest="/m", input=1)),
        ("target=m,from=b", Mount(dest="/w/m", input=1, readonly=True)),
        (
            "type=tmpfs,target=/m,size=1.5k",
            Mount(dest="/m", mount_type=MountType.TMPFS, tmpfs=TmpfsOptions(size_bytes=1536)),
        ),
        ("type=cache,target=/m/", Mount(dest="/m/", mount_type=MountType.CACHE, cache=CacheOptions(id="//m"))),
        (
            "type=cache,target=/m,id=i,sharing=private,from=b,source=s",
            Mount(
                dest="/m",
                input=1,
                selector="/s",
                mount_type=MountType.CACHE,
                cache=CacheOptions(id="/i", sharing=CacheSharing.PRIVATE),
            ),
        ),
        (
            "type=secret,id=i",
            Mount(
                dest="/run/secrets/i",
                output=0,
                mount_type=MountType.SECRET,
                secret=SecretOptions(id="i", mode=0o400, optional=True),
            ),
        ),
        (
            "type=secret,target=/a/b,required=true,uid=7",
            Mount(dest="/a/b", output=0, mount_type=MountType.SECRET, secret=SecretOptions(id="b", uid=7, mode=0o400)),
        ),
        (
            "type=ssh,mode=0666",
            Mount(
                dest="/run/buildkit/ssh_agent.0",
                output=0,
                mount_type=MountType.SSH,
                ssh=SshOptions(mode=0o666, optional=True),
            ),
        ),
    ],
)
def test_a_mount_is_read(flag: str, mount: Mount) -> None:
    assert mounts(f"--mount={flag}", "WORKDIR /w\n") == (mount,)


def test_values_take_variables_and_quotes_hold_commas() -> None:
    assert mounts("--mount='type=bind,\"source=a,b\",target=$T'", "ENV T=/m\n") == (
        Mount(dest="/m", input=1, selector="/a,b", readonly=True),
    )


def test_mounts_are_sorted_and_secrets_and_sockets_come_last() -> None:
    flags = "--mount=type=ssh --mount=type=secret,id=s --mount=target=/z --mount=type=tmpfs,target=/a"
    assert [mount.dest for mount in mounts(flags)] == ["/a", "/z", "/run/secrets/s", "/run/buildkit/ssh_agent.0"]


def test_a_secret_can_be_a_variable_and_is_masked_in_names() -> None:
    text = "FROM a\nRUN --mount=type=secret,id=s,env=TOKEN --mount=type=ssh echo $TOKEN"
    definition = compile_one(text, everything=True).definition
    (run,) = execs(definition)
    assert run.secret_env == (SecretEnv(id="s", name="TOKEN", optional=True),)
    assert run.env[-1] == "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0"
    assert names(definition)[-1].endswith("echo ****")


def test_only_the_mounted_part_of_the_context_is_asked_for() -> None:
    definition = compile_one("FROM a\nRUN --mount=source=s,target=/m x\nCOPY b /", everything=True).definition
    assert sources(definition)["local://context"]["local.followpaths"] == '["b","s"]'


@pytest.mark.parametrize(
    ("flag", "message", "hint"),
    [
        ("", "it is empty", "write --mount=type=cache,target=/path"),
        ("'\"a'", "a quote is never closed", "write --mount=type=cache,target=/path"),
        ("type=cahce,target=/m", "'cahce' is not a type of mount", "did you mean cache?"),
        ("type=x,target=/m", "'x' is not a type of mount", "there are bind, cache, tmpfs, secret, ssh"),
        ("tpye=bind", "unknown key 'tpye' in 'tpye=bind'", "did you mean type?"),
        ("target", "'target' has no value", "write target=…"),
        ("target=/", "the root cannot be a mount's target", "give target=/some/path"),
        ("target=/m,size=1", "'size' does not belong to a mount of type bind", "it is for tmpfs; type= goes first"),
        (
            "target=/m,required",
            "'required' does not belong to a mount of type bind",
            "it is for secret and ssh; type= goes first",
        ),
        ("target=/m,uid=1", "mode, uid and gid do not belong to a mount of type bind", ""),
        ("type=tmpfs,target=/m,size=big", "size is a number of bytes or like 64m, not 'big'", ""),
        ("type=cache,target=/m,mode=9", "mode is an octal number, not '9'", ""),
        ("type=cache,target=/m,uid=x", "uid is a number, not 'x'", ""),
        ("type=cache,target=/m,sharing=lock", "'lock' is not a way of sharing", "did you mean locked?"),
        ("target=/m,sharing=locked", "sharing does not belong to a mount of type bind", ""),
        ("target=/m,ro=maybe", "readonly is true or false, not 'maybe'", ""),
        ("type=secret", "a secret needs id=, source= or target=", ""),
        ("type=secret,id=a,source=b", "id and source of a secret are the same thing; give one", ""),
        ("type=secret,id=a,from=b", "a secret has no 'from'", ""),
        ("type=ssh,source=a", "ssh has no source", ""),
        ("target=/m,from=$x", "'from' takes no variables", "give the image a stage of its own: FROM $IMAGE AS name"),
        (
            "target=/m,from=later",
            "stage 'later' stands after this one",
            "move it up: a stage can only read earlier ones",
        ),
    ],
)
def test_a_wrong_mount_is_explained(flag: str, message: str, hint: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        compile_one(f"FROM a AS x\nRUN --mount={flag} x\nFROM a AS later\nFROM x", everything=True)
    assert (caught.value.message, caught.value.hint) == ("--mount: " + message, hint)
    assert caught.value.at.line == 2
