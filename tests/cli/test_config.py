"""The config file: found, read, and wrong in every way."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from llbuild.cli.compile import parse_compile
from llbuild.cli.compile_options import CompileOptions
from llbuild.cli.config.reading import parse_config
from llbuild.cli.config.values import BuildConfig, Config, GcConfig, find_config, load_config
from llbuild.cli.graph import parse_graph
from llbuild.cli.main import main
from llbuild.cli.options import parse_build
from llbuild.cli.parser import Found
from llbuild.cli.report import render_error
from llbuild.cli.security import Confinement, configured, read_confinement
from llbuild.cli.solve import parse_solve
from llbuild.errors import ConfigError, StoreError
from llbuild.solver.gc import Space, parse_filter

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
[build]
max-parallelism = 4
progress = "plain"
keep-going = true

[defaults]
root = "/srv/llbuild"
platform = "linux/arm64"
frontend = "dockerfile"
pull = true

[gc]
enabled = true
interval = "30m"
reservedSpace = "10%"
maxUsedSpace = "50GB"
minFreeSpace = 1000

[[gc.policy]]
filters = ["type==source.local", "type==exec.cachemount,id~=^pip"]
keepDuration = 172800
maxUsedSpace = "512MB"

[[gc.policy]]
all = true

[registry."docker.io"]
mirrors = ["mirror.example:5000"]
[[registry."docker.io".keypair]]
key = "/k.pem"
cert = "/c.pem"

[registry."registry.example:5000"]
http = true
"""


def test_without_a_file_everything_is_at_its_default() -> None:
    assert load_config({}) == Config()
    assert Config().gc == GcConfig(enabled=True, interval_s=3600.0)


def test_limits_are_of_steps_copies_and_transfers_and_of_all_builds_together() -> None:
    build = parse_config("[build]\nshared-parallelism = 0\nmax-copies = 3\nmax-transfers = 2\n", "c.toml").build
    assert (build.shared_parallelism, build.max_copies, build.max_transfers) == (0, 3, 2)
    assert (BuildConfig().shared_parallelism, BuildConfig().max_copies, BuildConfig().max_transfers) == (None, 0, 0)


def test_everything_a_file_can_say() -> None:
    config = parse_config(WHOLE, "c.toml")
    assert (config.build.max_parallelism, config.build.progress, config.build.keep_going) == (4, "plain", True)
    assert (config.defaults.root, config.defaults.platform, config.defaults.pull) == (
        "/srv/llbuild",
        "linux/arm64",
        True,
    )
    assert (config.gc.interval_s, config.gc.reserved_space, config.gc.min_free_space) == (
        *(1800.0, Space(percent=10), Space(1000)),
    )
    first, second = config.gc.policy
    assert first.filters == (parse_filter("type=source.local"), parse_filter("type=exec.cachemount,id~=^pip"))
    assert (first.keep_duration_s, first.max_used_space) == (172800.0, Space(512_000_000))
    assert second.all_types
    assert not second.images
    hub, own = config.registries
    assert (hub.mirrors, hub.keypair) == (("mirror.example:5000",), (("/k.pem", "/c.pem"),))
    assert (hub.http, own.http) == (None, True)
    assert dict(config.origins)["gc.policy.1.all"] == 26
    assert dict(config.origins)["registry.registry.example:5000.http"] == 35


