"""Build the wheel and prove that it is whole: every subpackage and data file is in it, and it runs on its own.

Run with the interpreter of `.venv` (needs `build`). Editable installs hide a folder missing from
`packages`; only a wheel installed away from the source tree shows it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    names = wheel_names(build_wheel())
    report_difference(expected_names(), names)
    with tempfile.TemporaryDirectory(prefix="llbuild-wheel-", ignore_cleanup_errors=True) as work:
        llbuild = install(Path(work))
        version = call([str(llbuild), "--version"], cwd=work)
        print(f"check_wheel: {version.strip()} from the wheel runs")
        if build_something(llbuild, Path(work)):
            build_with_plugin(llbuild, Path(work))


def build_wheel() -> Path:
    # setuptools keeps deleted modules in build/lib and would ship them again.
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    call([sys.executable, "-m", "build", "--wheel", "-o", str(ROOT / "dist"), str(ROOT)], cwd=ROOT.parent)
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    (wheel,) = (ROOT / "dist").glob("*.whl")
    return wheel


def wheel_names(wheel: Path) -> set[str]:
    """What the wheel puts under llbuild/, and nothing beside it may be there but metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    strangers = {name for name in names if not name.startswith("llbuild/") and ".dist-info/" not in name}
    if strangers:
        raise SystemExit(f"check_wheel: the wheel installs files outside llbuild/: {sorted(strangers)}")
    return {name.removeprefix("llbuild/") for name in names if name.startswith("llbuild/")}


def expected_names() -> set[str]:
    """The committed files of the package's folders, data files included; at the root only modules and py.typed."""
    listing = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    rooms = {name.partition(".")[2].partition(".")[0] for name in listing} - {""}
    tracked = call(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT
    ).splitlines()
    names: set[str] = set()
    for name in tracked:
        room, slash, _ = name.partition("/")
        of_the_root = not slash and (name.endswith(".py") or name == "py.typed")
        if (of_the_root or (slash and room in rooms)) and not name.endswith(".md"):
            names.add(name)
    return {name for name in names if (ROOT / name).exists()}


def report_difference(expected: set[str], found: set[str]) -> None:
    missing, extra = sorted(expected - found), sorted(found - expected)
    if missing or extra:
        raise SystemExit(
            f"check_wheel: the wheel differs from the tree\n  missing from the wheel: {missing}\n"
            f"  not in the tree: {extra}\n  (packages and package-data stand in pyproject.toml)"
        )
    print(f"check_wheel: all {len(found)} files of the package are in the wheel")


def install(work: Path) -> Path:
    """Install the wheel into a fresh environment; the path of its llbuild command."""
    environment = work / "venv"
    call([sys.executable, "-m", "venv", str(environment)], cwd=work)
    (wheel,) = (ROOT / "dist").glob("*.whl")
    call([str(environment / "bin/pip"), "install", "--disable-pip-version-check", "-q", str(wheel)], cwd=work)
    return environment / "bin/llbuild"


def build_something(llbuild: Path, work: Path) -> bool:
    """Import a root filesystem, build from it, run the result: everything from the wheel. False: nothing to import."""
    rootfs = work / "rootfs"
    made = subprocess.run([str(ROOT / "scripts/busybox-rootfs"), str(rootfs)], check=False)
    if made.returncode == 3:
        print("check_wheel: no busybox to be had here, so no build was tried")
        return False
    if made.returncode:
        raise SystemExit(made.returncode)
    context = work / "context"
    context.mkdir()
    (context / "greeting").write_text("built by the wheel\n")
    (context / "Dockerfile").write_text(
        'FROM busybox\nCOPY greeting /\nRUN cat /greeting > /copy\nCMD ["cat", "/copy"]\n'
    )
    environment = {**os.environ, "LLBUILD_ROOT": str(work / "state")}
    command = str(llbuild)
    call([command, "import", str(rootfs), "busybox"], cwd=work, env=environment)
    call([command, "build", "-t", "wheel-check", str(context)], cwd=work, env=environment)
    output = call([command, "run", "wheel-check"], cwd=work, env=environment)
    if output != "built by the wheel\n":
        raise SystemExit(f"check_wheel: the image built by the wheel printed {output!r}")
    print("check_wheel: it built and ran an image on its own")
    return True


def build_with_plugin(llbuild: Path, work: Path) -> None:
    """Install the example plugin with pip beside the wheel, and build with it. Needs the image `busybox`."""
    plugin = work / "plugin"
    shutil.copytree(ROOT / "examples/frontend-plugin", plugin)
    pip = [str(llbuild.parent / "pip"), "install", "--disable-pip-version-check", "-q"]
    call([*pip, str(plugin)], cwd=work)
    environment = {**os.environ, "LLBUILD_ROOT": str(work / "state")}
    recipe = ["--frontend", "recipe", "-f", str(plugin / "recipe.txt"), "-t", "by-recipe", str(plugin)]
    call([str(llbuild), "build", *recipe], cwd=work, env=environment)
    output = call([str(llbuild), "run", "by-recipe", "cat", "/made"], cwd=work, env=environment)
    if output != "made by a recipe\n":
        raise SystemExit(f"check_wheel: the image built with a plugin printed {output!r}")
    print("check_wheel: it built with a plugin that pip installed")


def call(command: list[str], *, cwd: Path | str, env: dict[str, str] | None = None) -> str:
    """Run a command that must succeed; its standard output. What it printed is shown when it fails."""
    clean = {name: value for name, value in (env or dict(os.environ)).items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=clean, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        sys.stderr.buffer.write(done.stdout + done.stderr)
        raise SystemExit(f"check_wheel: exit code {done.returncode} from: {' '.join(command)}")
    return done.stdout.decode()


if __name__ == "__main__":
    main()
