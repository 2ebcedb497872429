"""Tokens of the shell's language to commands, by recursive descent."""

from __future__ import annotations

from dataclasses import dataclass

from evit_nas.fakephone.lexer import Lexer, Token
from evit_nas.fakephone.syntax import (
    AndOr,
    Command,
    For,
    Group,
    If,
    Loop,
    Part,
    Pipeline,
    Redirect,
    Sequence,
    ShellSyntaxError,
    Simple,
    Word,
)

_CLOSERS = frozenset(("then", "elif", "else", "fi", "do", "done", "}"))


def parse(text: str) -> Sequence:
    """Raises ShellSyntaxError."""
    parser = _Parser(Lexer(text, parse).tokens())
    body = parser.sequence()
    if not parser.at_end():
        raise ShellSyntaxError(f"unexpected '{parser.next_text()}'")
    return body


@dataclass(slots=True)
class _Parser:
    tokens: list[Token]
    position: int = 0

    def at_end(self) -> bool:
        return self.position >= len(self.tokens)

    def next_text(self) -> str:
        token = self._peek()
        return token.operator.replace("\n", "newline") or token.plain or "word"

    def _peek(self) -> Token:
        return self.tokens[self.position] if not self.at_end() else Token("end of line")

    def _take(self) -> Token:
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
            return Group(body, True, self._redirects())
        match token.plain:
            case "{":
                self.position += 1
                body = self.sequence()
                self._expect("}")
                return Group(body, False, self._redirects())
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
