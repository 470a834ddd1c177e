"""Runs the little of IEC 61131-3's structured text that a page of the documentation has."""

from __future__ import annotations

import re
from types import CodeType

_VARIABLE = re.compile(r"^\s*([\w, ]+?)\s*:\s*([^;]+?)\s*(?::=\s*([^;]+?)\s*)?;")
_WORDS = {"AND": "and", "OR": "or", "NOT": "not", "MOD": "%", "TRUE": "True", "FALSE": "False"}
_SCALES = {"MS": 0.001, "S": 1.0}


class FunctionBlock:
    """A function block: its variables stand in `values`, and each scan runs its body once.

    Args:
        source: of the block, from FUNCTION_BLOCK to END_FUNCTION_BLOCK.
    """

    def __init__(self, source: str) -> None:
        text = re.sub(r"\(\*.*?\*\)", "", source, flags=re.DOTALL)
        head, _, body = text.rpartition("END_VAR")
        found = (_VARIABLE.match(line) for line in head.splitlines())
        self.values: dict[str, object] = {
            name.strip(): _initial(one[2], one[3])
            for one in found
            if one is not None
            for name in one[1].split(",")
        }
        self._code = _compiled(body)

    def scan(self, **inputs: object) -> None:
        """Run the body once with these inputs; other variables keep their values."""
        assert inputs.keys() <= self.values.keys()
        self.values |= inputs
        exec(self._code, {"range": range, "bool": bool}, self.values)


def _initial(kind: str, given: str | None) -> object:
    if array := re.match(r"ARRAY\[0\.\.(\d+)\] OF (\w+)", kind):
        return [_initial(array[2], None) for _ in range(int(array[1]) + 1)]
    if given is not None and (time := re.match(r"T#(\d+)(MS|S)$", given)):
        return int(time[1]) * _SCALES[time[2]]
    if given is not None:
        return int(given)
    return False if kind == "BOOL" else 0


def _compiled(body: str) -> CodeType:
    lines, depth = [], 0
    for line in (one.strip() for one in body.splitlines()):
        if not line or line == "END_FUNCTION_BLOCK":
            continue
        if line.startswith(("END_", "ELSE", "ELSIF")):
            depth -= 1
        if not line.startswith("END_"):
            lines.append("    " * depth + _statement(line))
        depth += line.startswith(("IF", "FOR", "ELSE", "ELSIF"))
    return compile("\n".join(lines), "structured text", "exec")


def _statement(line: str) -> str:
    if line == "ELSE":
        return "else:"
    if found := re.fullmatch(r"(IF|ELSIF) (.*) THEN", line):
        return f"{'if' if found[1] == 'IF' else 'elif'} {_expression(found[2])}:"
    if found := re.fullmatch(r"FOR (\w+) := (\d+) TO (.*) DO", line):
        return f"for {found[1]} in range({found[2]}, {_expression(found[3])} + 1):"
    found = re.fullmatch(r"(\S+) := (.*);", line)
    assert found is not None, line
    value = _expression(found[2])
    if bit := re.fullmatch(r"(\w+\[\d+\])\.(\d+)", found[1]):
        return f"{bit[1]} = {bit[1]} & ~(1 << {bit[2]}) | bool({value}) << {bit[2]}"
    return f"{found[1]} = {value}"


def _expression(text: str) -> str:
    text = re.sub(r"2#([01_]+)", lambda one: str(int(one[1].replace("_", ""), 2)), text)
    text = re.sub(r"16#([0-9A-F]+)", lambda one: str(int(one[1], 16)), text)
    text = re.sub(r"(\w+\[\d+\])\.(\d+)", r"(\1 >> \2 & 1 == 1)", text)
    text = re.sub(r"\b\w+_TO_\w+(?=\()", "", text)
    text = re.sub(r"\b(AND|OR|NOT|MOD|TRUE|FALSE)\b", lambda one: _WORDS[one[1]], text)
    text = text.replace("<>", "!=").replace(" / ", " // ")
    return re.sub(r"(?<![<>!=]) = ", " == ", text)
