"""Inputs and comparison of MBPP+ and HumanEval+ as EvalPlus 0.3.1 defines them (Apache-2.0, github.com/evalplus/evalplus):
its data stores tuples, sets and complex numbers as lists and texts, and a few tasks accept more than one result."""

import math

TUPLE_ITEMS = {2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809}
TUPLES_IN_LISTS = {63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780}
FIRST_LIST_OF_TUPLES = {75, 413, 444, 753}
FIRST_TUPLE = {250, 307, 405, 446, 617, 720, 763, 808}
SECOND_TUPLE = {106, 750}
TUPLES_OF_TUPLES = {259, 401, 445}
ALL_TUPLES = {580, 615, 791}

SAME_SET = {
    "similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly",
    "larg_nnum", "intersection_array", "find_dissimilar", "Diff",
}
NOT_NONE = {"check_str", "text_match_three", "text_starta_endb"}


def typed_inputs(task, inputs):
    """Inputs with the types that a task of MBPP+ takes; those of other data as they are. `task`: `Mbpp/2`."""
    source, _, number = task.partition("/")
    if source != "Mbpp":
        return inputs
    return [typed(int(number), row) for row in inputs]


def typed(number, row):
    if number in TUPLE_ITEMS:
        return [tuple(item) for item in row]
    if number in TUPLES_IN_LISTS:
        return [[tuple(item) for item in items] for items in row]
    if number in FIRST_LIST_OF_TUPLES:
        return [[tuple(item) for item in row[0]], row[1]]
    if number in FIRST_TUPLE:
        return [tuple(row[0]), *row[1:]]
    if number in SECOND_TUPLE:
        return [row[0], tuple(row[1])]
    if number in TUPLES_OF_TUPLES:
        return [tuple(tuple(item) for item in items) for items in row]
    if number in ALL_TUPLES:
        return deep_tuple(row)
    if number == 115:
        return [[set(item) if isinstance(item, list) and item else {} for item in row[0]]]
    if number == 124:
        return [float(row[0]), complex(row[1])]
    if number == 252:
        return [complex(row[0])]
    if number == 278:
        return [tuple(tuple(item) if isinstance(item, list) else item for item in row[0])]
    if number == 722:
        return [{key: tuple(value) for key, value in row[0].items()}, *row[1:]]
    return row


def deep_tuple(value):
    return tuple(deep_tuple(item) for item in value) if isinstance(value, list) else value


def expected(oracle, name, result):
    """What a result of the reference stands for."""
    return result is not None if oracle == "mbpp" and name in NOT_NONE else result


def same(oracle, name, row, found, wanted, atol):
    """True if EvalPlus takes `found` for right."""
    if oracle == "humaneval" and name == "find_zero":
        return abs(sum(c * math.pow(found, power) for power, c in enumerate(row[0]))) <= atol
    equal = special(name, row, found, wanted, atol) if oracle == "mbpp" else found == wanted
    if atol == 0 and is_floats(wanted):
        atol = 1e-6
    if equal or atol == 0:
        return bool(equal)
    return type(found) is type(wanted) and all_close(found, wanted, atol)


def special(name, row, found, wanted, atol):
    if name == "are_equivalent":
        return True
    if name == "sum_div":
        return found == wanted or found == 0
    if name == "surface_Area":
        return found == wanted or abs(found - surface_area(*row)) <= atol
    if name == "digit_distance_nums":
        return found == wanted or found == digit_distance(*row)
    if name in SAME_SET:
        return set(found) == set(wanted)
    if name in NOT_NONE:
        return found == wanted if isinstance(found, bool) else wanted == (found is not None)
    return found == wanted


def surface_area(base_edge, height):
    slant = math.sqrt((base_edge / 2) ** 2 + height**2)
    return round(base_edge**2 + 4 * (base_edge * slant) / 2)


def digit_distance(first, second):
    a, b = str(first), str(second)
    width = max(len(a), len(b))
    return sum(abs(int(x) - int(y)) for x, y in zip(a.zfill(width), b.zfill(width)))


def is_floats(value):
    if isinstance(value, float):
        return True
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(item, float) for item in value)


def all_close(found, wanted, atol):
    """numpy.allclose with rtol 1e-7 on numbers and nested lists of them; other data is not close."""
    if isinstance(wanted, (list, tuple)):
        if not isinstance(found, (list, tuple)) or len(found) != len(wanted):
            return False
        return all(all_close(a, b, atol) for a, b in zip(found, wanted))
    if not isinstance(found, (int, float, complex)) or not isinstance(wanted, (int, float, complex)):
        return False
    return found == wanted or abs(found - wanted) <= atol + 1e-7 * abs(wanted)
