"""add_instruction.py PAGE SOURCE BUILD OUT: applies the diffs of a page to copies of the files and builds tools with them.

Compiled are the files that the page changes and the instruction table; the rest
of lpu-run and lpu-verify is linked from the build tree. OUT gets both tools, the
page of the instruction table's own generator, and program.lpuasm.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

page, source, build, out = sys.argv[1:]
text = open(page, encoding="utf-8").read()
overlay = os.path.join(out, "overlay")


def copy(file):
    """The path of the changeable copy of a file; headers of its folder come along, which find one another there."""
    folder = os.path.join(overlay, os.path.dirname(file))
    if not os.path.exists(folder):
        shutil.copytree(os.path.join(source, os.path.dirname(file)), folder)
    return os.path.join(overlay, file)


def apply(file, diff):
    lines = diff.splitlines()
    before, after = ("".join(line[1:] + "\n" for line in lines if line[0] in kept) for kept in (" -", " +"))
    path = copy(file)
    content = open(path, encoding="utf-8").read()
    assert content.count(before) == 1, f"{file}: expected once, got {content.count(before)} times:\n{before}"
    with open(path, "w", encoding="utf-8") as changed:
        changed.write(content.replace(before, after))


changed = re.findall(r"```diff (\S+)\n(.*?)```", text, re.S)
assert len(changed) > 3
for file, diff in changed:
    apply(file, diff)
with open(os.path.join(out, "program.lpuasm"), "w", encoding="utf-8") as program:
    (assembly,) = re.findall(r"```asm\n(.*?)```", text, re.S)
    program.write(assembly)

commands = {entry["file"]: shlex.split(entry["command"])
            for entry in json.load(open(os.path.join(build, "compile_commands.json"), encoding="utf-8"))}
objects, running = [], []
for file in sorted({file for file, _ in changed if file.endswith(".cpp")} | {"lib/ISA/ISA.cpp"}):
    command = commands[os.path.join(source, file)]
    compiler, rest = command[: command.index("-o")], ["-o", f"{out}/{os.path.basename(file)}.o", "-c", copy(file)]
    position = next(i for i, word in enumerate(compiler) if word.startswith("-"))
    compiler.insert(position, "-I" + os.path.join(overlay, "include"))
    running.append(subprocess.Popen([*compiler, *rest], cwd=build))
    objects.append((file.split("/")[1], rest[1]))
assert not any([process.wait() for process in running])

for tool in ("lpu-run", "lpu-verify", "lpu-isa-doc"):
    # ": && CXX FLAGS main.o -o TOOL LIBRARIES && :"; ours come first, so that the libraries' are not taken.
    link = subprocess.run(["ninja", "-C", build, "-t", "commands", f"bin/{tool}"], capture_output=True, text=True,
                          check=True).stdout.splitlines()[-1]
    assert f" -o bin/{tool} " in link, link
    used = [made for library, made in objects if f"/libLPU{library}.a" in link]
    link = link.replace(f" -o bin/{tool} ", f" {' '.join(used)} -o {out}/{tool} ")
    link = re.sub(r"--dependency-file=\S+", f"--dependency-file={out}/link.d", link)
    subprocess.run(link, shell=True, cwd=build, check=True)
