"""TemplateError: what is wrong with a template, where, and what to do about it.

Rules: every error of this package has a line and a column; the source line is shown with a caret;
values of the event are quoted only through `excerpt`.
"""

from __future__ import annotations

from subscriber.model.problem import KEY_SHAPED, Problem
from subscriber.model.reason import Reason

_WIDEST = 100


class TemplateError(Problem):
    """A template that cannot be compiled or rendered.

    Attributes:
        reason: TEMPLATE_SYNTAX, TEMPLATE_EXECUTION or TEMPLATE_LIMIT.
        name: name of the template.
        line, column: counted from 1, in characters.
        source_line: that line of the template.
        message, where, hint: as in Problem; `where` is ``name:line:column``.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        name: str,
        line: int,
        column: int,
        source_line: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(reason, message, where=f"{name}:{line}:{column}", hint=hint)
        self.name = name
        self.line = line
        self.column = column
        self.source_line = source_line

    @classmethod
    def at(
        cls, reason: Reason, message: str, *, name: str, source: str, offset: int, hint: str = ""
    ) -> TemplateError:
        """The error at a character offset of the source (clamped to it)."""
        offset = max(0, min(offset, len(source)))
        begin = source.rfind("\n", 0, offset) + 1
        end = source.find("\n", begin)
        return cls(
            reason,
            message,
            name=name,
            line=source.count("\n", 0, offset) + 1,
            column=offset - begin + 1,
            source_line=source[begin : end if end >= 0 else len(source)],
            hint=hint,
        )

    def caret(self) -> str:
        """The source line and a caret under the column, cut to about 100 characters.

        Templates that came from Keptn often hold a routing key; it is masked before it is cut.
        """
        first = max(0, self.column - 1 - _WIDEST * 2 // 3)
        line = KEY_SHAPED.sub(lambda found: "*" * len(found[0]), self.source_line)
        shown = line[first : first + _WIDEST]
        left = "..." if first else ""
        right = "..." if first + _WIDEST < len(self.source_line) else ""
        # A tab is as wide in the caret line as in the line above it.
        before = self.source_line[first : self.column - 1]
        gap = " " * len(left) + "".join("\t" if c == "\t" else " " for c in before)
        return f"    {left}{shown}{right}\n    {gap}^"

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}\n{self.caret()}"
        return f"{text}\n{self.hint}" if self.hint else text
