"""Files as the published code writes them, by PyTorch, for tests/unit/torch. Run: python make.py (PyTorch 2.15).

learnable_params.pt: dict weight name -> nn.Parameter, bf16. policy.pt: state_dict() of its Policy, names by number.
tensors.pt: plain tensors of several types and a view. Refused: a matrix, an unknown global, a pickle that would run a command,
float64, the format before torch 1.6.
expected.json: the values, and sigmoid(p) in float64.
"""
import json
import pathlib
from collections import OrderedDict

import torch

here = pathlib.Path(__file__).parent
torch.manual_seed(3)
NAMES = [f"model.layers.{layer}.mlp.{part}_proj.weight" for layer in (0, 1) for part in ("gate", "up", "down")]
RANKS = [4, 4, 3, 4, 4, 3]


def parameter(rank):
    """As policy/base.py, with a wider spread so that errors show."""
    return torch.nn.Parameter(torch.randn(rank, dtype=torch.bfloat16) * 2 + 0.1)


class Policy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.learnable_params = {name: parameter(rank) for name, rank in zip(NAMES, RANKS)}
        self.learnable_params_module_list = torch.nn.ParameterList(list(self.learnable_params.values()))


policy = Policy()
torch.save(policy.learnable_params, here / "learnable_params.pt")
torch.save(policy.state_dict(), here / "policy.pt")
storage = torch.arange(10, dtype=torch.float32) / 8
torch.save(
    {"f32": storage.clone(), "view": storage[3:7], "f16": storage.half(), "bf16": storage.bfloat16()},
    here / "tensors.pt",
)
torch.save({"matrix": torch.zeros(2, 3)}, here / "refused-matrix.pt")
torch.save({"strided": torch.arange(10.0)[::2]}, here / "refused-stride.pt")
torch.save({"f64": torch.zeros(3, dtype=torch.float64)}, here / "refused-dtype.pt")
torch.save({"path": pathlib.PurePosixPath("/etc/passwd")}, here / "refused-global.pt")
torch.save({"a": torch.zeros(2)}, here / "refused-legacy.pt", _use_new_zipfile_serialization=False)


class Command:
    def __reduce__(self):
        import os

        return os.system, ("touch it-ran",)


torch.save(OrderedDict(a=Command()), here / "refused-command.pt")
json.dump(
    {
        "names": NAMES,
        "p": {name: p.detach().double().tolist() for name, p in policy.learnable_params.items()},
        "m": {name: torch.sigmoid(p.detach().double()).tolist() for name, p in policy.learnable_params.items()},
        "tensors": {"f32": storage.tolist(), "view": storage[3:7].tolist(), "f16": storage.tolist(), "bf16": storage.tolist()},
    },
    open(here / "expected.json", "w"),
    indent=1,
)
