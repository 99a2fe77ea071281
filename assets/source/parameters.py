"""The parameters of a statement, told apart from the other colons of its SQL.

SQLAlchemy takes every colon before a word for a parameter, in comments and text too.
So each other colon is escaped before SQLAlchemy reads the statement.
"""

import re
from dataclasses import dataclass, field

from assets.ledger.quarantine import ORDERS
from assets.source.errors import WarehouseError

PARAMETERS = ("window_start", "window_end")

_NAMED = " and ".join(f":{name}" for name in PARAMETERS)
_NESTED_COMMENT = re.compile(r"/\*|\*/")
_TOKEN = re.compile(
    r"""
    (?P<comment>/\*)
    # A doubled quote is the end of one text and the beginning of the next.
    | (?P<literal>
        --[^\n]*
        | (?<!\w)[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)
        | '[^']*(?:'|\Z)
        | "[^"]*(?:"|\Z)
        | `[^`]*(?:`|\Z)
        | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
      )
    | (?P<opening>[(\[{])
    | (?P<closing>[)\]}])
    | (?P<colon>:)
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"\w+")
_ESCAPE = "\\"


def bind_parameters(statement: str, text: str) -> str:
    r"""Return a statement whose colons are escaped, except those of its parameters.

    Colons in comments, texts, quoted identifiers, casts, slices and structs are no
    parameters. A colon that is written `\:` is none either.

    Args:
        statement: One of `schemas.EXTRACTS`.
        text: The SQL of the statement.

    Raises:
        WarehouseError: The statement names an unknown parameter, or
            `completed_orders` does not name both bounds of the window.
    """
    scan = _Scan(statement, text)
    bound = scan.run()
    missing = [name for name in PARAMETERS if name not in scan.named]
    if statement == ORDERS and missing:
        got = " and ".join(f":{name}" for name in missing)
        message = (
            f"Extract failed for {statement}: expected a statement that bounds "
            f"`completed_at` by {_NAMED}, got one without {got}. Without both, it "
            f"returns orders of other days. Add `completed_at >= :window_start and "
            f"completed_at < :window_end` to {statement}.sql."
        )
        raise WarehouseError(message)
    return bound


@dataclass
class _Scan:
    """One reading of a statement.

    Attributes:
        named: The parameters that it names.
    """

    statement: str
    text: str
    named: set[str] = field(default_factory=set)
    _parts: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def run(self) -> str:
        """Return the statement with its literal colons escaped."""
        done = 0
        while found := _TOKEN.search(self.text, done):
            self._parts.append(self.text[done : found.start()])
            done = found.end()
            if found["comment"]:
                done = self._end_of_comment(done)
            whole = self.text[found.start() : done]
            if found["colon"]:
                self._parts.append(self._colon(found.start()))
            elif found["literal"] or found["comment"]:
                self._parts.append(_escaped(whole))
            else:
                self._bracket(whole)
        return "".join((*self._parts, self.text[done:]))

    def _bracket(self, bracket: str) -> None:
        if bracket in "([{":
            self._open.append(bracket)
        elif self._open:
            self._open.pop()
        self._parts.append(bracket)

    def _colon(self, position: int) -> str:
        before = self.text[position - 1 : position]
        if before == _ESCAPE:
            return ":"
        word = _WORD.match(self.text, position + 1)
        if word is None or before == ":" or _is_word(before):
            return "\\:"
        if word[0] in PARAMETERS:
            self.named.add(word[0])
            return ":"
        is_part = self._open[-1:] in (["["], ["{"]) or before in {*"'\"`)]}"}
        if is_part:  # of a slice, a struct, or a path into a document
            return "\\:"
        line = self.text.count("\n", 0, position) + 1
        message = (
            f"Extract failed for {self.statement}: expected no parameters but "
            f"{_NAMED}, got unknown parameter :{word[0]} in {self.statement}.sql, "
            f"line {line}. Correct its name; the parameters are {_NAMED}; a literal "
            "colon is written \\:."
        )
        raise WarehouseError(message)

    def _end_of_comment(self, start: int) -> int:
        # PostgreSQL and DuckDB nest comments.
        depth, end = 1, start
        while depth and (found := _NESTED_COMMENT.search(self.text, end)):
            depth += 1 if found[0] == "/*" else -1
            end = found.end()
        return len(self.text) if depth else end


def _is_word(character: str) -> bool:
    return bool(character) and _WORD.match(character) is not None


def _escaped(literal: str) -> str:
    return re.sub(r"(?<!\\):", r"\\:", literal)
