"""The deep ranker: what it reads beside plain columns, served without torch, and explained to the last figure."""

import subprocess
import sys

import numpy as np
import pytest

from pipelines.core.errors import SettingsError
from pipelines.ranking import network_training
from pipelines.ranking.deep import Deep, FittedDeep

ROWS = 1500
MEDIA = np.array([f"m{n:02}" for n in range(20)], dtype=object)


def listed(values):
    """(n,) objects."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def world(seed):
    """Even members watch even titles: only the history tells which they are. Terms and the number say nothing."""
    rng = np.random.default_rng(seed)
    side, title = rng.integers(0, 2, ROWS), rng.integers(0, 20, ROWS)
    history = [tuple(MEDIA[rng.choice(np.arange(s, 20, 2), rng.integers(3, 9))]) for s in side]
    features = {
        "number": rng.normal(size=ROWS).astype(np.float32),
        "word": rng.choice(["a", "b"], ROWS).astype(object),
        "media_id": MEDIA[title],
        "user_history": listed(history),
        "user_search_terms": listed([rng.integers(1, 5, rng.integers(0, 4)).astype(np.float32) for _ in side]),
    }
    return features, (side == title % 2).astype(float)


@pytest.fixture(scope="module", params=["mean", "attention"])
def fitted(request):
    features, label = world(1)
    config = Deep(pooling=request.param, learning_rate=0.01, epochs=12, layers=(32, 16))
    return config.fit(features, label, np.ones(ROWS), label, seed=2)


def test_it_learns_from_what_was_watched_before(fitted):
    features, label = world(3)
    probability = fitted.probability(features)
    assert probability[label == 1].mean() > 0.8
    assert probability[label == 0].mean() < 0.2


def test_numpy_answers_as_torch_did(fitted):
    features, _ = world(3)
    arrays = fitted.inputs.arrays(features)
    rows = network_training.Batches.of(arrays, np.zeros(ROWS), np.ones(ROWS))
    held = {**fitted.network.tables}
    for number, (weights, bias) in enumerate(fitted.network.layers):
        held |= {f"weights {number}": weights, f"bias {number}": bias}
    tensors = {name: network_training.torch().from_numpy(array) for name, array in held.items()}
    config = Deep(pooling="attention" if fitted.network.attention else "mean", layers=(32, 16))
    theirs = network_training.forward(tensors, rows.given, fitted.inputs, config).numpy()
    ours = fitted.network.logit(fitted.network.vectors(fitted.inputs, arrays))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_page_hands_the_same_as_a_training_row(fitted):
    """A page encodes the catalogue once and the member as one row, then repeats that; codes come padded."""
    features, _ = world(3)
    one = {n: np.repeat(features[n][:1], 20, axis=0) for n in features}
    rows = fitted.probability({**one, "media_id": MEDIA})
    catalogue = fitted.encode({"media_id": MEDIA})
    member = {n: features[n][:1] for n in ("number", "word", "user_history")}
    member["user_search_terms"] = np.concatenate([features["user_search_terms"][0], [0.0, 0.0]])[None, :]
    same = {n: np.broadcast_to(v, (20, *v.shape[1:])) for n, v in fitted.encode(member).items()}
    np.testing.assert_allclose(fitted.probability({**catalogue, **same}), rows, rtol=1e-5)


def test_a_stranger_and_a_new_title_are_answered(fitted):
    nothing = {
        "number": np.array([np.nan], np.float32),
        "word": listed([None]),
        "media_id": np.array(["new"]),
        "user_history": listed([()]),
        "user_search_terms": np.zeros((1, 0), np.float32),
    }
    assert np.isfinite(fitted.probability(nothing)).all()
    assert np.isfinite(list(fitted.explain(nothing)[0].values())).all()


def test_an_explanation_says_that_it_was_the_history(fitted):
    features, _ = world(3)
    told = fitted.explain({name: values[:200] for name, values in features.items()})
    strength = {name: np.mean([abs(row[name]) for row in told]) for name in fitted.feature_names}
    assert max(strength, key=lambda name: strength[name]) in ("user_history", "media_id")
    assert strength["user_history"] > 5 * max(strength["number"], strength["word"], strength["user_search_terms"])


def test_serving_needs_no_torch(fitted, tmp_path):
    features, _ = world(3)
    fitted.save(tmp_path)
    expected = FittedDeep.load(tmp_path).probability(features)
    np.savez(tmp_path / "numbers.npz", expected=expected[:1], number=features["number"][:1])
    program = f"""
import sys
sys.modules["torch"] = None
import numpy as np
from pathlib import Path
from pipelines.ranking.deep import FittedDeep
lists = np.empty(1, dtype=object); lists[0] = {features["user_history"][0]!r}
terms = np.array([{features["user_search_terms"][0].tolist()!r}], dtype=np.float32)
kept = np.load(Path({str(tmp_path)!r}) / "numbers.npz")
row = {{"number": kept["number"], "word": np.array([{features["word"][0]!r}], dtype=object),
       "media_id": np.array([{features["media_id"][0]!r}]), "user_history": lists, "user_search_terms": terms}}
ranker = FittedDeep.load(Path({str(tmp_path)!r}))
np.testing.assert_allclose(ranker.probability(row), kept["expected"], rtol=1e-5)
assert len(ranker.explain(row)) == 1
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_fitting_without_torch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    features, label = world(1)
    with pytest.raises(SettingsError, match=r"install marquee\[deep\]"):
        Deep().fit(features, label, np.ones(ROWS), label, seed=1)
