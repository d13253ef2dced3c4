"""The canonical encoding of an adaptation's version (proto/README.md), written a second time; argument: the math expert's version."""
import hashlib
import struct
import sys

hash_ = hashlib.sha256()


def put(field):
    data = field.encode() if isinstance(field, str) else field
    hash_.update(struct.pack("<I", len(data)) + data)


put("zmesh-expert-1")
for text in ["toy", "sums-and-code", "ab" * 32 + ":f64-1", "NORMALISATION_NONE", "EXPERT_KIND_ADAPTATION", "", "sums and products"]:
    put(text)
put("0")
put("0")
put("mixture")
put("2")
put("math@" + sys.argv[1])
put(struct.pack("<d", 0.75))
put("2")
put("down.weight")
put(struct.pack("<d", 0))
put("up.weight")
put(struct.pack("<d", 0.5))
put("base")
put(struct.pack("<d", 0.25))
put("0")
print(hash_.hexdigest())
