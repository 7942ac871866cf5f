"""lpu-expand-scalars against numpy: every operation that it rewrites, run on the host in both forms."""

import math
import subprocess

import numpy as np
import pytest

from lpu.compiler import find_tool

F32, I32, BOOL = np.float32, np.int32, np.bool_
_TYPES = {F32: "f32", I32: "i32", BOOL: "i1"}

_SPECIAL = np.array([0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 2, 3, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-38,
                     3e38, -3e38, 8388607.5, -8388608, 4194303.5, 16777216, 65504, 65519.9, 65520, 448, 464, 465,
                     240, 57344, 61440, 0.49999997, 2147483648, -2147483648, 4294967296, 88.7, -103.9], F32)
_WHOLE = np.array([0, 1, -1, 2, -2, 3, 7, -7, 10, 31, 32, 127, 128, -128, 255, 256, 32767, 65535, 65536, 46341, 1 << 24,
                   (1 << 24) + 1, 123456789, -987654321, (1 << 30) + 1, (1 << 31) - 1, -(1 << 31), -(1 << 31) + 1], I32)


def _reals(seed: int) -> np.ndarray:
    """Specials, values of every magnitude, and values around 1."""
    random = np.random.default_rng(seed)
    spread = random.standard_normal(3000) * 2.0 ** random.integers(-120, 120, 3000)
    return np.concatenate([_SPECIAL, spread, random.standard_normal(3000) * 4]).astype(F32)


def _pairs(values: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Each special with each, then others by chance."""
    n = len(_SPECIAL) if values.dtype == F32 else len(_WHOLE)
    first = np.concatenate([np.repeat(values[:n], n), values])
    other = np.random.default_rng(seed).permutation(values)
    return first, np.concatenate([np.tile(values[:n], n), other])


def _integers(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    spread = random.integers(-(1 << 31), 1 << 31, 4000) >> random.integers(0, 31, 4000)
    return np.concatenate([_WHOLE, spread.astype(I32)])


def _run(folder, body: list[str], inputs: list[np.ndarray], result, expand: bool) -> np.ndarray:
    n = len(inputs[0])
    types = [_TYPES[array.dtype.type] for array in inputs]
    out = _TYPES[result]
    ports = ", ".join(f"%arg{i}: tensor<{n}x{t}>" for i, t in enumerate(types))
    maps = ", ".join(["affine_map<(d0) -> (d0)>"] * (len(types) + 1))
    blocks = ", ".join([*(f"%{'xyz'[i]}: {t}" for i, t in enumerate(types)), f"%old: {out}"])
    text = f"""
func.func @main({ports}) -> tensor<{n}x{out}> {{
  %init = tensor.empty() : tensor<{n}x{out}>
  %r = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel"]}}
      ins({", ".join(f"%arg{i}" for i in range(len(types)))} : {", ".join(f"tensor<{n}x{t}>" for t in types)})
      outs(%init : tensor<{n}x{out}>) {{
    ^bb0({blocks}):
      {chr(10).join(body)}
      linalg.yield %r : {out}
  }} -> tensor<{n}x{out}>
  return %r : tensor<{n}x{out}>
}}"""
    (folder / "body.mlir").write_text(text)
    arguments = [str(find_tool("lpu-host")), str(folder / "body.mlir"), "--output", f"output0={folder}/out.npy"]
    for i, array in enumerate(inputs):
        np.save(folder / f"in{i}.npy", array)
        arguments += ["--input", f"input{i}={folder}/in{i}.npy"]
    done = subprocess.run(arguments + (["--expand-scalars"] if expand else []), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if expand:
        # Nothing is left, and a second time changes nothing.
        pipeline = "--pass-pipeline=builtin.module(lpu-expand-scalars)"
        once = subprocess.run([str(find_tool("lpu-opt")), str(folder / "body.mlir"), pipeline], capture_output=True,
                              text=True, check=True).stdout
        twice = subprocess.run([str(find_tool("lpu-opt")), pipeline], input=once, capture_output=True, text=True,
                               check=True).stdout
        assert once == twice
    return np.load(folder / "out.npy")


def _ulps(got: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Distance of f32 `got` from f64 `right`, in units of the last place of f32; infinity is 2^128."""
    right = np.asarray(right, np.float64)
    rounded = np.abs(right.astype(F32))
    unit = np.where(np.isinf(rounded), 2.0**104, np.spacing(np.minimum(rounded, F32(3e38))).astype(np.float64))
    both = [np.clip(values.astype(np.float64), -(2.0**128), 2.0**128) for values in (got, right)]
    distance = np.abs(both[0] - both[1]) / np.maximum(unit, 2.0**-149)
    distance[np.isnan(got) != np.isnan(right)] = np.inf
    distance[np.isnan(got) & np.isnan(right)] = 0
    # What rounds to it is right.
    distance[got == right.astype(F32)] = 0
    return distance


def _check(got, right, most, *inputs):
    distance = _ulps(got, right)
    worst = int(np.argmax(distance))
    assert distance[worst] <= most, (f"{distance[worst]} ulp at {[float(i[worst]) for i in inputs]}: got "
                                     f"{got[worst]!r}, right is {np.asarray(right)[worst]!r}")


def _within(low: float, high: float):
    return lambda x: x[~(np.abs(x) > high) & ~(np.abs(x) < low)]


def _any(x):
    return x


@pytest.mark.parametrize("op, right, most, among", [
    ("math.exp", np.exp, 3, _any),
    ("math.expm1", np.expm1, 4, _any),
    ("math.log", np.log, 3, _any),
    ("math.log10", np.log10, 3, _any),
    ("math.log1p", np.log1p, 4, _any),
    ("math.sqrt", np.sqrt, 2, _any),
    ("math.cbrt", np.cbrt, 4, _within(1e-37, np.inf)),
    ("math.sin", np.sin, 4, _within(0, 1e4)),
    ("math.cos", np.cos, 4, _within(0, 1e4)),
    ("math.tan", np.tan, 4, _within(0, 1e4)),
    ("math.asin", np.arcsin, 4, _any),
    ("math.acos", np.arccos, 4, _any),
    ("math.atan", np.arctan, 4, _any),
    ("math.sinh", np.sinh, 4, _any),
    ("math.cosh", np.cosh, 4, _any),
    ("math.asinh", np.arcsinh, 4, _any),
    ("math.acosh", np.arccosh, 4, _any),
    ("math.atanh", np.arctanh, 4, _any),
    ("math.erf", np.vectorize(math.erf), 4, _any),
    ("math.erfc", np.vectorize(math.erfc), 64, _within(0, 9)),
    ("math.ceil", np.ceil, 0, _any),
    ("math.trunc", np.trunc, 0, _any),
    ("math.roundeven", np.rint, 0, _any),
    ("math.round", lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x), 0, _any),
])
def test_function(tmp_path, op, right, most, among):
    x = np.concatenate([among(_reals(1)), np.linspace(-1, 1, 2001, dtype=F32)])
    x = np.concatenate([x, np.linspace(-40, 40, 2001, dtype=F32)]) if among is not _any or most else x
    got = _run(tmp_path, [f"%r = {op} %x : f32"], [x], F32, expand=True)
    with np.errstate(all="ignore"):
        _check(got, right(x.astype(np.float64)), most, x)


