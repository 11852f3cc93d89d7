"""How the small results of an archive show themselves."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Iterator


class Summary(ABC):
    """Something that shows itself as lines with a name and a text, or as a table in a notebook."""

    @abstractmethod
    def summary(self) -> Iterator[tuple[str, str]]:
        """Yield the lines."""

    def __repr__(self) -> str:
        lines = [f"{name}: {text}" for name, text in self.summary()]
        return f"{type(self).__name__}\n  " + "\n  ".join(lines)

    def _repr_html_(self) -> str:
        left = "style='text-align:left'"
        rows = "".join(
            f"<tr><th {left}>{name}</th><td {left}>{html.escape(text)}</td></tr>"
            for name, text in self.summary()
        )
        return f"<table><caption>{type(self).__name__}</caption>{rows}</table>"
