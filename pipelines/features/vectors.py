"""Feature vectors as bytes, for the log of what serving used: compressed JSON, from which nothing can be executed.

A float keeps every bit (its shortest decimal form is read back as the same number); absent is null.
"""

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

Vectors = dict[str, list[Any]]
"""Feature -> one value a row (a number, a word, a list, or None); a single one stands for all rows."""


def pack(features: Mapping[str, np.ndarray]) -> bytes:
    """Columns as serving holds them: (n,) numbers or objects, or packed (n, d); no width is absent."""
    plain = {name: [_plain(value) for value in column] for name, column in features.items()}
    return zlib.compress(json.dumps(plain, ensure_ascii=False).encode(), level=6)


def unpack(content: bytes) -> Vectors:
    """What was packed."""
    found: Vectors = json.loads(zlib.decompress(content))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size else None
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value
