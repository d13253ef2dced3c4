"""Runs the published extraction and comparison code of Transformer² on the cases below and writes what it says.

    python official_cases.py PATH-OF-A-CHECKOUT-OF-SakanaAI/self-adaptive-llms > official-cases.json

Needs sympy and antlr4-python3-runtime==4.11.1. Only functions of the checkout are run; nothing of it is copied.
"""

import ast
import json
import random
import re
import sys
from math import isclose
from pathlib import Path
from typing import Any, Optional, Union

from sympy import N, simplify
from sympy.parsing.latex import parse_latex
from sympy.parsing.sympy_parser import parse_expr

TASKS = Path(sys.argv[1]) / "evaluation/fishfarm/fishfarm/tasks"


def functions_of(name):
    tree = ast.parse((TASKS / name).read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    space = {"re": re, "random": random, "isclose": isclose, "N": N, "simplify": simplify, "parse_latex": parse_latex,
             "parse_expr": parse_expr, "Any": Any, "Optional": Optional, "Union": Union, "Iterable": list}
    exec(compile(tree, name, "exec", flags=__import__("__future__").annotations.compiler_flag), space)
    return space


number = functions_of("language_restricted_math.py")["extract_answer_number"]
arc = functions_of("ai2_arc.py")
math = functions_of("competation_math.py")

NUMBER_GOLDS = ["#### 72", "#### 1,200", "#### -5", "#### 72.9", "so 3 + 4 = 7\n#### 7", "#### .5", "#### 10,000,000"]
NUMBER_ANSWERS = ["72", "The answer is 72.", "$72.00", "1200", "1,200", "200", "-5", "5", "5.0", "72.9", "7 apples and 3", "7", "0",
                  ".5", "none", "", "1e3", "3/7", "10,000,000", "10000000", "000", "7.", "v7x", "7..7", "1.2.3"]
CHOICE_GOLDS = [("A", 4), ("B", 4), ("C", 3), ("C", 4), ("D", 5), ("2", 4), ("I", 4)]
CHOICE_ANSWERS = ["The answer is (C). No: the answer is (B).", "the answer is B", "answer is Carbon", "Answer: B or Answer: C",
                  "Answer: B\nAnswer: C", "answer:D", "Answer:\nC", "I think it is C", "C it is, I think", "(A) and _D", "A rock is heavy",
                  "nothing here", "", "éC or C", "D.", "the answer is (2)", "The Answer is (C)", "The answer is \\boxed{C}", "**C**",
                  "answer is (B", "B C D", "K", "AB", "B1", "the answer is\n(C)"]
MATH_GOLDS = ["50", "\\frac{1}{2}", "(1,2)", "[-2, 7]", "x^2+1", "10,\\!080", "\\text{Evelyn}", "12\\pi", "\\frac{\\sqrt{3}}{2}", None, "0.5",
              "-\\frac{3}{4}", "5 \\text{ cm}", "90^\\circ", "33\\%", "x=5", "2\\sqrt{5}", ".25", "\\$18.90", "3/4", "(3, \\frac{\\pi}{2})", "1e3",
              "\\{1,2\\}", "0", "2^{10}", "-1"]
MATH_ANSWERS = ["\\boxed{0.5}", "\\boxed{0.50}", "\\boxed{5000}", "\\boxed{50.004}", "\\boxed{50.01}", "\\fbox{50}", "\\boxed 50", "\\boxed{50",
                "The answer is: 50.\nSo \\boxed{7}", "The answer is: 50 \\boxed{50}", "The answer is: 50", "The answer is: .", "",
                "\\boxed{1,2}", "\\boxed{[1,2]}", "\\boxed{(1.00001,2)}", "\\boxed{(2,1)}", "\\boxed{(1, 2)}", "\\boxed{\\{1,2\\}}",
                "\\boxed{\\frac12}", "\\boxed{1/2}", "\\boxed{\\dfrac{1}{2}}", "\\boxed{0.5001}", "\\boxed{.5 \\text{ cm}}", "\\boxed{-2,7}",
                "\\boxed{(-2,7)}", "\\boxed{[-2,7]}", "\\boxed{x^{2}+1}", "\\boxed{y=x^2+1}", "\\boxed{10080}", "\\boxed{10,080}", "\\boxed{Evelyn}",
                "\\boxed{\\text{Evelyn}}", "\\boxed{12 \\pi}", "\\boxed{37.7}", "\\boxed{\\sqrt{3}/2}", "\\boxed{\\frac{\\sqrt3}{2}}",
                "\\boxed{-0.75}", "\\boxed{\\frac{-3}{4}}", "\\boxed{-3/4}", "\\boxed{-75}", "\\boxed{5}", "\\boxed{5\\text{ cm}}", "\\boxed{90}",
                "\\boxed{0.33}", "\\boxed{33}", "\\boxed{\\sqrt{20}}", "\\boxed{2\\sqrt5}", "\\boxed{1/4}", "\\boxed{18.9}", "\\boxed{(3,\\pi/2)}",
                "\\boxed{1000}", "\\boxed{0}", "\\boxed{1024}", "\\boxed{-1}", "\\boxed{x = -1}", "\\boxed{a \\text{ or } b \\text{ or } c}"]


def choice_right(answer, gold, options):
    return arc["is_correct"](arc["extract_answer"](answer), gold, ["x"] * options)


def number_right(answer, gold):
    return int(number(gold)) == number(answer)


def plain(value):
    return value if value is None else str(value)


print(json.dumps({
    "number": {"golds": NUMBER_GOLDS, "answers": NUMBER_ANSWERS,
               "right": [[number_right(a, g) for a in NUMBER_ANSWERS] for g in NUMBER_GOLDS]},
    "choice": {"golds": [g for g, _ in CHOICE_GOLDS], "options": [n for _, n in CHOICE_GOLDS], "answers": CHOICE_ANSWERS,
               "right": [[choice_right(a, g, n) for a in CHOICE_ANSWERS] for g, n in CHOICE_GOLDS]},
    "math": {"golds": MATH_GOLDS, "answers": MATH_ANSWERS,
             "right": [[bool(math["is_equiv"](g, math["extract_ans"](a))) for a in MATH_ANSWERS] for g in MATH_GOLDS]},
}, indent=1, ensure_ascii=True))
