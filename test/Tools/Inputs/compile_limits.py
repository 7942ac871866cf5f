"""compile_limits.py FOLDER LPU-COMPILE ARGUMENT...: compiles into FOLDER under a limit of the file size, and kills compiles."""
import os
import resource
import signal
import subprocess
import sys
import time

folder, command = sys.argv[1], sys.argv[2:]
before = set(os.listdir(folder))


def leftovers():
    return set(os.listdir(folder)) - before


def limited(*arguments, size=4096):
    return subprocess.run([*command, *arguments], capture_output=True, text=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))


# Binary, text, statistics and the emitted model; each says what it could not write.
quantized = f"--emit-quantized-onnx={folder}/q.onnx"
for arguments, size, what in (
        (["-o", f"{folder}/out.lpu"], 4096, f"{folder}/out.lpu"),
        (["-o", f"{folder}/out.mlir", "--compile-to=isa"], 4096, f"{folder}/out.mlir"),
        (["--no-output", f"--stats={folder}/s.json"], 256, f"--stats: {folder}/s.json"),
        (["-o", f"{folder}/out.lpu", quantized], 2048, f"--emit-quantized-onnx: {folder}/q.onnx.data")):
    run = limited(*arguments, size=size)
    assert (run.returncode, run.stderr) == (1, f"lpu-compile: {what}: cannot write: File too large\n"), run
    assert not leftovers(), leftovers()

output = f"{folder}/out.lpu"
with open(output, "w") as file:
    file.write("as before")
assert limited("-o", output).returncode == 1
assert open(output).read() == "as before" and leftovers() == {"out.lpu"}

start = time.monotonic()
subprocess.run([*command, "-o", f"{folder}/whole.lpu"], check=True, capture_output=True)
seconds = time.monotonic() - start
whole = open(f"{folder}/whole.lpu", "rb").read()
os.remove(f"{folder}/whole.lpu")
killed = 0
for share in range(12):
    process = subprocess.Popen([*command, "-o", output, "--stats", f"{folder}/s.json", quantized], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds * share / 10)
    process.send_signal(signal.SIGKILL)
    killed += process.wait() == -signal.SIGKILL
    content = open(output, "rb").read()
    assert content in (b"as before", whole), len(content)
    # Only between the two calls that replace a file it has another name, whole.
    for name in leftovers():
        if name.startswith("out.lpu.tmp."):
            assert open(f"{folder}/{name}", "rb").read() == whole, name
            os.remove(f"{folder}/{name}")
    # The emitted model comes before the binary, its data before it; all of them are whole.
    assert leftovers() <= {"out.lpu", "q.onnx", "q.onnx.data", "s.json"}, leftovers()
    assert "q.onnx" not in leftovers() or "q.onnx.data" in leftovers()
    for name in leftovers() - {"out.lpu"}:
        os.remove(f"{folder}/{name}")
assert killed > 3, killed

# The next run removes what a killed one left.
for name in ("out.lpu", "q.onnx", "q.onnx.data", "s.json"):
    open(f"{folder}/{name}.tmp.1", "w").close()
subprocess.run([*command, "-o", output, "--stats", f"{folder}/s.json", quantized], check=True, capture_output=True)
assert leftovers() == {"out.lpu", "q.onnx", "q.onnx.data", "s.json"}, leftovers()
