"""damaged_binary.py PROGRAM.lpu: every tool that reads a binary refuses damaged ones, by name and reason."""
import os
import struct
import subprocess
import sys
import zlib

path = sys.argv[1]
good = open(path, "rb").read()
PREAMBLE = 24  # magic, major, minor, bytes of the header, its checksum
major, minor, size, _ = struct.unpack_from("<4I", good, 8)
header = good[PREAMBLE : PREAMBLE + size]


def with_header(header, major=major, minor=minor):
    return good[:8] + struct.pack("<4I", major, minor, len(header), zlib.crc32(header)) + header + good[PREAMBLE + len(header) :]


def flipped(at):
    return good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :]


cases = {
    "empty": (b"", "not an LPU binary"),
    "text": (b"target tiny\n" * 100, "not an LPU binary"),
    "magic": (flipped(1), "not an LPU binary"),
    "major": (with_header(header, major=9), f"expected format version 1.0 to {major}.{minor}, got 9.{minor}"),
    "minor": (with_header(header, minor=minor + 1),
              f"expected format version 1.0 to {major}.{minor}, got {major}.{minor + 1}"),
    "cut in the header": (good[: PREAMBLE + size // 2], "damaged binary: the header is cut off"),
    "a bit of the header": (flipped(PREAMBLE + size // 2), "damaged binary: wrong checksum of the header"),
    "no header": (with_header(b"\xff" * size), "damaged binary: the header does not parse"),
    "cut in a segment": (good[: len(good) - 1], "damaged binary: segment "),
    "a bit of a segment": (flipped(len(good) - 1), "damaged binary: wrong checksum of segment "),
}
for name, (content, reason) in cases.items():
    damaged = path + ".damaged.lpu"
    with open(damaged, "wb") as file:
        file.write(content)
    for tool in ("lpu-run", "lpu-verify", "lpu-objdump"):
        run = subprocess.run([tool, damaged], capture_output=True, text=True)
        expected = f"{tool}: {damaged}: {reason}"
        assert run.returncode == 1 and run.stdout == "", (name, run)
        assert run.stderr.startswith(expected) and run.stderr.count("\n") == 1, (name, run)
os.remove(damaged)
print(f"{len(cases)} damages named")