def test_division(tmp_path):
    x, y = _pairs(_reals(2), 3)
    keep = ~((np.abs(y) < 2.0**-126) & (y != 0))
    x, y = x[keep], y[keep]
    with np.errstate(all="ignore"):
        right = x.astype(np.float64) / y.astype(np.float64)
    _check(_run(tmp_path, ["%r = arith.divf %x, %y : f32"], [x, y], F32, expand=True), right, 1, x, y)


def test_remainder(tmp_path):
    x, y = _pairs(_reals(4), 5)
    with np.errstate(all="ignore"):
        keep = ~((np.abs(y) < 2.0**-100) & (y != 0)) & ~(np.abs(x / y) > 2.0**40)
        x, y = x[keep], y[keep]
        right = np.fmod(x.astype(np.float64), y.astype(np.float64))
    _check(_run(tmp_path, ["%r = arith.remf %x, %y : f32"], [x, y], F32, expand=True), right, 0, x, y)


def test_power(tmp_path):
    x, y = _pairs(_reals(6), 7)
    near = np.random.default_rng(8).uniform(0.01, 100, 4000).astype(F32)
    powers = np.random.default_rng(9).uniform(-20, 20, 4000).astype(F32)
    bases, exponents = np.meshgrid(np.arange(-12, 13, dtype=F32), np.arange(-4, 9, dtype=F32))
    x = np.concatenate([x, near, bases.ravel()])
    y = np.concatenate([y, powers, exponents.ravel()])
    got = _run(tmp_path, ["%r = math.powf %x, %y : f32"], [x, y], F32, expand=True)
    with np.errstate(all="ignore"):
        right = np.power(x.astype(np.float64), y.astype(np.float64))
    usual = ~(np.abs(right) < 2.0**-120)
    _check(got[usual], right[usual], 4, x[usual], y[usual])
    whole = slice(len(x) - 25 * 13, None)
    exact = (y[whole] >= 0) & (np.abs(right[whole]) < 2.0**24)
    assert np.array_equal(got[whole][exact], right[whole][exact].astype(F32))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 1.5, 2.7, -3.3, 12])
