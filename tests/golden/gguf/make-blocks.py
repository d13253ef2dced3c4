"""Writes blocks.safetensors: random blocks of every quantised GGUF type and what the Python package `gguf` makes of them.

    pip install gguf==0.19.0 numpy && python3 tests/golden/gguf/make-blocks.py

An independent implementation of the dequantisers; the seed is fixed, so the file is the same each time.
"""
import json
import pathlib
import struct

import numpy as np
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

BLOCKS = 24
# Positions of the f16 scales in a block: they must be finite and of ordinary size.
HALVES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
          T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}

rng = np.random.default_rng(20261124)
tensors = {}
for kind, halves in HALVES.items():
    _, size = GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in halves:
        scales = (rng.standard_normal(BLOCKS) * 10.0 ** rng.integers(-6, 2, BLOCKS)).astype(np.float16)
        data[:, at:at + 2] = scales.view(np.uint8).reshape(BLOCKS, 2)
    tensors[f"{kind.name}/blocks"] = ("U8", data)
    tensors[f"{kind.name}/values"] = ("F32", quants.dequantize(data, kind).astype(np.float32))

header, blob = {}, b""
for name in sorted(tensors, key=lambda n: (tensors[n][0] != "F32", n)):
    dtype, array = tensors[name]
    raw = array.tobytes()
    header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(blob), len(blob) + len(raw)]}
    blob += raw
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
path = pathlib.Path(__file__).with_name("blocks.safetensors")
path.write_bytes(struct.pack("<Q", len(text)) + text + blob)
print(path.name, path.stat().st_size, "bytes")
