"""From the words of a condition to its tree, by recursive descent."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from workbench.conditions.lexing import words, wrong
from workbench.conditions.nodes import Among, And, Compare, Field, IsNull, Literal, Match, Not, Or
from workbench.errors import RangeError
from workbench.moments import moment_of
from workbench.tables import EVENTS

if TYPE_CHECKING:
    from workbench.conditions.lexing import Word
    from workbench.conditions.nodes import Node
    from workbench.errors import ConditionError

DEEPEST = 50
_JSON = ("data", "metadata")
_SIGNS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_FLIPPED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_VERBS = {"contains": None, "starts": "with", "ends": "with", "matches": None}
_RESERVED = {"and", "or", "not", "in", "is", "null", "true", "false", "between"}
_NUMBERS = {name for name, dtype in EVENTS.schema.items() if dtype.is_integer()}
_AFTER = "compare it: = != < <= > >= contains, starts with, ends with, matches, in (…), is null"


def parsed(text: str) -> Node:
    """Return the tree of a condition.

    Raises
    ------
    ConditionError
        If it cannot be read; the message names the place.
    """
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._words = words(text)
        self._next = 0
        self._depth = 0

    # Words

    @property
    def _word(self) -> Word:
        return self._words[self._next]

    def _take(self) -> Word:
        word = self._word
        self._next = min(self._next + 1, len(self._words) - 1)
        return word

    def _is(self, *texts: str) -> bool:
        word = self._word
        return word.kind in {"name", "sign"} and word.text.lower() in texts

    def _took(self, *texts: str) -> bool:
        is_there = self._is(*texts)
        if is_there:
            self._take()
        return is_there

    def _wrong(self, advice: str, word: Word | None = None) -> ConditionError:
        at = word or self._word
        return wrong(self._text, at.at, f"found {at}", advice)

    def _expect(self, text: str, advice: str) -> None:
        if not self._took(text):
            raise self._wrong(advice)

    # Conditions

    def whole(self) -> Node:
        if self._word.kind == "end":
            raise self._wrong("write a condition such as amount > 100 and currency = 'EUR'")
        node = self._any()
        if self._word.kind != "end":
            raise self._wrong("join conditions by and, or")
        return node

    def _any(self) -> Node:
        found = [self._all()]
        while self._took("or"):
            found.append(self._all())
        return found[0] if len(found) == 1 else Or(tuple(found))

    def _all(self) -> Node:
        found = [self._one()]
        while self._took("and"):
            found.append(self._one())
        return found[0] if len(found) == 1 else And(tuple(found))

    def _one(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"nest no deeper than {DEEPEST}")
        try:
            if self._took("not"):
                return Not(self._one())
            if self._took("("):
                node = self._any()
                self._expect(")", "close the bracket")
                return node
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Node:
        if self._word.kind in {"number", "text"} or self._is("true", "false"):
            first = self._take()
            op = self._sign()
            field = self._field()
            return Compare(_FLIPPED[op], field, self._literal(field, first))
        field = self._field()
        if self._took("is"):
            is_not = self._took("not")
            self._expect("null", "write is null, or is not null")
            return Not(IsNull(field)) if is_not else IsNull(field)
        is_not = self._took("not")
        if self._is("in", "between", *_VERBS):
            node = self._worded(field)
            return Not(node) if is_not else node
        if is_not:
            raise self._wrong("write not in, not between, not contains, and the like")
        return self._signed(field)

    def _signed(self, field: Field) -> Node:
        op = self._sign()
        if self._took("null"):
            raise self._wrong("write is null, or is not null", self._words[self._next - 1])
        if self._word.kind in {"number", "text"} or self._is("true", "false"):
            return Compare(op, field, self._literal(field, self._take()))
        if self._word.kind not in {"name", "quoted"}:
            raise self._wrong("write a number, text between ' and ', or the name of a field")
        return Compare(op, field, self._field())

    def _sign(self) -> str:
        word = self._word
        if word.kind != "sign" or word.text not in _SIGNS:
            raise self._wrong(_AFTER)
        return _SIGNS[self._take().text]

    def _worded(self, field: Field) -> Node:
        verb = self._take().text.lower()
        if verb == "between":
            low = Compare(">=", field, self._value(field))
            self._expect("and", "write between 1 and 9")
            return And((low, Compare("<=", field, self._value(field))))
        if verb == "in":
            return self._among(field)
        if _VERBS[verb]:
            self._expect("with", f"write {verb} with")
        if self._word.kind != "text":
            raise self._wrong("write text between ' and '")
        word = self._take()
        text = _unquoted(word.text)
        if verb == "matches":
            self._check_pattern(text, word)
        if field.column in {*_NUMBERS, "time"}:
            raise self._wrong(f"compare {field.column} with = != < <= > >=", word)
        return Match(verb, field, text)

    def _check_pattern(self, pattern: str, word: Word) -> None:
        try:
            pl.select(pl.lit("").str.contains(pattern))
        except pl.exceptions.PolarsError as error:
            advice = "write a regular expression as Rust's crate regex takes it"
            reason = [line.strip() for line in str(error).splitlines() if line.strip()]
            said = next((line for line in reason if line.startswith("error:")), reason[0])
            raise wrong(self._text, word.at, f"found {word}, {said}", advice) from error

    def _among(self, field: Field) -> Node:
        self._expect("(", "write in (1, 2, 3)")
        values = [self._value(field)]
        while self._took(","):
            values.append(self._value(field))
        self._expect(")", "close the bracket, or put a comma between values")
        return Among(field, tuple(values))

    # Values

    def _value(self, field: Field) -> Literal:
        if self._word.kind not in {"number", "text"} and not self._is("true", "false"):
            raise self._wrong("write a number, text between ' and ', true or false")
        return self._literal(field, self._take())

    def _literal(self, field: Field, word: Word) -> Literal:
        if field.column == "time":
            return self._time(word)
        if field.column in _NUMBERS and word.kind != "number":
            raise self._wrong(f"{field.column} is a number: write one", word)
        if field.column == "tags":
            raise self._wrong("write tags contains 'a tag'", word)
        if word.kind == "number":
            is_whole = re.fullmatch(r"-?\d+", word.text) is not None
            return Literal(int(word.text) if is_whole else float(word.text))
        if word.kind == "text":
            return Literal(_unquoted(word.text))
        return Literal(word.text.lower() == "true")

    def _time(self, word: Word) -> Literal:
        """Return from when to when a time is: a date is a whole day."""
        if word.kind != "text":
            raise self._wrong("write a time as '2025-03-01' or '2025-03-01T12:00'", word)
        text = _unquoted(word.text)
        try:
            return Literal((moment_of(text), moment_of(text, end_of_day=True)))
        except RangeError as error:
            advice = "write a time as '2025-03-01' or '2025-03-01T12:00'"
            raise wrong(self._text, word.at, f"{word} is no time", advice) from error

    def _field(self) -> Field:
        word = self._word
        is_name = word.kind == "name" and word.text.lower() not in _RESERVED
        if not is_name and word.kind != "quoted":
            raise self._wrong("write the name of a field, such as amount or $.address.city")
        self._take()
        name = _unquoted(word.text) if word.kind == "quoted" else word.text
        if word.kind == "name" and name == "$":
            return self._inside(Field("data"), word)
        if word.kind == "name" and name in EVENTS.names:
            return self._inside(Field(name), word)
        self._check_name(name, word)
        return self._inside(Field("data", (name,)), word)

    def _inside(self, field: Field, begin: Word) -> Field:
        """Return the field that a path leads to."""
        while self._is(".", "["):
            if field.column not in _JSON:
                raise self._wrong(f"{field.column} has no fields: write $.{field.column}", begin)
            step: str | int
            if self._take().text == ".":
                word = self._take()
                if word.kind not in {"name", "quoted"}:
                    raise self._wrong("write a name behind the dot", word)
                step = _unquoted(word.text) if word.kind == "quoted" else word.text
            else:
                word = self._take()
                if word.kind == "text":
                    step = _unquoted(word.text)
                elif word.kind == "number" and word.text.isdigit():
                    step = int(word.text)
                else:
                    raise self._wrong("write a place from 0 on, such as lines[0]", word)
                self._expect("]", "close the bracket")
            if isinstance(step, str):
                self._check_name(step, word)
            field = replace(field, path=(*field.path, step))
        return field

    def _check_name(self, name: str, word: Word) -> None:
        if "\\" in name or ("'" in name and '"' in name):
            raise self._wrong("name a field without \\, and not with both ' and \"", word)


def _unquoted(text: str) -> str:
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote) if quote in "'\"`" else text
