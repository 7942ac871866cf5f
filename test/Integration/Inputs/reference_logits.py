"""reference_logits.py PREFIX TOKENS: inputs of a first run of the exporter's small random model as PREFIX.NAME.npy,
the logits after its last token by the NumPy reference in PREFIX.expected.npy, and the options of lpu-host and
lpu-run that name them in PREFIX.options. Caches are left out: they start as zeros."""
import sys

import numpy as np
from lpu.export import parse_random
from lpu.models.checkpoint import random_checkpoint
from lpu.models.reference import Reference

prefix, count = sys.argv[1], int(sys.argv[2])
tokens = np.random.default_rng(2).integers(0, 256, count)
inputs = {
    "input_ids": tokens[None],
    "position_ids": np.arange(count)[None],
    "write_indices": np.zeros(1, np.int64),
    "nonpad_kv_seqlen": np.array([count]),
    "logits_index": np.array([count - 1]),
}
for name, array in inputs.items():
    np.save(f"{prefix}.{name}.npy", array)
reference = Reference(random_checkpoint(parse_random(""), 0), 64)
np.save(f"{prefix}.expected.npy", reference.logits(list(tokens))[-1].astype(np.float32)[None, None])
with open(f"{prefix}.options", "w") as file:
    file.write("\n".join(f"--input {name}={prefix}.{name}.npy" for name in inputs))
