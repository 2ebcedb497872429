"""Text of the shell's language to tokens: operators, and words with their quoting and expansions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from evit_nas.fakephone.syntax import Part, Sequence, ShellSyntaxError, Word

_OPERATORS = ("&&", "||", ";;", ">>", ">&", "<&", "&>", "<<", ";", "&", "|", "(", ")", "<", ">", "\n")
_FIRST = frozenset(name[0] for name in _OPERATORS)
_SPACE = " \t\r"
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"


@dataclass(frozen=True, slots=True)
class Token:
    """An operator, or a word where `word` is not None. `descriptor`: the digit written before a redirection."""

    operator: str = ""
    word: Word | None = None
    descriptor: int | None = None

    @property
    def plain(self) -> str:
        """The text of an unquoted literal word, else empty: what may be a reserved word."""
        if self.word is None or len(self.word) != 1 or self.word[0].kind != "text" or self.word[0].quoted:
            return ""
        return self.word[0].text


@dataclass(slots=True)
class Lexer:
    """`parse` reads the commands inside `$(...)` and backquotes."""

    text: str
    parse: Callable[[str], Sequence]
    position: int = 0
    found: list[Token] = field(default_factory=list)

    def tokens(self) -> list[Token]:
        """Raises ShellSyntaxError."""
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in _SPACE:
                self.position += 1
            elif self.text.startswith("\\\n", self.position):
                self.position += 2
            elif character == "#":
                end = self.text.find("\n", self.position)
                self.position = len(self.text) if end < 0 else end
            elif operator := self._operator():
                self.position += len(operator)
                self.found.append(Token(operator))
            else:
                self.found.append(self._word_token())
        return self.found

    def _operator(self) -> str:
        if self.text[self.position] not in _FIRST:
            return ""
        return next((name for name in _OPERATORS if self.text.startswith(name, self.position)), "")

    def _word_token(self) -> Token:
        digit = self.text[self.position]
        if digit in "012" and self.text[self.position + 1 : self.position + 2] in ("<", ">"):
            self.position += 1
            operator = self._operator()
            self.position += len(operator)
            return Token(operator, descriptor=int(digit))
        return Token(word=self._word())

    def _word(self) -> Word:
        parts: list[Part] = []
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in _SPACE or (self._operator() and character != "\\"):
                break
            if character == "'":
                end = self._find("'", self.position + 1)
                parts.append(Part("text", self.text[self.position + 1 : end], True))
                self.position = end + 1
            elif character == '"':
                self.position += 1
                parts += self._double_quoted()
            elif character in "$`":
                parts.append(self._expansion(quoted=False))
            elif character == "\\":
                parts.append(Part("text", self.text[self.position + 1 : self.position + 2], True))
                self.position += 2
            else:
                parts.append(Part("text", self._literal(), False))
        return tuple(parts)

    def _literal(self) -> str:
        start = self.position
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in _SPACE or character in "'\"$`\\" or self._operator():
                break
            self.position += 1
        return self.text[start : self.position]

    def _double_quoted(self) -> list[Part]:
        parts = [Part("text", "", True)]
        while True:
            character = self.text[self.position : self.position + 1]
            if not character:
                raise ShellSyntaxError("no closing quote")
            if character == '"':
                self.position += 1
                return parts
            if character in "$`":
                parts.append(self._expansion(quoted=True))
                continue
            if character == "\\" and self.text[self.position + 1 : self.position + 2] in ("$", "`", '"', "\\", "\n"):
                self.position += 1
                character = self.text[self.position].replace("\n", "")
            parts.append(Part("text", character, True))
            self.position += 1

    def _expansion(self, quoted: bool) -> Part:
        if self.text[self.position] == "`":
            end = self._find("`", self.position + 1)
            body = self.text[self.position + 1 : end]
            self.position = end + 1
            return Part("commands", "", quoted, self.parse(body))
        following = self.text[self.position + 1 : self.position + 2]
        if following == "(":
            return self._substitution(quoted)
        if following == "{":
            end = self._find("}", self.position + 2)
            name = self.text[self.position + 2 : end]
            self.position = end + 1
        elif following and following in "?$!#@*0123456789":
            name = following
            self.position += 2
        else:
            start = end = self.position + 1
            while end < len(self.text) and self.text[end] in _NAME_CHARACTERS:
                end += 1
            name, self.position = self.text[start:end], end
            if not name:
                return Part("text", "$", True)
        if not all(character in _NAME_CHARACTERS + "?$!#@*" for character in name):
            raise ShellSyntaxError(f"bad substitution: ${{{name}}}")
        return Part("variable", name, quoted)

    def _substitution(self, quoted: bool) -> Part:
        if self.text.startswith("$((", self.position):
            raise ShellSyntaxError("arithmetic is not supported by this phone")
        start, depth, self.position = self.position + 2, 1, self.position + 2
        while depth:
            character = self.text[self.position : self.position + 1]
            if not character:
                raise ShellSyntaxError("no closing ')'")
            if character in "'\"":
                self.position = self._find(character, self.position + 1)
            depth += {"(": 1, ")": -1}.get(character, 0)
            self.position += 1
        return Part("commands", "", quoted, self.parse(self.text[start : self.position - 1]))

    def _find(self, character: str, start: int) -> int:
        end = self.text.find(character, start)
        if end < 0:
            raise ShellSyntaxError(f"no closing {character}")
        return end
