"""Words as codes of a vocabulary."""

from collections.abc import Mapping

from pipelines.core.text import words as words


def codes(text: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The codes of the words of a text, in order, each once; words that the vocabulary has not are left out."""
    return sorted({vocabulary[word] for word in words(text) if word in vocabulary})
