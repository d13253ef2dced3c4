"""Runs an answer's program and calls its functions when the judge asks. What it prints goes nowhere."""

import json
import random

import wire


def main():
    source, out = wire.lines(), wire.writer()
    wire.be_quiet()
    wire.say(out, "ready")
    program = json.loads(source.readline())["program"]
    space = {"__name__": "__answer__"}
    objects = []
    fault = run(program, space)
    for line in source:
        reply = fault or call(json.loads(line), space, objects)
        wire.say(out, reply)


def run(program, space):
    random.seed(0)
    try:
        exec(compile(program, "answer", "exec"), space)
    except BaseException as error:
        return raised(error)
    return None


def call(request, space, objects):
    def opaque(value):
        objects.append(value)
        return {"t": "object", "v": len(objects) - 1, "n": type(value).__name__}

    def known(tag):
        return objects[tag["v"]]

    try:
        function = space.get(request["name"])
        if function is None:
            raise NameError("the program has no " + request["name"])
        args = [wire.decode(value, known) for value in request["args"]]
        named = {key: wire.decode(value, known) for key, value in request["named"].items()}
        return '{"value": ' + wire.dumps(function(*args, **named), opaque) + "}"
    except BaseException as error:
        return raised(error)


def raised(error):
    try:
        text = str(error)[:500]
    except BaseException:
        text = ""
    return json.dumps({"raised": type(error).__name__, "text": text})


main()
