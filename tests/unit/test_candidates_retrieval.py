"""Exact retrieval, and the index that answers in its place beyond a size: what it may miss, and what it may not."""

import numpy as np
import pytest

from pipelines.candidates.index import IndexConfig, Lists
from pipelines.candidates.retrieval import Retrieval, RetrievalConfig
from pipelines.core.contracts import Codes, Floats

MEDIA, WIDTH, K = 20_000, 32, 100
INDEXED = RetrievalConfig(index_from=1)
NONE = np.empty(0, dtype=np.int64)


def tastes(seed: int) -> Floats:
    """Vectors around a hundred tastes, popular and unpopular ones; each twentieth was never fitted."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, WIDTH + 1) ** -0.5
    centres = rng.standard_normal((100, WIDTH)) * spectrum
    vectors = centres[rng.integers(0, 100, MEDIA)] + 0.7 * spectrum * rng.standard_normal((MEDIA, WIDTH))
    vectors *= np.exp(0.5 * rng.standard_normal((MEDIA, 1)))
    vectors[::20] = 0
    return vectors.astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> Floats:
    return tastes(5)


@pytest.fixture(scope="module")
def indexed(vectors: Floats) -> Retrieval:
    return Retrieval(vectors, INDEXED)


def queries(vectors: Floats) -> Floats:
    rng = np.random.default_rng(6)
    return np.array([vectors[rng.integers(0, MEDIA, 8)].mean(axis=0) for _ in range(40)])


def shared(one: Codes, other: Codes) -> float:
    return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(one.tolist(), other.tolist(), strict=True)]))


def test_the_index_finds_nearly_all_that_the_exact_product_finds(vectors: Floats, indexed: Retrieval) -> None:
    asked = queries(vectors)
    exact, _ = Retrieval(vectors).best(asked, K, [NONE] * len(asked))
    found, scores = indexed.best(asked, K, [NONE] * len(asked))
    assert shared(exact, found) > 0.9
    assert (found >= 0).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    product = (vectors[found] @ asked[:, :, None])[:, :, 0]
    np.testing.assert_allclose(scores, product, rtol=1e-4, atol=1e-5)


def test_the_index_is_exact_where_it_reads_everything(vectors: Floats) -> None:
    asked = queries(vectors)[:5]
    own = [NONE] * len(asked)
    reads_all = RetrievalConfig(index_from=1, index=IndexConfig(read=1.0))
    exact, found = (Retrieval(vectors, config).best(asked, K, own)[1] for config in (RetrievalConfig(), reads_all))
    np.testing.assert_allclose(exact, found, rtol=1e-4, atol=1e-5)


def test_an_index_leaves_out_the_history_and_what_was_never_fitted(vectors: Floats, indexed: Retrieval) -> None:
    asked = queries(vectors)[:5]
    first, _ = indexed.best(asked, K, [NONE] * 5)
    own = [row[:30].astype(np.int64) for row in first]
    codes, _ = indexed.best(asked, K, own)
    for row, left_out in zip(codes, own, strict=True):
        assert len(set(row.tolist())) == K
        assert not set(row.tolist()) & set(left_out.tolist())
        assert (row % 20 != 0).all()


def test_an_index_made_twice_is_the_same(vectors: Floats) -> None:
    one, other = (Lists.of(vectors[:5000], np.arange(5000), IndexConfig()) for _ in range(2))
    np.testing.assert_array_equal(one.codes, other.codes)
    np.testing.assert_array_equal(one.centres, other.centres)


@pytest.mark.parametrize("config", [RetrievalConfig(), INDEXED], ids=["exact", "index"])
def test_a_query_that_knows_nothing_and_a_catalogue_without_vectors_get_nothing(config: RetrievalConfig) -> None:
    ones, zeros = np.ones((3, 2), dtype=np.float32), np.zeros((3, 2), dtype=np.float32)
    for vectors, asked in ((ones, zeros[:1]), (zeros, ones[:1]), (zeros[:0], ones[:1])):
        codes, scores = Retrieval(vectors, config).best(asked, 2, [NONE])
        assert codes.tolist() == [[-1, -1]]
        assert np.isneginf(scores).all()


@pytest.mark.parametrize("config", [RetrievalConfig(), INDEXED], ids=["exact", "index"])
def test_what_is_said_to_be_unknown_is_not_proposed(config: RetrievalConfig) -> None:
    known = np.array([True, False, True])
    asked = np.ones((1, 2), dtype=np.float32)
    codes, _ = Retrieval(np.ones((3, 2), dtype=np.float32), config, known).best(asked, 3, [NONE])
    assert sorted(codes[0].tolist()) == [-1, 0, 2]


def test_more_than_an_index_holds_is_padded() -> None:
    codes, _ = Retrieval(np.ones((3, 2), dtype=np.float32), INDEXED).best(np.ones((1, 2), np.float32), 5, [NONE])
    assert sorted(codes[0].tolist()) == [-1, -1, 0, 1, 2]
