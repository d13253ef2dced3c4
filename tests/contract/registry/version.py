"""The canonical encoding of an expert version (proto/README.md), written a second time; prints the version of the test's expert."""
import hashlib
import struct

hash_ = hashlib.sha256()


def put(field):
    data = field.encode() if isinstance(field, str) else field
    hash_.update(struct.pack("<I", len(data)) + data)


put("zmesh-expert-1")
for text in ["toy", "pinned", "ab" * 32 + ":f64-1", "NORMALISATION_NONE", "EXPERT_KIND_TASK", "math", "sums and products"]:
    put(text)
put("1")
put("trainer")
put("by hand")
put("2")
put("down.weight")
put(struct.pack("<2f", 0, 1))
put("up.weight")
put(struct.pack("<3f", 1, 1, 0.5))
print(hash_.hexdigest())
