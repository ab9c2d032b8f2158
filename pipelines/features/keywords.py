"""The words of a synopsis that say most of it (X7): tf-idf against the synopses that were known by its day."""

import math
from collections import Counter
from collections.abc import Sequence

COUNT = 5


def keywords(since: Sequence[int], synopses: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The COUNT words of each synopsis with the highest tf-idf, best first; of equals the one that comes first.

    since: the day on which each became known, ascending. A synopsis weighs once, however many episodes share it, and
    only from its first day on: what comes later changes no keyword of today.
    """
    seen: set[tuple[str, ...]] = set()
    holding: Counter[str] = Counter()
    found: list[tuple[str, ...]] = []
    done = 0
    while done < len(since):
        end = done
        while end < len(since) and since[end] == since[done]:
            end += 1
        texts = synopses[done:end]
        new = [text for text in dict.fromkeys(texts) if text and text not in seen]
        seen.update(new)
        for text in new:
            holding.update(set(text))
        best = {text: _best(text, holding, len(seen)) for text in dict.fromkeys(texts)}
        found += [best[text] for text in texts]
        done = end
    return found


def _best(text: tuple[str, ...], holding: Counter[str], known: int) -> tuple[str, ...]:
    score = {word: round(times * math.log((1 + known) / holding[word]), 9) for word, times in Counter(text).items()}
    return tuple(sorted(score, key=lambda word: -score[word])[:COUNT])
