"""Optimiser steps by PyTorch in float64, for tests/unit/trainer/optimiser.test.ts. Run: python make-optimiser.py > optimiser.json

Each case: parameters that start as given, gradients that are a fixed formula of the parameters and the step, so that
every step depends on the one before. After each step: parameters, gradient norm before clipping, learning rate.
"""
import json

import torch

START = [0.3, -0.2, 1.5, 0.0, -1e-3]
STEPS = 12


def gradient(p, step):
    """sin(3p + i) + 0.1·(step + 1)·p, i = position."""
    return torch.sin(3 * p + torch.arange(len(p), dtype=torch.float64)) + 0.1 * (step + 1) * p


def run(case):
    p = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    kind = torch.optim.AdamW if case["optimiser"] == "adamw" else torch.optim.Adam
    optimiser = kind(
        [p],
        lr=case["learningRate"],
        betas=(case["beta1"], case["beta2"]),
        eps=case["epsilon"],
        weight_decay=case["weightDecay"],
    )
    schedule = scheduler(optimiser, case)
    steps = []
    for step in range(STEPS):
        p.grad = gradient(p.detach(), step) * case["gradientScale"]
        limit = case["clipNorm"] if case["clipNorm"] > 0 else float("inf")
        norm = torch.nn.utils.clip_grad_norm_([p], limit)
        rate = optimiser.param_groups[0]["lr"]
        optimiser.step()
        if schedule:
            schedule.step()
        steps.append({"parameters": p.detach().tolist(), "gradientNorm": norm.item(), "learningRate": rate})
    return {"settings": case, "start": START, "steps": steps}


def scheduler(optimiser, case):
    """Linear warm-up to the full rate in its last step, then cosine to 0, from PyTorch's own parts."""
    lr = torch.optim.lr_scheduler
    warm = case["warmUpSteps"]
    if case["schedule"] == "constant":
        return lr.LinearLR(optimiser, 1 / warm, 1.0, warm - 1) if warm > 1 else None
    cosine = lr.CosineAnnealingLR(optimiser, STEPS - warm)
    if warm == 0:
        return cosine
    linear = lr.LinearLR(optimiser, 1 / warm, 1.0, warm - 1)
    return lr.SequentialLR(optimiser, [linear, cosine], milestones=[warm])


BASE = dict(
    optimiser="adam", learningRate=2e-3, beta1=0.9, beta2=0.999, epsilon=1e-8, weightDecay=0.0,
    schedule="constant", warmUpSteps=0, clipNorm=1e-3, steps=STEPS, gradientScale=1.0,
)
CASES = [
    BASE,
    {**BASE, "optimiser": "adamw", "learningRate": 0.05, "schedule": "cosine", "warmUpSteps": 5, "clipNorm": 1.0},
    {**BASE, "optimiser": "adamw", "weightDecay": 0.1, "learningRate": 0.01, "clipNorm": 0.0},
    {**BASE, "optimiser": "adam", "weightDecay": 0.1, "learningRate": 0.01, "clipNorm": 0.5, "beta1": 0.8, "beta2": 0.95},
    {**BASE, "schedule": "cosine", "clipNorm": 10.0, "epsilon": 1e-3, "warmUpSteps": 2},
    {**BASE, "gradientScale": 1e-6, "clipNorm": 1.0},
]
print(json.dumps({"made": f"PyTorch {torch.__version__.split('+')[0]}, float64", "cases": [run(c) for c in CASES]}, indent=1))
