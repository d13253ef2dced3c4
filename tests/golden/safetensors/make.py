"""Writes dtypes.safetensors with the Python library (safetensors 0.8.0, numpy 2.4.6): what the tests read it against is in dtypes.json."""
import json
import pathlib

import numpy
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
rng = numpy.random.default_rng(7)
half = numpy.array([0, 0x8000, 1, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x3555, 0xB555], numpy.uint16)
tensors = {
    "f64": rng.standard_normal((2, 3)),
    "f32": rng.standard_normal((3, 5)).astype(numpy.float32),
    "f16": half.view(numpy.float16).reshape(3, 4),
    "i64": numpy.array([-(2**40), 5], numpy.int64),
    "u8": numpy.arange(7, dtype=numpy.uint8),
    "bool": numpy.array([True, False, True]),
    "scalar": numpy.array(2.5, numpy.float32),
    "empty": numpy.zeros((0, 4), numpy.float32),
    "na\"me ✓": numpy.array([1.5], numpy.float32),
}
save_file(tensors, here / "dtypes.safetensors", metadata={"format": "np", "note": "ünïcode \"quoted\""})
floats = {name: t.astype(numpy.float32).flatten().tolist() for name, t in tensors.items() if t.dtype.kind == "f"}
floats = {name: [str(v) if v in (float("inf"), float("-inf")) else v for v in values] for name, values in floats.items()}
(here / "dtypes.json").write_text(json.dumps({"floats": floats, "shapes": {n: t.shape for n, t in tensors.items()}}) + "\n")
