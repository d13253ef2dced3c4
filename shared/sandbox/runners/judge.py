"""Runs tests against an answer that runs elsewhere: names that the tests use and nobody here defines are the answer's."""

import ast
import builtins
import copy
import json
import random

import evalplus
import wire


class Unreadable(Exception):
    """The answer's program sent what is no value."""


class Raised(Exception):
    """The answer's program raised something that Python itself does not know."""


class Opaque:
    """An object of the answer's that is not plain data; it can be handed back, and equals itself alone."""

    def __init__(self, tag):
        self.tag = {"t": "object", "v": tag["v"], "n": str(tag["n"])}

    def __eq__(self, other):
        return isinstance(other, Opaque) and self.tag["v"] == other.tag["v"]

    def __hash__(self):
        return hash(self.tag["v"])

    def __repr__(self):
        return "<" + self.tag["n"] + ">"


def opaque_tag(value):
    if isinstance(value, Opaque):
        return value.tag
    raise TypeError("a test passes a " + type(value).__name__ + ", which cannot be sent to the answer's program")


def caller(name, source, out):
    def function(*args, **named):
        request = {
            "name": name,
            "args": [wire.encode(value, opaque_tag) for value in args],
            "named": {key: wire.encode(value, opaque_tag) for key, value in named.items()},
        }
        wire.say(out, "C " + json.dumps(request))
        line = source.readline()
        if line == "":
            raise SystemExit
        return outcome(line)

    function.__name__ = name
    return function


def outcome(line):
    try:
        reply = json.loads(line)
        value = wire.decode(reply["value"], Opaque) if "value" in reply else None
        raised, text = str(reply.get("raised", "")), str(reply.get("text", ""))[:500]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise Unreadable("a result cannot be read: " + type(error).__name__)
    if raised == "":
        return value
    known = getattr(builtins, raised, None)
    if isinstance(known, type) and issubclass(known, Exception) and not issubclass(known, UnicodeError):
        raise known(text)
    raise Raised(raised + ": " + text)


def run_tests(task, source, out):
    space = {"__name__": "__tests__"}
    try:
        exec(compile(task["prompt"], "prompt", "exec"), space)
    except SyntaxError:
        pass  # A signature without a body is no program by itself.
    tests = task["tests"]
    for name in set(task["names"]) | foreign_names(tests, space):
        space[name] = caller(name, source, out)
    random.seed(0)
    exec(compile(tests, "tests", "exec"), space)
    return "all tests pass"


def foreign_names(tests, space):
    """Names that are read in the tests and neither built in, defined by the prompt, nor bound anywhere in the tests."""
    read, bound = set(), set()
    for node in ast.walk(ast.parse(tests)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return read - bound - set(space) - set(dir(builtins))


def compare_outputs(task, source, out):
    """The reference solution, run here, says what each input must give; compared as EvalPlus does."""
    space = {"__name__": "__reference__"}
    exec(compile(task["solution"], "reference", "exec"), space)
    name = task["entryPoint"]
    reference, answer = space[name], caller(name, source, out)
    inputs = evalplus.typed_inputs(task["task"], [row for text in task["inputs"] for row in json.loads(text)])
    for index, row in enumerate(inputs):
        expected = evalplus.expected(task["oracle"], name, reference(*copy.deepcopy(row)))
        found = answer(*copy.deepcopy(row))
        if not evalplus.same(task["oracle"], name, row, found, expected, task["atol"]):
            raise AssertionError("input %d of %d: %.80r instead of %.80r" % (index + 1, len(inputs), found, expected))
    return "all %d inputs give what the reference gives" % len(inputs)


def main():
    source, out = wire.lines(), wire.writer()
    wire.be_quiet()
    wire.say(out, "ready")
    task = json.loads(source.readline())
    run = run_tests if task["kind"] == "tests" else compare_outputs
    try:
        verdict = {"passed": True, "detail": run(task, source, out)}
    except BaseException as error:
        verdict = {"passed": False, "detail": described(error, task)}
    wire.say(out, "V " + json.dumps(verdict))


def described(error, task):
    """The error, and the line of the tests where it was raised."""
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "tests":
            line = trace.tb_lineno
        trace = trace.tb_next
    where = ""
    if line is not None:
        source = task["tests"].splitlines()
        where = " in: " + source[line - 1].strip()[:120] if line <= len(source) else ""
    return (type(error).__name__ + (": " + str(error) if str(error) else "") + where)[:400]


main()
