"""models/octo-nano/golden.json by PyTorch and transformers: what the embedded model answers under its experts.

Run: python make.py > ../../../models/octo-nano/golden.json (PyTorch 2, transformers 4 or 5, safetensors, tokenizers; CPU, f32).
Nothing of zmesh is used: the factors are torch.linalg.svd's in float64, W' = U diag(s*m) V^T is composed as a dense weight, answers
are transformers' greedy `generate`, the checks of answers below were written from the words of docs/tasks.md.

accuracy: of the first 200 test questions of each task under no expert, each expert, and the mean of the three.
confusion: label of the question -> label that was written, by the plain prompt and under the classification expert.
answers: greedy ids and text of the first four questions of each task.
"""
import json
import pathlib
import re
import sys
from collections import Counter, defaultdict
from decimal import Decimal

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

MODEL = pathlib.Path(__file__).resolve().parents[3] / "models" / "octo-nano"
TASKS = ["arithmetic", "arithmetic-two-step", "list-program", "list-program-two-step", "ordering", "ordering-six", "compare", "greeting"]
EXPERTS = ["math", "code", "reasoning"]
QUESTIONS = 200
SHOWN = 4
BATCH = 200
END = 2
LABELS = ["math", "code", "reasoning", "other"]


def operations():
    return {
        "reverse": lambda x: x[::-1],
        "sort": sorted,
        "double": lambda x: x + x,
        "tail": lambda x: x[1:],
        "init": lambda x: x[:-1],
        "rotate": lambda x: x[1:] + x[:1],
        "swap": lambda x: x if len(x) < 2 else [x[-1], *x[1:-1], x[0]],
        "plus": lambda x: [(d + 1) % 10 for d in x],
    }


def last(pattern, text):
    found = re.findall(pattern, text)
    return found[-1] if found else None


def right(text, verifier):
    kind = verifier["type"]
    if kind == "number":
        found = last(r"\banswer (-?\d+(?:\.\d+)?)(?![.,]?\d)", text)
        return found is not None and Decimal(found) == Decimal(verifier["value"])
    if kind == "word":
        return last(r"\banswer ([A-Za-z]+)", text) == verifier["value"]
    if kind in ("exact", "label"):
        return text.strip() == verifier["value"].strip()
    program = last(r"\bf = ([a-z]+(?: then [a-z]+)*)", text)
    if program is None:
        return False
    for test in verifier["tests"]:
        value = list(test["input"])
        for name in program.split(" then "):
            if name not in operations():
                return False
            value = operations()[name](value)
        if list(value) != test["output"]:
            return False
    return True


def questions(task, count=None):
    lines = (MODEL / "tasks" / task / "test.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if line.strip()][:count]


class Adapted:
    """The model whose weights can be exchanged for those under a vector of multipliers."""

    def __init__(self):
        self.tokenizer = AutoTokenizer.from_pretrained(MODEL, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
        names = load_file(MODEL / "experts" / "math.safetensors").keys()
        self.base = {name: self.model.get_parameter(name).detach().clone() for name in names}
        self.factors = {
            name: torch.linalg.svd(weight.double(), full_matrices=False) for name, weight in self.base.items()
        }

    @torch.no_grad()
    def under(self, multipliers):
        for name, weight in self.base.items():
            if multipliers is not None:
                u, s, vt = self.factors[name]
                weight = (u * (s * multipliers[name].double())) @ vt
            self.model.get_parameter(name).copy_(weight.float())

    @torch.no_grad()
    def answer(self, items, default_tokens=64):
        answers = []
        for at in range(0, len(items), BATCH):
            part = items[at : at + BATCH]
            texts = []
            for item in part:
                messages = [{"role": "system", "content": item["system"]}] if item.get("system") else []
                messages.append({"role": "user", "content": item["prompt"]})
                texts.append(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
            asked = self.tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")
            limits = [item.get("max_tokens", default_tokens) for item in part]
            out = self.model.generate(
                asked["input_ids"],
                attention_mask=asked["attention_mask"],
                do_sample=False,
                max_new_tokens=max(limits),
                eos_token_id=END,
                pad_token_id=0,
            )
            for row, limit in zip(out[:, asked["input_ids"].shape[1] :].tolist(), limits):
                row = row[:limit]
                cut = row[: row.index(END) + 1] if END in row else row
                answers.append({"ids": cut, "text": self.tokenizer.decode([t for t in cut if t != END])})
        return answers


def main():
    torch.set_num_threads(1)
    adapted = Adapted()
    experts = {name: load_file(MODEL / "experts" / f"{name}.safetensors") for name in [*EXPERTS, "classifier"]}
    ways = {
        "none": None,
        **{name: experts[name] for name in EXPERTS},
        "uniform": {
            matrix: sum(experts[name][matrix].double() for name in EXPERTS) / len(EXPERTS)
            for matrix in adapted.base
        },
    }
    accuracy = {}
    shown = {task: [{"id": q["id"], "prompt": q["prompt"]} for q in questions(task, SHOWN)] for task in TASKS}
    for way, multipliers in ways.items():
        adapted.under(multipliers)
        accuracy[way] = {}
        for task in TASKS:
            items = questions(task, QUESTIONS)
            answers = adapted.answer(items)
            hits = sum(right(a["text"], q["verifier"]) for a, q in zip(answers, items))
            accuracy[way][task] = hits / len(items)
            for entry, answer in zip(shown[task], answers):
                entry[way] = answer
            print(way, task, accuracy[way][task], file=sys.stderr)
    confusion = {}
    for way, multipliers in (("none", None), ("classifier", experts["classifier"])):
        adapted.under(multipliers)
        items = questions("classification")
        counts = defaultdict(Counter)
        for item, answer in zip(items, adapted.answer(items, default_tokens=8)):
            written = answer["text"].strip()
            counts[item["verifier"]["value"]][written if written in LABELS else "nothing of these"] += 1
        confusion[way] = {label: dict(row) for label, row in counts.items()}
        print(way, json.dumps(confusion[way]), file=sys.stderr)
    json.dump({"accuracy": accuracy, "confusion": confusion, "answers": shown}, sys.stdout)


main()
