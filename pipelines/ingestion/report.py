"""What an import did, in numbers: for each table rows_in = published + duplicates + quarantined."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class TableReport:
    """``published`` counts rows that are new in the lake or replaced an older version of themselves.

    ``duplicates`` are rows equal to another of the import or of the lake in every column. ``reasons`` sum to
    ``quarantined``: a row with several faults counts under the first.
    """

    rows_in: int = 0
    published: int = 0
    duplicates: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass
class IngestReport:
    """One TableReport for each table that had rows, by the table's name."""

    tables: dict[str, TableReport] = field(default_factory=dict)

    def table(self, name: str) -> TableReport:
        """The report of one table, begun when it is first asked for."""
        return self.tables.setdefault(name, TableReport())

    @property
    def rows_in(self) -> int:
        return sum(t.rows_in for t in self.tables.values())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"tables": {n: asdict(t) | {"reasons": dict(t.reasons)} for n, t in self.tables.items()}}
