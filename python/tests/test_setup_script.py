"""tools/setup.sh with stand-ins for the system's commands, and pinned requirements."""

import importlib.util
import os
import re
import shutil
import subprocess

import pytest
from conftest import ROOT


@pytest.fixture
def tree(tmp_path):
    """A copy of what setup.sh reads, whose virtual environment counts as made."""
    for name in ("tools/setup.sh", "tools/debian-packages.txt", "python/requirements.txt"):
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, target)
    (tmp_path / "bin").mkdir()
    return tmp_path


def stand_in(tree, name, body):
    path = tree / "bin" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def all_packages_but(*missing):
    """A dpkg-query that knows every package but the missing ones."""
    skip = "".join(f'[ "$name" = {name} ] && continue; ' for name in missing)
    return (f'shift 2; for name in "$@"; do {skip}echo "$name installed"; done; '
            f"exit {1 if missing else 0}")


def run_setup(tree, *arguments):
    environment = {**os.environ, "PATH": f"{tree / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(["bash", str(tree / "tools/setup.sh"), *arguments],
                          env=environment, capture_output=True, text=True)


def mark_venv_ready(tree):
    digest = subprocess.run(["sha256sum"], stdin=open(tree / "python/requirements.txt"),
                            capture_output=True, text=True, check=True).stdout
    binaries = tree / "build/venv/bin"
    binaries.mkdir(parents=True)
    (binaries / "python").write_text("#!/bin/sh\nexit 1\n")
    (binaries / "python").chmod(0o755)
    (tree / "build/venv/.requirements-installed").write_text(
        f"{tree}\n{digest}paths: python build/python\n")


def test_without_root_names_packages_and_command(tree):
    stand_in(tree, "dpkg-query", all_packages_but("ccache", "lld-22"))
    stand_in(tree, "id", "echo 1000")
    result = run_setup(tree)
    assert result.returncode == 1
    assert result.stderr == ("setup: these Debian packages are missing and only root may install them; run\n"
                             "  sudo apt-get install ccache lld-22\n")


def test_root_installs_only_what_is_missing(tree):
    mark_venv_ready(tree)
    flag = tree / "installed"
    stand_in(tree, "dpkg-query", f"[ -f {flag} ] && {{ {all_packages_but()}; }}; {all_packages_but('ccache')}")
    stand_in(tree, "id", "echo 0")
    stand_in(tree, "apt-get", f'[ "$1" = update ] || {{ echo "$@" >{tree}/apt; touch {flag}; }}')
    result = run_setup(tree)
    assert (result.returncode, result.stderr) == (0, "")
    assert (tree / "apt").read_text() == "install -q -y --no-install-recommends ccache\n"


def test_apt_get_failure_is_an_error(tree):
    stand_in(tree, "dpkg-query", all_packages_but("ccache"))
    stand_in(tree, "id", "echo 0")
    stand_in(tree, "apt-get", "exit 100")
    result = run_setup(tree)
    assert (result.returncode, result.stderr) == (1, "setup: apt-get could not install: ccache\n")


def test_second_run_does_nothing(tree):
    stand_in(tree, "dpkg-query", all_packages_but())
    for name in ("apt-get", "pip", "python3", "python3.11"):
        stand_in(tree, name, "echo called >&2; exit 1")
    mark_venv_ready(tree)
    result = run_setup(tree)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_changed_requirements_need_a_new_environment(tree):
    stand_in(tree, "dpkg-query", all_packages_but())
    mark_venv_ready(tree)
    with open(tree / "python/requirements.txt", "a") as file:
        file.write("# changed\n")
    result = run_setup(tree, "--check")
    assert (result.returncode, result.stdout) == (1, "missing: build/venv with python/requirements.txt\n")


def test_failed_download_is_an_error(tree):
    stand_in(tree, "dpkg-query", all_packages_but())
    # A Python whose virtual environment has a pip that fails.
    stand_in(tree, "python3.11", '[ "$1" = -c ] && exit 0\nmkdir -p "$3/bin"\n'
             'printf "#!/bin/sh\\nexit 1\\n" >"$3/bin/python"\nchmod +x "$3/bin/python"')
    result = run_setup(tree)
    assert result.returncode == 1
    assert result.stderr == "setup: pip could not install python/requirements.txt\n"
    assert not (tree / "build/venv/.requirements-installed").exists()


def test_unknown_argument(tree):
    result = run_setup(tree, "--bogus")
    assert (result.returncode, result.stderr) == (1, "setup: expected --check or nothing, got --bogus\n")


def test_every_requirement_is_pinned_with_a_hash():
    lines = [line for line in (ROOT / "python/requirements.txt").read_text().splitlines()
             if not line.startswith("#")]
    assert lines[0::2] == sorted(lines[0::2])
    for pin, digest in zip(lines[0::2], lines[1::2], strict=True):
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]* \\", pin)
        assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", digest)
    pinned = {line.split("==")[0] for line in lines[0::2]}
    wanted = {re.split("[=<>]", line)[0] for line in (ROOT / "python/requirements.in").read_text().splitlines()
              if line and not line.startswith("#")}
    assert wanted <= pinned


def test_format_requirements():
    spec = importlib.util.spec_from_file_location("pin", ROOT / "tools/pin-requirements.py")
    pin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pin)
    item = {"metadata": {"name": "A_b", "version": "1.0"}, "download_info": {"archive_info": {"hashes": {"sha256": "ff"}}}}
    assert pin.format_requirements({"install": [item]}) == pin.HEADER + "a-b==1.0 \\\n    --hash=sha256:ff\n"
    del item["download_info"]["archive_info"]["hashes"]
    with pytest.raises(ValueError, match="expected a sha256 for a-b 1.0, got none"):
        pin.format_requirements({"install": [item]})
