"""Whether a value read from JSON is what a TypedDict says."""

import types
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict


def faults(value, wanted, where="metrics") -> list[str]:
    """The places where ``value`` is not of the type ``wanted``; no key may be missing or too many."""
    if get_origin(wanted) is NotRequired:
        wanted = get_args(wanted)[0]
    if is_typeddict(wanted):
        hints = get_type_hints(wanted, include_extras=True)
        needed = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
        wrong = sorted(needed - value.keys()) + sorted(value.keys() - hints.keys())
        found = [f"{where}: {name}" for name in wrong]
        for name in value.keys() & hints.keys():
            found += faults(value[name], hints[name], f"{where}.{name}")
        return found
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return [] if any(not faults(value, part) for part in parts) else [f"{where} is {value!r}"]
    if origin is Literal:
        return [] if value in parts else [f"{where} is {value!r}"]
    if origin is dict:
        return [f for k, v in value.items() for f in faults(k, parts[0], where) + faults(v, parts[1], f"{where}.{k}")]
    if origin in (list, tuple):  # JSON has no tuples
        each = parts if origin is tuple or not isinstance(value, list) else parts * len(value)
        if not isinstance(value, list) or len(value) != len(each):
            return [f"{where} is {value!r}"]
        return [fault for i, part in enumerate(each) for fault in faults(value[i], part, f"{where}[{i}]")]
    return [] if wanted is Any or isinstance(value, wanted) else [f"{where} is {value!r}"]
