"""The shell's language, as far as tools that drive a phone use it: a recursive-descent parser.

Commands joined by `;`, newline, `&`, `&&`, `||` and `|`; quoting; `$NAME`, `${NAME}`, `$?`, `$$`, `$!`, `$(...)` and
backquotes; redirections; `( )`, `{ }`, `if`, `for`, `while`, `until`, `!`. Not functions, `case`, arithmetic and
here-documents: they are syntax errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

_OPERATORS = ("&&", "||", ";;", ">>", ">&", "<&", "&>", "<<", ";", "&", "|", "(", ")", "<", ">", "\n")
_SPACE = " \t\r"
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
_CLOSERS = frozenset(("then", "elif", "else", "fi", "do", "done", "}"))


class ShellSyntaxError(Exception):
    """A line that the shell cannot read."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a word: literal text, a variable by name, or the output of commands."""

    kind: Literal["text", "variable", "commands"]
    text: str
    quoted: bool
    body: Sequence | None = None


Word = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    """`descriptor` to a file, or to another descriptor where `operator` is `>&`. `&>` is both 1 and 2."""

    descriptor: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """NAME=value ... command arguments."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    body: Sequence
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class If:
    branches: tuple[tuple[Sequence, Sequence], ...]
    otherwise: Sequence | None
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Loop:
    """`while`, or `until` where `wanted` is False."""

    condition: Sequence
    body: Sequence
    wanted: bool
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    name: str
    words: tuple[Word, ...]
    body: Sequence
    redirects: tuple[Redirect, ...] = ()


Command = Simple | Group | If | Loop | For


@dataclass(frozen=True, slots=True)
class Pipeline:
    commands: tuple[Command, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AndOr:
    """`first`, then each pipeline behind its `&&` or `||`."""

    first: Pipeline
    rest: tuple[tuple[str, Pipeline], ...] = ()
    background: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[AndOr, ...]


@dataclass(frozen=True, slots=True)
class _Token:
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


def parse(text: str) -> Sequence:
    """Raises ShellSyntaxError."""
    parser = _Parser(_Lexer(text).tokens())
    body = parser.sequence()
    if not parser.at_end():
        raise ShellSyntaxError(f"unexpected '{parser.next_text()}'")
    return body


@dataclass(slots=True)
class _Lexer:
    text: str
    position: int = 0
    found: list[_Token] = field(default_factory=list)

    def tokens(self) -> list[_Token]:
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
                self.found.append(_Token(operator))
            else:
                self.found.append(self._word_token())
        return self.found

    def _operator(self) -> str:
        return next((name for name in _OPERATORS if self.text.startswith(name, self.position)), "")

    def _word_token(self) -> _Token:
        digit = self.text[self.position]
        if digit in "012" and self.text[self.position + 1 : self.position + 2] in ("<", ">"):
            self.position += 1
            operator = self._operator()
            self.position += len(operator)
            return _Token(operator, descriptor=int(digit))
        return _Token(word=self._word())

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
            return Part("commands", "", quoted, parse(body))
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
        return Part("commands", "", quoted, parse(self.text[start : self.position - 1]))

    def _find(self, character: str, start: int) -> int:
        end = self.text.find(character, start)
        if end < 0:
            raise ShellSyntaxError(f"no closing {character}")
        return end


@dataclass(slots=True)
class _Parser:
    tokens: list[_Token]
    position: int = 0

    def at_end(self) -> bool:
        return self.position >= len(self.tokens)

    def next_text(self) -> str:
        token = self._peek()
        return token.operator.replace("\n", "newline") or token.plain or "word"

    def _peek(self) -> _Token:
        return self.tokens[self.position] if not self.at_end() else _Token("end of line")

    def _take(self) -> _Token:
        token = self._peek()
        self.position += 1
        return token

    def _skip(self, *operators: str) -> None:
        while self._peek().operator in operators:
            self.position += 1

    def _expect(self, word: str) -> None:
        token = self._take()
        if token.plain != word and token.operator != word:
            raise ShellSyntaxError(f"expected '{word}'")

    def sequence(self) -> Sequence:
        items = []
        self._skip("\n")
        while not self.at_end() and self._peek().operator != ")" and self._peek().plain not in _CLOSERS:
            item = self._and_or()
            separator = self._peek().operator
            if separator == "&":
                item = AndOr(item.first, item.rest, background=True)
            items.append(item)
            if separator not in (";", "&", "\n"):
                break
            self.position += 1
            self._skip("\n")
        return Sequence(tuple(items))

    def _and_or(self) -> AndOr:
        first, rest = self._pipeline(), []
        while self._peek().operator in ("&&", "||"):
            operator = self._take().operator
            self._skip("\n")
            rest.append((operator, self._pipeline()))
        return AndOr(first, tuple(rest))

    def _pipeline(self) -> Pipeline:
        negated = self._peek().plain == "!"
        self.position += negated
        commands = [self._command()]
        while self._peek().operator == "|":
            self.position += 1
            self._skip("\n")
            commands.append(self._command())
        return Pipeline(tuple(commands), negated)

    def _command(self) -> Command:
        token = self._peek()
        if token.operator == "(":
            self.position += 1
            body = self.sequence()
            self._expect(")")
            return Group(body, self._redirects())
        match token.plain:
            case "{":
                self.position += 1
                body = self.sequence()
                self._expect("}")
                return Group(body, self._redirects())
            case "if":
                return self._if()
            case "while" | "until":
                self.position += 1
                condition = self.sequence()
                return Loop(condition, self._do(), token.plain == "while", self._redirects())
            case "for":
                return self._for()
        return self._simple()

    def _do(self) -> Sequence:
        self._expect("do")
        body = self.sequence()
        self._expect("done")
        return body

    def _if(self) -> If:
        branches, otherwise = [], None
        self._expect("if")
        while True:
            condition = self.sequence()
            self._expect("then")
            branches.append((condition, self.sequence()))
            closer = self._take().plain
            if closer == "elif":
                continue
            if closer == "else":
                otherwise = self.sequence()
                closer = self._take().plain
            if closer != "fi":
                raise ShellSyntaxError("expected 'fi'")
            return If(tuple(branches), otherwise, self._redirects())

    def _for(self) -> For:
        self._expect("for")
        name = self._take().plain
        self._expect("in")
        words = []
        while (word := self._peek().word) is not None:
            words.append(word)
            self.position += 1
        self._skip(";", "\n")
        return For(name, tuple(words), self._do(), self._redirects())

    def _simple(self) -> Simple:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            token = self._peek()
            if token.word is None:
                found = self._redirects()
                if not found:
                    break
                redirects += found
                continue
            self.position += 1
            assignment = _assignment(token.word) if not words else None
            if assignment is not None:
                assignments.append(assignment)
            else:
                words.append(token.word)
        if not assignments and not words and not redirects:
            raise ShellSyntaxError(f"unexpected '{self.next_text()}'")
        return Simple(tuple(assignments), tuple(words), tuple(redirects))

    def _redirects(self) -> tuple[Redirect, ...]:
        found = []
        while self._peek().operator in (">", ">>", "<", ">&", "&>"):
            token = self._take()
            target = self._take().word
            if target is None:
                raise ShellSyntaxError(f"no target after '{token.operator}'")
            default = 0 if token.operator == "<" else 1
            found.append(Redirect(default if token.descriptor is None else token.descriptor, token.operator, target))
        return tuple(found)


def _assignment(word: Word) -> tuple[str, Word] | None:
    first = word[0]
    name, equals, value = first.text.partition("=")
    if first.kind != "text" or first.quoted or not equals or not name.isidentifier():
        return None
    return name, (Part("text", value, True), *word[1:])
