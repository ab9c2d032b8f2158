"""How the towers learn: batches worked by hand, and the lazy step beside the plain one."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.candidates.tower_examples import Examples
from pipelines.candidates.tower_feed import Dropped, Feed, distinct
from pipelines.candidates.tower_inputs import Bags
from pipelines.candidates.tower_model import Sizes, Towers, start
from pipelines.candidates.tower_training import step, threads

torch = pytest.importorskip("torch", reason="training the towers needs the extra deep")

NOTHING = Dropped(0.0, 0.0, 0.0, 0.0)
NONE = Bags(np.zeros((6, 0), np.int64), np.zeros((6, 0), np.float32))


def two_members() -> Examples:
    """One member watched 0, 1, 2, 1 in this order, the other 2 and 3; media 4 and 5 nobody."""
    return Examples(
        media=np.array([0, 1, 2, 1, 2, 3]),
        begin=np.array([0, 0, 0, 0, 4, 4]),
        member=np.array([0, 0, 0, 0, 1, 1]),
        chance=np.full(6, 1 / 6),
        weight=np.ones(6, np.float32),
        media_words=NONE,
        member_words=Bags(np.zeros((2, 0), np.int64), np.zeros((2, 0), np.float32)),
        device_words=NONE,
        length_words=np.array([1, 2, 2]),
        vocabulary=np.array(["watched=0", "watched=1"]),
    )


def feed(dropped: Dropped = NOTHING, batch: int = 4, **more: object) -> Feed:
    return Feed(two_members(), np.array([1.0, 0.5], np.float32), dropped, batch, 7, "cpu", **more)


def test_the_history_of_a_watch_is_what_its_member_watched_before_it() -> None:
    found = feed().batch_of(torch.tensor([0, 3, 5]))
    assert found.touched.tolist() == [0, 1, 2, 3]
    there = found.history_weight > 0
    assert there.tolist() == [[False, False], [True, True], [True, False]]
    assert found.touched[found.history][there].tolist() == [2, 1, 2]
    torch.testing.assert_close(found.history_weight, torch.tensor([[0, 0], [2 / 3, 1 / 3], [1, 0]]))
    assert found.about.tolist() == [[1], [2], [2]]


def test_a_target_is_no_negative_for_who_watched_it_before() -> None:
    found = feed().batch_of(torch.tensor([0, 2, 3, 5]))
    assert found.touched[found.targets].tolist() == [0, 1, 2, 3]
    assert found.column.tolist() == [0, 2, 1, 3]
    assert found.own.tolist() == [
        [False, False, False, False],
        [True, True, False, False],
        [False, False, True, False],
        [False, False, True, False],
    ]


def test_the_same_media_as_target_of_two_examples_is_one_column() -> None:
    found = feed().batch_of(torch.tensor([1, 3, 5]))
    assert found.touched[found.targets].tolist() == [1, 3]
    assert found.column.tolist() == [0, 0, 1]


def test_each_target_is_corrected_by_the_chance_that_a_batch_holds_it() -> None:
    found = feed(batch=4).batch_of(torch.tensor([0, 1]))
    expected = np.log([1 - (1 - 1 / 6) ** 4, 1 - (1 - 2 / 6) ** 4]).astype(np.float32)
    np.testing.assert_allclose(found.inclusion.numpy(), expected, rtol=1e-5)


def test_examples_come_as_often_as_their_chance_and_each_process_has_its_own() -> None:
    uneven = replace(two_members(), chance=np.array([3, 1, 1, 1, 1, 1]) / 8)
    drawn = [
        np.concatenate([rows.numpy() for rows in replace(feed(batch=2, place=(rank, 2)), examples=uneven).positions(4)])
        for rank in (0, 1)
    ]
    assert len(drawn[0]) == len(drawn[1]) == 8
    assert np.bincount(np.concatenate(drawn)).tolist() == [6, 2, 2, 2, 2, 2]


def test_dropped_ids_words_and_histories_are_about_the_share_asked_for() -> None:
    some = feed(Dropped(id=0.5, word=0.5, watch=0.0, history=0.5))
    batches = [some.batch_of(torch.tensor([1, 2, 3, 5])) for _ in range(50)]
    assert 0.4 < torch.cat([b.kept for b in batches]).mean() < 0.6
    gone = torch.cat([(b.history_weight == 0).all(1) for b in batches]).float()
    assert 0.4 < gone.mean() < 0.6
    assert all((b.about[(b.history_weight == 0).all(1), 0] == 1).all() for b in batches)


def test_distinct_codes_know_their_place() -> None:
    found, place = distinct(9, torch.tensor([7, 2, 2]), torch.tensor([[4]]))
    assert found.tolist() == [2, 4, 7]
    assert place[found].tolist() == [0, 1, 2]


def towers(members: int = 0) -> Towers:
    return start(Sizes(media=6, media_words=3, member_words=2, dim=4, hidden=5, members=members), 0.1, 7, "cpu")


def test_a_first_lazy_step_is_that_of_dense_adam_and_leaves_the_other_rows_alone() -> None:
    lazy, plain = towers(members=2), towers(members=2)
    batch = feed(members=2).batch_of(torch.tensor([4, 5]))
    step(lazy, batch, torch.optim.Adam(lazy.dense.values(), 0.01), 0.01)
    tables = [plain.media.rows.requires_grad_(), plain.members.rows.requires_grad_()]
    adam = torch.optim.Adam([*tables, *plain.dense.values()], 0.01)
    plain.loss(batch, tables[0][batch.touched], tables[1][batch.members]).backward()
    adam.step()
    torch.testing.assert_close(lazy.media.rows, tables[0].detach())
    torch.testing.assert_close(lazy.members.rows, tables[1].detach())
    for one, other in zip(lazy.dense.values(), plain.dense.values(), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(lazy.media.rows[[0, 1, 4, 5]], towers().media.rows[[0, 1, 4, 5]])


def test_a_member_table_learns_too() -> None:
    model = towers(members=2)
    before = model.members.rows.clone()
    step(model, feed(members=2).batch_of(torch.tensor([5])), torch.optim.Adam(model.dense.values(), 0.01), 0.01)
    step(model, feed(members=2).batch_of(torch.tensor([4, 5])), torch.optim.Adam(model.dense.values(), 0.01), 0.01)
    assert (model.members.rows[0] == before[0]).all()
    assert (model.members.rows[1] != before[1]).any()


def test_torch_has_its_threads_back_afterwards() -> None:
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
