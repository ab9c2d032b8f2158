"""What members did with the pages they were served: M1 to M3, each with its known weakness beside it.

A session id of None or "" belongs to no session and is left out.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipelines.metrics.intervals import Floats


def engagement_rate(sessions: Iterable[str], clicked: Iterable[str]) -> float:
    """M1: sessions with a click / sessions, in [0, 1]; NaN without sessions.

    sessions: the ids of all sessions. clicked: the session of each click; clicks of other sessions do not count.

    Weakness: a click that leaves at once counts like one that led to an evening's watching, so titles and pictures
    that promise too much raise it.
    """
    opened = {s for s in sessions if s}
    return len(opened & set(clicked)) / len(opened) if opened else float("nan")


def videos_watched(watched_seconds: npt.ArrayLike, minutes: float = 2.0) -> int:
    """M2: watches of more than ``minutes`` minutes; NaN seconds do not count.

    Weakness: a few boring minutes before giving up count like a film seen to its end, and short titles hardly can.
    """
    return int(np.sum(np.asarray(watched_seconds, dtype=np.float64) > minutes * 60))


def session_time(sessions: npt.ArrayLike, watched_seconds: npt.ArrayLike) -> Floats:
    """M3: seconds spent on recommended content in each session that had any, (sessions,), in order of session id.

    sessions, watched_seconds: (watches,), of watches that an impression led to; NaN seconds count as none.

    Weakness: it rewards long and endless titles. One episode of a series that brings the member back tomorrow weighs
    less than a film that is left running, and a member who finds the right title fast spends less time, not more.
    """
    named = np.array([s or "" for s in np.asarray(sessions, dtype=object)], dtype=np.str_)
    kept, seconds = named != "", np.nan_to_num(np.asarray(watched_seconds, dtype=np.float64))
    ids, codes = np.unique(named[kept], return_inverse=True)
    return np.bincount(codes, weights=seconds[kept], minlength=len(ids)).astype(np.float64)