def test_constant_power(tmp_path, exponent):
    x = np.abs(np.concatenate([np.random.default_rng(9).standard_normal(2000) * 4, [0.5, 1, 2, np.inf, 3]])).astype(F32)
    body = [f"%y = arith.constant {float(exponent):e} : f32", "%r = math.powf %x, %y : f32"]
    with np.errstate(all="ignore"):
        _check(_run(tmp_path, body, [x], F32, expand=True), x.astype(np.float64) ** F32(exponent), 4 + abs(exponent), x)


def _wrap(values) -> np.ndarray:
    return np.asarray(values).astype(np.int64).astype(np.uint64).astype(np.uint32).view(I32)


def _unsigned(x: np.ndarray) -> np.ndarray:
    return x.view(np.uint32).astype(np.int64)


def _truncated(x, y):
    return np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))


@pytest.mark.parametrize("op, right", [
    ("arith.divsi", _truncated),
    ("arith.remsi", lambda x, y: x - y * _truncated(x, y)),
    ("arith.floordivsi", lambda x, y: x // y),
    ("arith.ceildivsi", lambda x, y: -(-x // y)),
    ("arith.divui", lambda x, y: x // y),
    ("arith.remui", lambda x, y: x % y),
    ("arith.ceildivui", lambda x, y: -(-x // y)),
    ("arith.maxui", np.maximum),
    ("arith.minui", np.minimum),
    ("arith.shrui", lambda x, y: x >> y),
])
def test_integers(tmp_path, op, right):
    x, y = _pairs(_integers(10), 11)
    if op == "arith.shrui":
        y = y & 31
    if "div" in op or "rem" in op:
        x, y = x[y != 0], y[y != 0]
    wide = (_unsigned(x), _unsigned(y)) if "ui" in op else (x.astype(np.int64), y.astype(np.int64))
    got = _run(tmp_path, [f"%r = {op} %x, %y : i32"], [x, y], I32, expand=True)
    wrong = np.flatnonzero(got != _wrap(right(*wide)))
    assert wrong.size == 0, (x[wrong[0]], y[wrong[0]], got[wrong[0]])


def test_integer_powers(tmp_path):
    x, y = np.meshgrid(_WHOLE, np.array([0, 1, 2, 3, 5, 8, 13, 31, 33, 1 << 30, (1 << 31) - 1, -1, -2, -7], I32))
    x, y = x.ravel(), y.ravel()
    right = []
    for base, exponent in zip(x.tolist(), y.tolist()):
        if exponent >= 0:
            right.append(pow(base, exponent, 1 << 32))
        else:
            right.append(base ** -exponent if abs(base) == 1 else 0)
    got = _run(tmp_path, ["%r = math.ipowi %x, %y : i32"], [x, y], I32, expand=True)
    assert np.array_equal(got, _wrap(right))


@pytest.mark.parametrize("predicate", ["eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"])
def test_compare_integers(tmp_path, predicate):
    x, y = _pairs(_integers(12), 13)
    a, b = (_unsigned(x), _unsigned(y)) if predicate[0] == "u" else (x, y)
    ufunc = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
             "ge": np.greater_equal}[predicate[-2:]]
    body = [f"%c = arith.cmpi {predicate}, %x, %y : i32", "%r = arith.extui %c : i1 to i32"]
    assert np.array_equal(_run(tmp_path, body, [x, y], I32, expand=True), ufunc(a, b).astype(I32))


@pytest.mark.parametrize("predicate", ["oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "uge", "ult",
                                       "ule", "une", "uno"])
def test_compare_floats(tmp_path, predicate):
    x, y = _pairs(_reals(14), 15)
    nan = np.isnan(x) | np.isnan(y)
    if predicate in ("ord", "uno"):
        right = nan if predicate == "uno" else ~nan
    else:
        ufunc = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
                 "ge": np.greater_equal}[predicate[1:]]
        right = np.where(nan, predicate[0] == "u", ufunc(x, y))
    body = [f"%c = arith.cmpf {predicate}, %x, %y : f32", "%r = arith.extui %c : i1 to i32"]
    assert np.array_equal(_run(tmp_path, body, [x, y], I32, expand=True), right.astype(I32))


@pytest.mark.parametrize("op, right", [("arith.minnumf", np.fmin), ("arith.maxnumf", np.fmax)])
def test_least(tmp_path, op, right):
    x, y = _pairs(_reals(16), 17)
    _check(_run(tmp_path, [f"%r = {op} %x, %y : f32"], [x, y], F32, expand=True), right(x, y), 0, x, y)


def test_copysign(tmp_path):
    x, y = _pairs(_reals(18), 19)
    _check(_run(tmp_path, ["%r = math.copysign %x, %y : f32"], [x, y], F32, expand=True), np.copysign(x, y), 0, x, y)


def test_angle(tmp_path):
    y, x = _pairs(_reals(20), 21)
    keep = ~((np.abs(x) < 2.0**-100) & (x != 0)) & ~((np.abs(y) < 2.0**-100) & (y != 0))
    y, x = y[keep], x[keep]
    right = np.arctan2(y.astype(np.float64), x.astype(np.float64))
    got = _run(tmp_path, ["%r = math.atan2 %x, %y : f32"], [y, x], F32, expand=True)
    usual = ~(np.abs(right) < 2.0**-120)
    _check(got[usual], right[usual], 4, y[usual], x[usual])


@pytest.mark.parametrize("target, low, high", [("fptosi", -(1 << 31), (1 << 31) - 1), ("fptoui", 0, (1 << 32) - 1)])
def test_to_integer(tmp_path, target, low, high):
    x = _reals(22)
    x = x[(x > low - 1) & (x < high)]
    right = _wrap(np.trunc(x.astype(np.float64)))
    assert np.array_equal(_run(tmp_path, [f"%r = arith.{target} %x : f32 to i32"], [x], I32, expand=True), right)


def test_from_unsigned(tmp_path):
    x = _integers(23)
    got = _run(tmp_path, ["%r = arith.uitofp %x : i32 to f32"], [x], F32, expand=True)
    assert np.array_equal(got, x.view(np.uint32).astype(F32))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("extend", ["extsi", "extui"])
def test_wrap(tmp_path, bits, extend):
    x = _integers(24)
    low = x.astype(np.int64) & ((1 << bits) - 1)
    right = low - ((low >> (bits - 1)) << bits) if extend == "extsi" else low
    body = [f"%s = arith.trunci %x : i32 to i{bits}", f"%r = arith.{extend} %s : i{bits} to i32"]
    assert np.array_equal(_run(tmp_path, body, [x], I32, expand=True), right.astype(I32))


def _small_types():
    import ml_dtypes

    return {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f8E4M3FN": ml_dtypes.float8_e4m3fn,
            "f8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "f8E5M2": ml_dtypes.float8_e5m2,
            "f8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz, "f4E2M1FN": ml_dtypes.float4_e2m1fn,
            "f8E8M0FNU": ml_dtypes.float8_e8m0fnu}


@pytest.mark.parametrize("name", list(_small_types()))
@pytest.mark.parametrize("expand", [False, True])
def test_small_floats(tmp_path, name, expand):
    dtype = _small_types()[name]
    width = {"f4E2M1FN": 4, "f16": 16, "bf16": 16}.get(name, 8)
    with np.errstate(all="ignore"):
        every = np.arange(1 << width).astype(f"u{np.dtype(dtype).itemsize}").view(dtype).astype(F32)
        between = np.concatenate([(every[1:].astype(np.float64) + every[:-1]) / 2]).astype(F32)
        x = np.concatenate([_reals(25), every, between, np.nextafter(between, F32(0)),
                            np.nextafter(between, F32(np.inf))])
        if name == "f4E2M1FN":
            x = x[~np.isnan(x)]
        if name == "f8E8M0FNU":
            x = x[~(x < 0) & ~np.signbit(x) & ((x == 0) | (x >= 2.0**-126))]
            x = x[x != 0]
        right = x.astype(dtype).astype(F32)
    body = [f"%s = arith.truncf %x : f32 to {name}", f"%r = arith.extf %s : {name} to f32"]
    _check(_run(tmp_path, body, [x], F32, expand), right, 0, x)
    # Bits there and back.
    numbers = every[~np.isnan(every)]
    word = np.arange(1 << width, dtype=I32)[~np.isnan(every)]
    body = [f"%s = arith.trunci %x : i32 to i{width}", f"%t = arith.bitcast %s : i{width} to {name}",
            f"%r = arith.extf %t : {name} to f32"]
    _check(_run(tmp_path, body, [word], F32, expand), numbers, 0, word)
    body = [f"%s = arith.truncf %x : f32 to {name}", f"%t = arith.bitcast %s : {name} to i{width}",
            f"%r = arith.extui %t : i{width} to i32"]
    assert np.array_equal(_run(tmp_path, body, [numbers], I32, expand), word)


def test_before_and_after(tmp_path):
    """A body of several operations gives the same in both forms."""
    x = np.random.default_rng(26).standard_normal(1000).astype(F32)
    body = ["%a = math.exp %x : f32", "%b = math.sin %a : f32", "%c = arith.divf %b, %a : f32",
            "%d = math.erf %c : f32", "%r = math.powf %a, %d : f32"]
    before = _run(tmp_path, body, [x], F32, expand=False)
    np.testing.assert_allclose(_run(tmp_path, body, [x], F32, expand=True), before, rtol=5e-6)
