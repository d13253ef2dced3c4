"""Values between the judge and the candidate: JSON, with tags for what JSON does not have. Both ends are Python."""

import json
import os

CHANNEL_FD = 3
SMALL = 1 << 53


def lines():
    """What arrives, a line at a time."""
    return open(CHANNEL_FD, "r", encoding="utf-8", newline="\n", closefd=False)


def writer():
    """Where lines go out."""
    return open(CHANNEL_FD, "w", encoding="utf-8", newline="\n", closefd=False)


def be_quiet():
    """From here on complaints go nowhere, as what is printed does: nobody reads them, and a flood of them would cost zmesh its time."""
    nowhere = os.open("/dev/null", os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def say(out, line):
    out.write(line + "\n")
    out.flush()


def dumps(value, opaque):
    """`value` as JSON; `opaque(value)` gives the tag of an object that is not plain data."""
    return json.dumps(encode(value, opaque))


def encode(value, opaque):
    # Subclasses become what they extend: a dict that overrides equality is a dict again on the other side.
    if value is None or isinstance(value, (bool, str)):
        return value if value is None or isinstance(value, bool) else str.__str__(value)
    if isinstance(value, int):
        number = int.__add__(value, 0)
        return number if -SMALL < number < SMALL else {"t": "int", "v": hex(number)}
    if isinstance(value, float):
        return float.__add__(value, 0.0)
    if isinstance(value, complex):
        return {"t": "complex", "v": [value.real, value.imag]}
    if isinstance(value, (bytes, bytearray)):
        return {"t": "bytes", "v": bytes(value).hex()}
    if isinstance(value, list):
        return [encode(item, opaque) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return {"t": "tuple", "v": [encode(item, opaque) for item in tuple.__iter__(value)]}
    for kind in (set, frozenset):
        if isinstance(value, kind):
            return {"t": kind.__name__, "v": [encode(item, opaque) for item in kind.__iter__(value)]}
    if isinstance(value, dict):
        return {"t": "dict", "v": [[encode(k, opaque), encode(v, opaque)] for k, v in dict.items(value)]}
    return opaque(value)


def loads(text, opaque):
    """A value from JSON; `opaque(tag)` gives the object of a tag. Only data is made: nothing that arrives is run."""
    return decode(json.loads(text), opaque)


def decode(value, opaque):
    if isinstance(value, list):
        return [decode(item, opaque) for item in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value["t"], value["v"]
    if kind == "int":
        return int(inner, 16)
    if kind == "complex":
        return complex(*inner)
    if kind == "bytes":
        return bytes.fromhex(inner)
    if kind == "dict":
        return {decode(k, opaque): decode(v, opaque) for k, v in inner}
    if kind in ("tuple", "set", "frozenset"):
        return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](decode(item, opaque) for item in inner)
    return opaque(value)
