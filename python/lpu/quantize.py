"""int8 weights with one scale per output channel: symmetric, round half to even."""

import numpy as np

LIMIT = 127


def quantize(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns (int8 of the weight's shape, fp32 scales along `axis`); -128 is not used.

    The scale is max|w| / 127 of the channel in fp32; a channel of zeros gets 1.
    """
    weight = np.asarray(weight, dtype=np.float32)
    others = tuple(i for i in range(weight.ndim) if i != axis % weight.ndim)
    largest = np.abs(weight).max(axis=others)
    if not np.isfinite(largest).all():
        channel = int(np.flatnonzero(~np.isfinite(largest))[0])
        raise ValueError(f"expected finite weights, got {largest[channel]} in channel {channel}")
    scales = np.where(largest > 0, largest / np.float32(LIMIT), np.float32(1)).astype(np.float32)
    # A scale that underflows to zero would divide by zero; such a channel is zero in fp32 anyway.
    scales = np.where(scales > 0, scales, np.float32(1))
    values = np.rint(weight / _along(scales, axis, weight.ndim))
    return np.clip(values, -LIMIT, LIMIT).astype(np.int8), scales


def dequantize(values: np.ndarray, scales: np.ndarray, axis: int) -> np.ndarray:
    """What ONNX's DequantizeLinear gives without a zero point."""
    return values.astype(np.float32) * _along(scales, axis, values.ndim)


def _along(scales: np.ndarray, axis: int, rank: int) -> np.ndarray:
    shape = [1] * rank
    shape[axis] = -1
    return scales.reshape(shape)
