"""The declared columns of a data set as feature columns."""

from typing import Any, Literal

from pipelines.core.dataset import Dataset
from pipelines.features.catalogue import extra


def declared(table: Any, dataset: Dataset, entity: Literal["user", "media"]) -> dict[str, Any]:
    """Feature name -> expression over a users or media table: numbers as floats, lists of texts joined by ``|``."""
    found = {}
    for column in dataset.columns:
        if column.entity != entity:
            continue
        value = table[column.name]
        if column.type == "strings":
            value = value.join("|")
        elif column.type != "string":
            value = value.cast("float64")
        found[extra(column).name] = value
    return found
