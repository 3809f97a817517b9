"""Go template tokens to a tree, as Go's text/template/parse has it.

Rules: what Go's parser refuses is refused; a function must exist; variables must be declared above
their use in the text (whether they are at run time, `lower` decides). Nesting is bounded, because
the compiled code is nested as the template is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches

from subscriber.model.reason import Reason
from subscriber.template import literals
from subscriber.template.lexer import Kind, Token, lex, lex_pipeline
from subscriber.template.nodes import (
    Action,
    Bool,
    Break,
    Chain,
    Command,
    Continue,
    Dot,
    Field,
    Identifier,
    If,
    Invoke,
    Nil,
    Node,
    NumberLiteral,
    Operand,
    Pipe,
    Range,
    String,
    Text,
    Tree,
    Variable,
    With,
)
from subscriber.template.problem import TemplateError

MAX_PARENTHESES = 40
MAX_NESTED_ACTIONS = 60
MAX_NESTED_RANGES = 18  # Python's own limit for nested loops is 20

_OPERAND_KINDS = frozenset(
    {
        Kind.BOOL, Kind.CHAR_CONSTANT, Kind.COMPLEX, Kind.DOT, Kind.FIELD, Kind.IDENTIFIER,
        Kind.NUMBER, Kind.NIL, Kind.RAW_STRING, Kind.STRING, Kind.VARIABLE, Kind.LEFT_PAREN,
    }
)  # fmt: skip
_END = (Kind.END, Kind.ELSE)


def parse(source: str, *, name: str, functions: Iterable[str]) -> Tree:
    """Parse a template and everything it defines.

    Args:
        source: the template text.
        name: the main template's name, also used in errors.
        functions: the names that may be called.

    Raises:
        TemplateError: TEMPLATE_SYNTAX.
    """
    return _Parser(source, name, lex(source, name), frozenset(functions)).tree()


def parse_pipeline(source: str, *, name: str, functions: Iterable[str]) -> Pipe:
    """Parse one pipeline written without braces.

    Raises:
        TemplateError: TEMPLATE_SYNTAX.
    """
    parser = _Parser(source, name, lex_pipeline(source, name), frozenset(functions))
    return parser.pipeline("condition", Kind.RIGHT_DELIM)


def is_empty(nodes: Iterable[Node]) -> bool:
    """Whether a template body is nothing but white space."""
    return all(isinstance(node, Text) and not node.text.strip() for node in nodes)


class _Parser:
    def __init__(
        self, source: str, name: str, tokens: Iterator[Token], functions: frozenset[str]
    ) -> None:
        self.source = source
        self.name = name
        self.tokens = tokens
        self.functions = functions
        self.pushed: list[Token] = []
        self.variables = ["$"]
        self.ranges = 0  # ranges around us in this definition: break is allowed
        self.depth = 0
        self.parentheses = 0
        self.opened: list[tuple[str, int]] = []
        self.templates: dict[str, tuple[Node, ...]] = {}

    # -- tokens --------------------------------------------------------------------------------

    def next(self) -> Token:
        return self.pushed.pop() if self.pushed else next(self.tokens)

    def back(self, *tokens: Token) -> None:
        """Push tokens back; the last argument is read again first."""
        self.pushed.extend(tokens)

    def peek(self) -> Token:
        token = self.next()
        self.back(token)
        return token

    def next_non_space(self) -> Token:
        token = self.next()
        while token.kind is Kind.SPACE:
            token = self.next()
        return token

    def peek_non_space(self) -> Token:
        token = self.next_non_space()
        self.back(token)
        return token

    def fail(self, message: str, offset: int, hint: str = "") -> TemplateError:
        return TemplateError.at(
            Reason.TEMPLATE_SYNTAX,
            message,
            name=self.name,
            source=self.source,
            offset=offset,
            hint=hint,
        )

    def unexpected(self, token: Token, context: str, hint: str = "") -> TemplateError:
        if token.kind is Kind.EOF and self.opened:
            keyword, offset = self.opened[-1]
            return self.fail(f"{{{{{keyword}}}}} is never closed", offset, "add {{end}}")
        return self.fail(f"unexpected {token} in {context}", token.offset, hint)

    def expect(self, kinds: tuple[Kind, ...], context: str, hint: str = "") -> Token:
        token = self.next_non_space()
        if token.kind not in kinds:
            raise self.unexpected(token, context, hint)
        return token

    # -- structure -----------------------------------------------------------------------------

    def tree(self) -> Tree:
        nodes: list[Node] = []
        while True:
            token = self.peek()
            if token.kind is Kind.EOF:
                break
            if token.kind is Kind.LEFT_DELIM:
                self.next()
                keyword = self.next_non_space()
                if keyword.kind is Kind.DEFINE:
                    self.define(keyword)
                    continue
                self.back(keyword, token)
            node = self.text_or_action()
            if isinstance(node, Token):
                raise self.fail(
                    f"{{{{{node.kind}}}}} without an {{{{if}}}}, {{{{range}}}} or {{{{with}}}}",
                    node.offset,
                )
            nodes.append(node)
        self.add(self.name, tuple(nodes), 0)
        return Tree(main=self.name, templates=self.templates)

    def add(self, name: str, nodes: tuple[Node, ...], offset: int) -> None:
        """Register a template; one that is empty never replaces one that is not."""
        if name not in self.templates or is_empty(self.templates[name]):
            self.templates[name] = nodes
        elif not is_empty(nodes):
            raise self.fail(f'the template "{name}" is defined twice', offset)

    def define(self, keyword: Token) -> None:
        token = self.expect((Kind.STRING, Kind.RAW_STRING), "define", 'write {{define "name"}}')
        name = self.unquoted(token)
        self.expect((Kind.RIGHT_DELIM,), "define")
        self.add(name, self.definition("define", keyword.offset), token.offset)

    def definition(self, keyword: str, offset: int) -> tuple[Node, ...]:
        """The body of a define or block: its own variables, no loop to break out of."""
        outer = self.variables, self.ranges
        self.variables, self.ranges = ["$"], 0
        body, end = self.items(keyword, offset)
        if end.kind is not Kind.END:
            raise self.fail(f"{{{{else}}}} does not belong to a {keyword}", end.offset)
        self.variables, self.ranges = outer
        return body

    def items(self, keyword: str, offset: int) -> tuple[tuple[Node, ...], Token]:
        """Nodes up to the {{end}} or {{else}} of the construct that `keyword` opened."""
        self.depth += 1
        if self.depth > MAX_NESTED_ACTIONS:
            raise self.fail(f"more than {MAX_NESTED_ACTIONS} actions inside one another", offset)
        self.opened.append((keyword, offset))
        nodes: list[Node] = []
        while self.peek_non_space().kind is not Kind.EOF:
            node = self.text_or_action()
            if isinstance(node, Token):
                self.opened.pop()
                self.depth -= 1
                return tuple(nodes), node
            nodes.append(node)
        raise self.unexpected(self.peek_non_space(), keyword)

    def text_or_action(self) -> Node | Token:
        """A node, or the token of an {{end}} or {{else}}."""
        token = self.next_non_space()
        if token.kind is Kind.TEXT:
            return Text(offset=token.offset, text=token.text)
        if token.kind is Kind.LEFT_DELIM:
            return self.action()
        raise self.unexpected(token, "the template")

    def action(self) -> Node | Token:
        token = self.next_non_space()
        control = _CONTROLS.get(token.kind)
        if control is not None:
            return control(self, token)
        if token.kind is Kind.DEFINE:
            raise self.fail("{{define}} must stand at the top level", token.offset)
        self.back(token)
        pipe = self.pipeline("action", Kind.RIGHT_DELIM)
        return Action(offset=pipe.offset, pipe=pipe)

    def control_end(self, token: Token) -> Token:
        self.expect((Kind.RIGHT_DELIM,), "end", "{{end}} stands alone")
        return token

    def control_else(self, token: Token) -> Token:
        following = self.peek_non_space()
        if following.kind not in (Kind.IF, Kind.WITH):
            self.expect((Kind.RIGHT_DELIM,), "else", "write {{else}} or {{else if ...}}")
        return token

    def control_jump(self, token: Token) -> Node:
        self.expect((Kind.RIGHT_DELIM,), str(token.kind))
        if not self.ranges:
            raise self.fail(f"{{{{{token.kind}}}}} outside {{{{range}}}}", token.offset)
        node = Break if token.kind is Kind.BREAK else Continue
        return node(offset=token.offset)

    def control_branch(self, token: Token) -> Node:
        keyword = token.kind
        mark = len(self.variables)
        pipe = self.pipeline(str(keyword), Kind.RIGHT_DELIM)
        is_range = keyword is Kind.RANGE
        if is_range:
            self.ranges += 1
            if self.ranges > MAX_NESTED_RANGES:
                raise self.fail(
                    f"more than {MAX_NESTED_RANGES} ranges inside one another", token.offset
                )
        body, end = self.items(str(keyword), token.offset)
        if is_range:
            self.ranges -= 1
        orelse: tuple[Node, ...] | None = None
        if end.kind is Kind.ELSE:
            following = self.peek()
            if following.kind is keyword and keyword is not Kind.RANGE:
                orelse = (self.else_branch(self.next()),)
            else:
                orelse, end = self.items(str(keyword), token.offset)
                if end.kind is not Kind.END:
                    raise self.fail("a second {{else}}", end.offset, "only one is allowed")
        del self.variables[mark:]
        return _BRANCHES[keyword](offset=token.offset, pipe=pipe, body=body, orelse=orelse)

    def else_branch(self, token: Token) -> Node:
        """An ``else if``: a chain of them is not deeper than one, up to a bound of its own."""
        self.depth += 1
        if self.depth > MAX_NESTED_ACTIONS:
            raise self.fail(f"more than {MAX_NESTED_ACTIONS} alternatives", token.offset)
        node = self.control_branch(token)
        self.depth -= 1
        return node

    def control_block(self, token: Token) -> Node:
        name = self.template_name("block")
        pipe = self.pipeline("block", Kind.RIGHT_DELIM)
        self.add(name, self.definition("block", token.offset), token.offset)
        return Invoke(offset=token.offset, name=name, pipe=pipe)

    def control_template(self, token: Token) -> Node:
        name = self.template_name("template")
        pipe = None
        following = self.next_non_space()
        if following.kind is not Kind.RIGHT_DELIM:
            self.back(following)
            pipe = self.pipeline("template", Kind.RIGHT_DELIM)
        return Invoke(offset=token.offset, name=name, pipe=pipe)

    def template_name(self, context: str) -> str:
        hint = f'write {{{{{context} "name" .}}}}'
        return self.unquoted(self.expect((Kind.STRING, Kind.RAW_STRING), context, hint))

    def unquoted(self, token: Token) -> str:
        try:
            return literals.unquote(token.text)
        except ValueError as error:
            raise self.fail(str(error), token.offset) from None

    # -- pipelines -----------------------------------------------------------------------------

    def pipeline(self, context: str, end: Kind) -> Pipe:
        offset = self.peek_non_space().offset
        variables, assigns = self.declarations(context)
        commands: list[Command] = []
        while True:
            token = self.next_non_space()
            if token.kind is end:
                break
            if token.kind not in _OPERAND_KINDS:
                raise self.unexpected(token, context, self.advice(token))
            self.back(token)
            commands.append(self.command())
        if not commands:
            raise self.fail(f"the {context} has no value", token.offset, "write e.g. .data.result")
        for command in commands[1:]:
            first = command.operands[0]
            if isinstance(first, Bool | Dot | Nil | NumberLiteral | String):
                raise self.fail(
                    "after | must come a function", first.offset, "this value takes no argument"
                )
        return Pipe(
            offset=offset, commands=tuple(commands), variables=tuple(variables), assigns=assigns
        )

    def advice(self, token: Token) -> str:
        if token.kind is Kind.CHAR and token.text in "<>!&+*/":
            return "Go templates have functions for this: eq, ne, lt, gt, and, or, not, add"
        if token.kind is Kind.CHAR and token.text in "{}":
            return "an action is {{ ... }}, without further braces"
        if token.kind is Kind.ASSIGN:
            return "compare with eq; a variable is set with {{$x = ...}}"
        return ""

    def declarations(self, context: str) -> tuple[list[Variable], bool]:
        """The ``$x :=``, ``$x =`` or ``$i, $x :=`` in front of a pipeline."""
        variables: list[Variable] = []
        while (token := self.peek_non_space()).kind is Kind.VARIABLE:
            self.next_non_space()
            spaces = []
            following = self.next()
            while following.kind is Kind.SPACE:
                spaces.append(following)
                following = self.next()
            variable = Variable(offset=token.offset, name=token.text)
            if following.kind in (Kind.ASSIGN, Kind.DECLARE):
                self.variables.append(token.text)
                return [*variables, variable], following.kind is Kind.ASSIGN
            if following.kind is Kind.CHAR and following.text == ",":
                self.variables.append(token.text)
                variables.append(variable)
                if context != "range" or len(variables) == 2:
                    raise self.fail(f"too many variables in {context}", token.offset)
                after = self.peek_non_space()
                if after.kind not in (Kind.VARIABLE, Kind.RIGHT_DELIM, Kind.RIGHT_PAREN):
                    raise self.unexpected(after, "range", "write {{range $index, $element := ...}}")
                continue
            self.back(following, *spaces[:1], token)
            break
        return variables, False

    def command(self) -> Command:
        offset = self.peek_non_space().offset
        operands: list[Operand] = []
        while True:
            self.peek_non_space()
            operand = self.operand()
            if operand is not None:
                operands.append(operand)
            token = self.next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT_DELIM, Kind.RIGHT_PAREN):
                self.back(token)
            elif token.kind is not Kind.PIPE:
                raise self.unexpected(token, "an operand", self.advice(token) or _SPACE_ADVICE)
            break
        if not operands:
            raise self.fail("nothing stands before the |", token.offset)
        return Command(offset=offset, operands=tuple(operands))

    def operand(self) -> Operand | None:
        term = self.term()
        if term is None or self.peek().kind is not Kind.FIELD:
            return term
        names: list[str] = []
        offset = self.peek().offset
        while self.peek().kind is Kind.FIELD:
            names.append(self.next().text[1:])
        if isinstance(term, Field):
            return Field(offset=term.offset, names=term.names + tuple(names))
        if isinstance(term, Variable):
            return Variable(offset=term.offset, name=term.name, names=tuple(names))
        if isinstance(term, Bool | String | NumberLiteral | Nil | Dot):
            raise self.fail(
                f"a field cannot follow {self.source[term.offset : offset]}",
                offset,
                'the value of a map is read with index, e.g. (index .data "x").url',
            )
        return Chain(offset=term.offset, operand=term, names=tuple(names))

    def term(self) -> Operand | None:
        token = self.next_non_space()
        make = _TERMS.get(token.kind)
        if make is None:
            self.back(token)
            return None
        return make(self, token)

    def term_identifier(self, token: Token) -> Operand:
        if token.text not in self.functions:
            near = get_close_matches(token.text, self.functions, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise self.fail(
                f'there is no function "{token.text}"',
                token.offset,
                f"{hint}A value of the event starts with a dot: .{token.text}",
            )
        return Identifier(offset=token.offset, name=token.text)

    def term_variable(self, token: Token) -> Operand:
        if token.text not in self.variables:
            near = get_close_matches(token.text, self.variables[1:], 1)
            hint = (
                f"did you mean {near[0]}?" if near else f"declare it: {{{{{token.text} := ...}}}}"
            )
            raise self.fail(f"the variable {token.text} is not declared", token.offset, hint)
        return Variable(offset=token.offset, name=token.text)

    def term_number(self, token: Token) -> Operand:
        try:
            if token.kind is Kind.COMPLEX:
                raise ValueError("complex numbers are not supported")
            value = (
                literals.Number(token.text, literals.character(token.text))
                if token.kind is Kind.CHAR_CONSTANT
                else literals.number(token.text)
            )
        except ValueError as error:
            raise self.fail(str(error), token.offset) from None
        return NumberLiteral(offset=token.offset, number=value)

    def term_parenthesis(self, token: Token) -> Operand:
        self.parentheses += 1
        if self.parentheses > MAX_PARENTHESES:
            raise self.fail(
                f"more than {MAX_PARENTHESES} parentheses inside one another", token.offset
            )
        pipe = self.pipeline("parenthesis", Kind.RIGHT_PAREN)
        self.parentheses -= 1
        return pipe


_SPACE_ADVICE = "operands are separated by spaces"

_BRANCHES: dict[Kind, type[If] | type[With] | type[Range]] = {
    Kind.IF: If,
    Kind.WITH: With,
    Kind.RANGE: Range,
}

_CONTROLS: dict[Kind, Callable[[_Parser, Token], Node | Token]] = {
    Kind.BLOCK: _Parser.control_block,
    Kind.BREAK: _Parser.control_jump,
    Kind.CONTINUE: _Parser.control_jump,
    Kind.ELSE: _Parser.control_else,
    Kind.END: _Parser.control_end,
    Kind.IF: _Parser.control_branch,
    Kind.RANGE: _Parser.control_branch,
    Kind.TEMPLATE: _Parser.control_template,
    Kind.WITH: _Parser.control_branch,
}

_TERMS: dict[Kind, Callable[[_Parser, Token], Operand]] = {
    Kind.IDENTIFIER: _Parser.term_identifier,
    Kind.DOT: lambda _, token: Dot(offset=token.offset),
    Kind.NIL: lambda _, token: Nil(offset=token.offset),
    Kind.VARIABLE: _Parser.term_variable,
    Kind.FIELD: lambda _, token: Field(offset=token.offset, names=(token.text[1:],)),
    Kind.BOOL: lambda _, token: Bool(offset=token.offset, value=token.text == "true"),
    Kind.CHAR_CONSTANT: _Parser.term_number,
    Kind.COMPLEX: _Parser.term_number,
    Kind.NUMBER: _Parser.term_number,
    Kind.LEFT_PAREN: _Parser.term_parenthesis,
    Kind.STRING: lambda p, token: String(offset=token.offset, value=p.unquoted(token)),
    Kind.RAW_STRING: lambda p, token: String(offset=token.offset, value=p.unquoted(token)),
}
