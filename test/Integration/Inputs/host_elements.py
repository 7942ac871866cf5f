"""Every element type through lpu-host: what goes in as bits comes out as the same bits, or as f32 and i32.

usage: host_elements.py LPU_HOST FOLDER
"""

import subprocess
import sys

import ml_dtypes
import numpy as np

TYPES = {  # of MLIR: dtype, values
    "f64": (np.float64, [1.5, -2.25, np.inf]), "f32": (np.float32, [1.5, -2.25, np.nan]),
    "f16": (np.float16, [1.5, -65504, np.inf]), "bf16": (ml_dtypes.bfloat16, [1.5, -3e38, np.inf]),
    "f8E4M3FN": (ml_dtypes.float8_e4m3fn, [448, -0.001953125, 1.5]),
    "f8E4M3FNUZ": (ml_dtypes.float8_e4m3fnuz, [240, -0.0009765625, 1.5]),
    "f8E5M2": (ml_dtypes.float8_e5m2, [57344, -np.inf, 1.5]),
    "f8E5M2FNUZ": (ml_dtypes.float8_e5m2fnuz, [57344, -1.5, 0]),
    "f8E8M0FNU": (ml_dtypes.float8_e8m0fnu, [2.0**-127, 2.0**127, 1]),
    "f4E2M1FN": (ml_dtypes.float4_e2m1fn, [6, -0.5, 1.5]),
    "i2": (ml_dtypes.int2, [-2, 1, 0]), "ui2": (ml_dtypes.uint2, [3, 1, 0]),
    "i4": (ml_dtypes.int4, [-8, 7, 0]), "ui4": (ml_dtypes.uint4, [15, 7, 0]),
    "i8": (np.int8, [-128, 127, 0]), "ui8": (np.uint8, [255, 127, 0]),
    "i16": (np.int16, [-32768, 32767, 0]), "ui16": (np.uint16, [65535, 7, 0]),
    "i32": (np.int32, [-2**31, 2**31 - 1, 0]), "ui32": (np.uint32, [2**32 - 1, 7, 0]),
    "i64": (np.int64, [-2**31, 2**31 - 1, 0]), "ui64": (np.uint64, [2**32 - 1, 7, 0]), "i1": (np.bool_, [1, 0, 1]),
}


def carried(element: str) -> str:
    return "f32" if element[0] in "fb" else element if element == "i1" else "i32"


def module(arrays: list[tuple[str, np.ndarray]]) -> str:
    """Of each input: itself through the carried type, and as that."""
    arguments, results, types, body, values = [], [], [], "", []
    for i, (element, array) in enumerate(arrays):
        shape = "".join(f"{extent}x" for extent in array.shape)
        model, machine = f"tensor<{shape}{element}>", f"tensor<{shape}{carried(element)}>"
        arguments.append(f'%x{i}: {model} {{lpu.name = "x{i}"}}')
        results += [f'{model} {{lpu.name = "same{i}"}}', f'{machine} {{lpu.name = "seen{i}"}}']
        types += [model, machine]
        values += [f"%x{i}"] * 2 if model == machine else [f"%same{i}", f"%seen{i}"]
        if model != machine:
            body += f"  %seen{i} = lpu.narrow %x{i} : {model} to {machine}\n"
            body += f"  %same{i} = lpu.widen %seen{i} : {machine} to {model}\n"
    return (f"func.func @main({', '.join(arguments)}) -> ({', '.join(results)}) {{\n{body}"
            f"  return {', '.join(values)} : {', '.join(types)}\n}}\n")


def run(tool: str, folder: str, arrays: list[tuple[str, np.ndarray]]) -> subprocess.CompletedProcess:
    with open(f"{folder}/m.mlir", "w") as file:
        file.write(module(arrays))
    command = [tool, f"{folder}/m.mlir"]
    for i, (_, array) in enumerate(arrays):
        plain = array if array.dtype.isbuiltin == 1 else array.view(f"u{array.dtype.itemsize}")
        np.save(f"{folder}/x{i}.npy", plain)
        command += ["--input", f"x{i}={folder}/x{i}.npy", "--output", f"same{i}={folder}/same{i}.npy",
                    "--output", f"seen{i}={folder}/seen{i}.npy"]
    return subprocess.run(command, capture_output=True, text=True)


def main(tool: str, folder: str) -> None:
    arrays = [(element, array) for element, (dtype, values) in TYPES.items()
              for array in (np.array(values, dtype), np.array(values[0], dtype), np.zeros((0, 3), dtype))]
    done = run(tool, folder, arrays)
    assert done.returncode == 0, done.stderr
    for i, (element, array) in enumerate(arrays):
        same, seen = np.load(f"{folder}/same{i}.npy"), np.load(f"{folder}/seen{i}.npy")
        assert (same.shape, same.tobytes()) == (array.shape, array.tobytes()), (element, same)
        wide = array.astype(np.uint32).view(np.int32) if element in ("ui32", "ui64") else array.astype(seen.dtype)
        assert seen.tobytes() == wide.tobytes(), (element, seen, wide)
    for element, value, text in [("i64", 2**31, "2147483648, does not fit i32"),
                                 ("ui64", 2**32, "4294967296, does not fit i32"),
                                 ("f64", 1e300, "1e+300, does not fit f32")]:
        done = run(tool, folder, [(element, np.array([0, value], TYPES[element][0]))])
        assert done.returncode == 1 and done.stderr == f"lpu-host: input 'x0': element 1, {text}\n", done.stderr


if __name__ == "__main__":
    main(*sys.argv[1:])
