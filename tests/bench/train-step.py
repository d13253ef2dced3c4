"""One REINFORCE step of SVF in PyTorch: rollouts with transformers' `generate` and its KV cache, gradient, AdamW.

Made as fast as we know how: W' is composed once for the rollouts (no factored linears while generating), answers are generated in
left-padded batches, the gradient runs over right-padded batches of answers with logits for answer tokens alone.
Called by train-step.ts: one JSON request on stdin, one JSON line on stdout for each step.
"""
import json
import sys
import time

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_grad_enabled(True)


def main():
    ask = json.load(sys.stdin)
    torch.set_num_threads(ask["threads"])
    torch.manual_seed(ask["seed"])
    tokenizer = AutoTokenizer.from_pretrained(ask["model"], padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(ask["model"], dtype=torch.float32).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    multipliers = load_file(ask["multipliers"])
    factors, parameters = decompose(model, multipliers)
    optimiser = torch.optim.AdamW(list(parameters.values()), lr=ask["learningRate"], weight_decay=0.0)
    prompts = [
        tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        for messages in ask["prompts"]
    ]
    for batches in ask["batches"]:
        ask["promptBatch"], ask["gradientBatch"] = batches["prompts"], batches["answers"]
        print(json.dumps(step(ask, model, tokenizer, factors, parameters, optimiser, prompts)), flush=True)


def decompose(model, multipliers):
    factors, parameters = {}, {}
    for name, m in multipliers.items():
        u, s, vt = torch.linalg.svd(model.get_parameter(name).double(), full_matrices=False)
        factors[name] = tuple(x.float() for x in (u, s, vt))
        parameters[name] = torch.nn.Parameter(torch.logit(m.clamp(1e-6, 1 - 1e-6)))
    return factors, parameters


def compose(factors, parameters):
    """W' = U diag(s·m·c) Vᵀ with c = Σs / Σ(s·m), as the published code."""
    composed = {}
    for name, (u, s, vt) in factors.items():
        scaled = s * torch.sigmoid(parameters[name])
        composed[name] = (u * (scaled * (s.sum() / scaled.sum()))) @ vt
    return composed


def step(ask, model, tokenizer, factors, parameters, optimiser, prompts):
    began = time.perf_counter()
    with torch.no_grad():
        for name, weight in compose(factors, parameters).items():
            model.get_parameter(name).copy_(weight)
        answers = rollouts(ask, model, tokenizer, prompts)
    sampled = time.perf_counter()
    samples = ask["samples"]
    rewards = torch.tensor([1.0, -1.0]).repeat(len(answers) // 2).view(-1, samples)
    advantages = rewards - (rewards.sum(1, keepdim=True) - rewards) / (samples - 1)
    advantages = (advantages / advantages.std().clamp(min=1e-6)).flatten()
    gradient(ask, model, tokenizer, factors, parameters, answers, advantages)
    norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
    optimiser.step()
    optimiser.zero_grad()
    done = time.perf_counter()
    return {
        "rolloutSeconds": sampled - began,
        "gradientSeconds": done - sampled,
        "tokens": sum(len(answer) for _, answer in answers),
        "gradientNorm": norm.item(),
    }


def rollouts(ask, model, tokenizer, prompts):
    """(prompt ids, answer ids) of every answer, the end token included."""
    answers = []
    for start in range(0, len(prompts), ask["promptBatch"]):
        batch = tokenizer(prompts[start : start + ask["promptBatch"]], return_tensors="pt", padding=True, add_special_tokens=False)
        out = model.generate(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            num_return_sequences=ask["samples"],
            max_new_tokens=ask["maxTokens"],
            pad_token_id=tokenizer.pad_token_id,
        )
        ends = model.generation_config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends])
        width = batch.input_ids.shape[1]
        for row in range(out.shape[0]):
            source = row // ask["samples"]
            prompt = batch.input_ids[source][batch.attention_mask[source].bool()].tolist()
            answer = out[row, width:].tolist()
            end = next((i for i, token in enumerate(answer) if token in ends), len(answer) - 1)
            answers.append((prompt, answer[: end + 1]))
    return answers


def gradient(ask, model, tokenizer, factors, parameters, answers, advantages):
    """d/dp of the mean of −advantage·Σ log π. Backward goes through W' once, whatever the number of batches."""
    names = list(factors)
    composed = compose(factors, parameters)
    leaves = {name: composed[name].detach().requires_grad_() for name in names}
    order = sorted(range(len(answers)), key=lambda i: len(answers[i][0]) + len(answers[i][1]))
    for start in range(0, len(order), ask["gradientBatch"]):
        chosen = order[start : start + ask["gradientBatch"]]
        rows = [answers[i][0] + answers[i][1] for i in chosen]
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), tokenizer.pad_token_id)
        weight = torch.zeros(len(rows), width - 1)
        for k, i in enumerate(chosen):
            ids[k, : len(rows[k])] = torch.tensor(rows[k])
            weight[k, len(answers[i][0]) - 1 : len(rows[k]) - 1] = advantages[i] / len(answers)
        # Right padding needs no mask: causal attention does not look there, and its weight in the loss is 0.
        logits = torch.func.functional_call(model, leaves, (ids[:, :-1],), {"use_cache": False}).logits
        counted = weight != 0
        targets = ids[:, 1:][counted]
        log_probs = -torch.nn.functional.cross_entropy(logits[counted], targets, reduction="none")
        (-(log_probs * weight[counted]).sum()).backward()
    torch.autograd.backward([composed[name] for name in names], [leaves[name].grad for name in names])


main()