def error_of(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.toml")
    return caught.value


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("[buidl]\n", "1:2", "unknown key 'buidl' (did you mean 'build'?)"),
        ("[build]\nmax-paralelism = 4\n", "2:1", "unknown key 'max-paralelism' (did you mean 'max-parallelism'?)"),
        ('[build]\nmax-parallelism = "4"\n', "2:1", "max-parallelism: expected a whole number, found the text '4'"),
        ("[build]\nmax-parallelism = true\n", "2:1", "expected a whole number from 1 up, found true"),
        ("[build]\nmax-parallelism = 0\n", "2:1", "expected a whole number from 1 up, found 0"),
        ("[build]\nshared-parallelism = -1\n", "2:1", "expected a whole number from 0 up, found -1"),
        ("\n[build]\n  keep-going = 1\n", "3:3", "keep-going: expected true or false, found 1"),
        ('[build]\nisolation = "chroot"\n', "2:1", "it must be asked for each time, by --isolation=chroot"),
        (
            '[build]\nisolation = "oki"\n',
            "2:1",
            "unknown isolation 'oki' (did you mean 'oci'?)",
        ),
        ('[build]\nseccomp = "x.json"\n', "2:1", "expected unconfined or the absolute path of a profile"),
        ('build.progress = "fancy"\n', "1:1", "unknown form 'fancy'"),
        ("build = 3\n", "1:1", "build: expected a table, found 3"),
        ('[gc]\ninterval = "soon"\n', "2:1", "expected a duration"),
        ('[gc]\nmaxUsedSpace = "10XB"\n', "2:1", "expected an amount"),
        ("[gc]\npolicy = 3\n", "2:1", "policy: expected an array of tables, found 3"),
        ('[[gc.policy]]\nall = true\n[[gc.policy]]\nfilters = ["color=red"]\n', "4:1", "unknown key"),
        ("[[gc.policy]]\nfilters = [1]\n", "2:1", "expected an array of texts"),
        ('[defaults]\nroot = "here"\n', "2:1", "expected an absolute path"),
        ('[defaults]\nplatform = "a/b/c/d/e"\n', "2:1", "platform"),
        ('[registry."docker.io"]\nmirror = []\n', "2:1", "unknown key 'mirror' (did you mean 'mirrors'?)"),
        ('[registry."r"]\nmirrors = ["ftp://m"]\n', "2:1", "'ftp://m' is no mirror: expected HOST[:PORT][/PATH]"),
        ('[registry."r"]\nca = ["own.pem"]\n', "2:1", "expected an absolute path, found 'own.pem'"),
        ('[registry."https://r"]\n', "1:2", "'https://r' is no registry: expected HOST[:PORT]"),
        ('[[registry."r".keypair]]\nkey = "k"\ncert = "/c"\n', "2:1", "expected an absolute path, found 'k'"),
        ('[[registry."r".keypair]]\nkey = "/k"\n', "1:3", "a keypair needs cert"),
        ("[build\n", "1:7", "expected ']'"),
        ("[build]\nprogress = \n", "2:12", "invalid value"),
        ("a = 1\na = 2\n", "2:6", "cannot overwrite a value"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: str, words: str) -> None:
    error = error_of(text)
    assert words in error.message
    assert str(error).startswith(f"c.toml:{place}: ")


def test_a_complaint_shows_the_line_and_points_at_the_key() -> None:
    report = render_error(error_of('[build]\nprogress = "tty"\nmax-paralel = 4\n'))
    assert "   3 | >>> max-paralel = 4\n     |     ^^^^^^^^^^^\n" in report
    parallelism = "max-parallelism, shared-parallelism, max-copies, max-transfers"
    known = f"{parallelism}, progress, keep-going, snapshotter, isolation, oci-runtime, seccomp, engine"
    assert report.endswith(f"hint: known are {known}\n")


def test_the_variable_beats_the_users_file_and_that_the_machines(tmp_path: Path) -> None:
    own = tmp_path / "own/llbuild/config.toml"
    own.parent.mkdir(parents=True)
    own.touch()
    home = tmp_path / "home/.config/llbuild/config.toml"
    home.parent.mkdir(parents=True)
    home.touch()
    environ = {"HOME": str(tmp_path / "home")}
    assert find_config(environ) == str(home)
    environ["XDG_CONFIG_HOME"] = str(tmp_path / "own")
    assert find_config(environ) == str(own)
    environ["XDG_CONFIG_HOME"] = "relative"
    assert find_config(environ) == str(home)
    assert find_config({**environ, "LLBUILD_CONFIG": "/x"}) == "/x"
    assert find_config({**environ, "LLBUILD_CONFIG": ""}) == ""


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot read the config file .*nowhere\.toml"):
        load_config({"LLBUILD_CONFIG": str(tmp_path / "nowhere.toml")})


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "config.toml"
    path.write_text(WHOLE)
    return {"LLBUILD_CONFIG": str(path), "HOME": "/nowhere"}


def test_flags_beat_variables_and_those_the_file(environ: dict[str, str]) -> None:
    options = parse_build(["."], environ)
    solve = options.solve
    assert (solve.max_parallelism, solve.progress, solve.keep_going) == (4, "plain", True)
    assert (options.compile.platforms, options.compile.pull) == (("linux/arm64",), True)
    assert solve.globals.root == "/srv/llbuild"
    solve = parse_build(["."], {**environ, "LLBUILD_PROGRESS": "rawjson", "LLBUILD_ROOT": "/var/x"}).solve
    assert (solve.progress, solve.globals.root) == ("rawjson", "/var/x")
    flags = ["--max-parallelism=7", "--progress=tty", "--keep-going=false", "--platform=linux/amd64", "--root=/y"]
    options = parse_build([*flags, "."], environ)
    solve = options.solve
    assert (solve.max_parallelism, solve.progress, solve.keep_going) == (7, "tty", False)
    assert options.compile.platforms == ("linux/amd64",)
    assert solve.globals.root == "/y"


def test_the_file_holds_for_every_command_that_compiles_or_solves(environ: dict[str, str]) -> None:
    compiled = parse_compile(["."], environ).compile
    drawn = parse_graph(["."], environ).compile
    assert compiled.platforms == drawn.platforms == ("linux/arm64",)
    assert compiled.pull
    solve = parse_solve(["-"], environ).solve
    assert (solve.max_parallelism, solve.progress, solve.keep_going) == (4, "plain", True)


def test_what_is_given_whole_owes_nothing_to_the_file(environ: dict[str, str]) -> None:
    assert parse_compile(["--stub-images=x.json", "."], environ).compile == CompileOptions()
    assert parse_graph(["--build=last"], environ).compile == CompileOptions()


def test_the_command_shows_every_value_and_where_it_comes_from(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "LLBUILD_CONFIG", environ["LLBUILD_CONFIG"])
    monkeypatch.setitem(os.environ, "LLBUILD_PROGRESS", "tty")
    assert main(["config", "--format=json", "--root=/r"]) == 0
    values = {row["key"]: (row["value"], row["origin"]) for row in json.loads(capsys.readouterr().out)}
    path = environ["LLBUILD_CONFIG"]
    assert values["defaults.root"] == ("/r", "--root")
    assert values["build.progress"] == ("tty", "$LLBUILD_PROGRESS")
    assert values["build.max-parallelism"] == ("4", f"{path}:3")
    assert values["gc.policy.0.filters"] == ("type=source.local or type=exec.cachemount,id~=^pip", f"{path}:21")
    assert values["registry.docker.io.mirrors"] == ("mirror.example:5000", f"{path}:29")
    assert values["registry.docker.io.keypair.0.key"] == ("/k.pem", f"{path}:31")
    assert values["registry.docker.io.http"] == ("on this machine only", "default")
    assert values["registry.registry.example:5000.ca"] == ("the system's", "default")
    assert main(["config"]) == 0
    assert capsys.readouterr().out.startswith(f"config file: {path}\n")


def test_the_file_says_who_confines_steps_unless_a_flag_does() -> None:
    config = parse_config('[build]\nisolation = "oci"\noci-runtime = "crun"\nseccomp = "unconfined"\n', "c.toml")
    said = configured(config.build)
    assert said == Confinement(isolation="oci", runtime="crun", seccomp="unconfined")
    flags = Found(isolation="sandbox", oci_runtime=None, security_opt=["seccomp=builtin"])
    assert read_confinement(flags, said) == Confinement()
    flags = Found(isolation=None, oci_runtime=None, security_opt=None)
    assert read_confinement(flags, said) == said
