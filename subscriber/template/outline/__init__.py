"""What can be known about a template without an event: what it reads and what it may print.

    from subscriber.template.outline import outline

    sketch = outline('{{if eq .data.result "fail"}}trigger{{end}}')
    sketch.texts()     # {"", "trigger"}
    sketch.reads       # {("data", "result")}

Rules: an outline never claims more than holds for every event; where it cannot follow it says so
(`None`, a hole), and whoever asks must take that as "anything". Templates must compile.
"""

from subscriber.template.outline.read import outline, outline_condition
from subscriber.template.outline.sketch import Demand, Path, Sketch, Value

__all__ = ["Demand", "Path", "Sketch", "Value", "outline", "outline_condition"]
