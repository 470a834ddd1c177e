"""Builds an image without a container engine: a Dockerfile's steps, run in a folder of this host.

What COPY names is copied from the build context and nothing else; RUN runs with absolute paths put
below the folder; the base image is a folder with this host's Python. Only `useradd`, `groupadd`
and `chown` are noted and not done.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.dockerfile import Context, Stage, Step, assignments, expanded, stages

PLACES = re.compile(r"(?<![\w./-])/(opt|src|bundles|cache|data|tmp|usr/local)(?![\w-])")

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]

PIP = """#!/bin/sh
# Packages of a lock are taken from the environment that runs the tests.
for given in "$@"; do case "$given" in *.lock)
    test -s "$given" || {{ echo "no lock $given" >&2; exit 1; }}
    test "$1" = --python || exit 0
    place=$("$2" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo '{installed}' > "$place/of_the_tests.pth"; exit 0 ;;
esac; done
exec '{python}' -m pip "$@"
"""

VENV = """#!/bin/sh
# A venv's own pip takes seconds to install: it gets the one above.
if test "$1 $2" = "-m venv"; then
    for place in "$@"; do :; done
    '{python}' -m venv --without-pip "$place" && cp '{pip}' "$place/bin/pip"
    exit
fi
exec '{python}' "$@"
"""

PLAIN = """#!/bin/sh
exec '{command}' {arguments} "$@"
"""


@dataclass
class Image:
    """What came of the last stage.

    Attributes:
        root: the folder that stands for `/`.
        environment: what ENV set, as it stands there.
        stage: the last one.
        accounts: the command lines of useradd, groupadd and chown.
    """

    root: Path
    environment: dict[str, str]
    stage: Stage
    accounts: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """What its last process wrote to standard error."""
        return self.root.with_name("log")

    def below(self, text: str) -> str:
        """Absolute paths of the container, put below its root."""
        return PLACES.sub(lambda found: f"{self.root}/{found[1]}", text)

    def command(self, step: Step) -> list[str]:
        """What an exec form runs here."""
        program, *rest = (self.below(argument) for argument in step.array())
        found = shutil.which(program, path=self.below(self.environment["PATH"]))
        assert found is not None, f"{program} is not on the image's PATH"
        return [found, *rest]

    def variables(self, **more: str) -> dict[str, str]:
        """The environment of a process in it; nothing of this host's."""
        return {name: self.below(value) for name, value in self.environment.items()} | more


class Builder:
    """Runs the stages of one Dockerfile, each in the same folder, so that a venv can move on.

    Args:
        folder: an empty one.
        context: the files that COPY can take.
        locked: whether the locked packages are really installed; else those of this environment
            stand in for them.
    """

    def __init__(self, folder: Path, context: Context, *, locked: bool) -> None:
        self._folder = folder
        self._context = context
        self._locked = locked
        self._root = folder / "root"

    def build(self, dockerfile: Path) -> Image:
        """All stages.

        Raises:
            AssertionError: a RUN failed; its output.
            FileNotFoundError: a COPY finds nothing.
        """
        done: dict[str, Path] = {}
        for stage in stages(dockerfile.read_text(encoding="utf-8")):
            image = self._base(stage)
            place = "/"
            for step in stage.steps:
                if step.name == "WORKDIR":
                    place = step.text
                    Path(image.below(place)).mkdir(parents=True, exist_ok=True)
                elif step.name == "ENV":
                    for name, value in assignments(expanded(step.text, image.environment)):
                        image.environment[name] = value
                elif step.name == "COPY":
                    self._copy(step, image, place, done)
                elif step.name == "RUN":
                    self._run(step, image, place)
            done[stage.name] = self._folder / f"stage-{stage.name}"
            last = image
            self._root.rename(done[stage.name])
        done[last.stage.name].rename(self._root)
        return last

    def _base(self, stage: Stage) -> Image:
        version = ".".join(map(str, sys.version_info[:2]))
        assert stage.base.startswith(f"python:{version}-slim"), stage.base
        own = self._root / "usr/local/bin"
        own.mkdir(parents=True)
        (self._root / "tmp").mkdir()
        python = sys._base_executable  # type: ignore[attr-defined]
        dev = Path(sys.executable).parents[1] / f"lib/python{version}/site-packages"
        pip = self._folder / "pip-of-the-tests"
        pip.write_text(PIP.format(python=sys.executable, installed=dev))
        pip.chmod(0o755)
        if self._locked:
            _write(own / "python", PLAIN.format(command=python, arguments=""))
            _write(own / "pip", PLAIN.format(command=python, arguments="-m pip"))
        else:
            shutil.copy(pip, own / "pip")
            _write(own / "python", VENV.format(python=python, pip=pip))
        for name in ("useradd", "groupadd", "chown"):
            _write(own / name, f'#!/bin/sh\necho {name} "$@" >> "{self._root}/accounts"\n')
        return Image(self._root, {"PATH": "/usr/local/bin:/usr/bin:/bin"}, stage)

    def _copy(self, step: Step, image: Image, place: str, done: dict[str, Path]) -> None:
        arguments = step.text.split()
        options = dict(one[2:].split("=") for one in arguments if one.startswith("--"))
        *sources, target = (one for one in arguments if not one.startswith("--"))
        origin = done[options["from"]] if "from" in options else None
        into = Path(image.below(target)) if target[0] == "/" else Path(image.below(place)) / target
        for source in sources:
            if origin is not None:
                shutil.copytree(origin / source.lstrip("/"), into, symlinks=True)
                continue
            whole = self._context.root / source
            for file in self._context.files(source):
                if whole.is_dir():
                    end = into / file.relative_to(source)
                elif target.endswith("/"):
                    end = into / file.name
                else:
                    end = into
                end.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self._context.root / file, end)
                if "chmod" in options:
                    end.chmod(int(options["chmod"], 8))

    def _run(self, step: Step, image: Image, place: str) -> None:
        environment = _pip_of_this_host() | image.variables(TMPDIR=str(self._root / "tmp"))
        environment.pop("PIP_NO_CACHE_DIR", None)
        done = subprocess.run(
            ["/bin/sh", "-euc", image.below(_with_arguments(step, image.stage))],
            cwd=image.below(place),
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"RUN {step.text}\n{done.stdout}{done.stderr}"
        noted = self._root / "accounts"
        image.accounts = noted.read_text().splitlines() if noted.exists() else []


def _with_arguments(step: Step, stage: Stage) -> str:
    text = step.text.replace("${TARGETARCH}", ARCHITECTURE)
    for argument in (other for other in stage.steps if other.name == "ARG"):
        for name, value in assignments(argument.text):
            text = text.replace("${" + name + "}", value)
    return text


def _pip_of_this_host() -> dict[str, str]:
    """Where its packages come from, and its cache."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return kept | {"HOME": os.environ.get("HOME", "/")}


def _write(place: Path, text: str) -> None:
    place.write_text(text)
    place.chmod(0o755)


def confined_prefix(image: Image, volume: Path | None = None) -> Sequence[str]:
    """A command's prefix that confines it as a container would, or nothing.

    It sees the image's root read-only but for an empty tmp and a volume on /data, and is the
    image's USER without capabilities, but for the one to read what only this host's user may read:
    its Python. It begins in tmp. Empty where this host does not let the tests do so.
    """
    root = image.root
    user, _, group = image.stage.only("USER").text.partition(":")
    steps = [f"exec 3<'{root}' 4<'{volume or root}'"]
    # Folders above that are closed to others, as pytest's are, would be closed to the user as well.
    if closed := next((above for above in reversed(root.parents) if _is_closed(above)), None):
        steps += [f"mount -t tmpfs -o mode=755 tmpfs '{closed}'", f"mkdir -p '{root}'"]
    steps += [
        f"mount --no-canonicalize --bind /proc/self/fd/3 '{root}'",
        f"mount -o remount,ro,bind '{root}'",
        f"mount -t tmpfs -o mode=1777 tmpfs '{root}/tmp'",
    ]
    if volume:
        steps += [f"mount --no-canonicalize --bind /proc/self/fd/4 '{root}/data'"]
    steps += [
        f"cd '{root}/tmp'",
        f"exec setpriv --reuid={user} --regid={group} --clear-groups --no-new-privs "
        "--inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search "
        '--bounding-set=-all,+dac_read_search "$@" 3<&- 4<&-',
    ]
    script = " && ".join(steps)
    prefix = ("unshare", "--mount", "/bin/sh", "-c", script, "sh")
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        return ()
    tried = subprocess.run([*prefix, "true"], capture_output=True)
    return prefix if tried.returncode == 0 else ()


def _is_closed(folder: Path) -> bool:
    return not folder.stat().st_mode & 0o001


def tree(root: Path) -> dict[str, int]:
    """Every path below, but for tmp and data, with the time when it was last written."""
    return {
        str(path): path.lstat().st_mtime_ns
        for path in root.rglob("*")
        if path.relative_to(root).parts[0] not in ("tmp", "data")
    }


@contextmanager
def running(
    image: Image, environment: dict[str, str], volume: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The image's CMD in its WORKDIR, confined where that can be had."""
    command = [*confined_prefix(image, volume), *image.command(image.stage.only("CMD"))]
    place = image.below(image.stage.only("WORKDIR").text)
    with image.log.open("w") as log:
        process = subprocess.Popen(command, cwd=place, env=environment, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)
