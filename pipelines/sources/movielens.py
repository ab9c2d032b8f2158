"""MovieLens (Harper and Konstan 2015) in its official layouts: CSV (latest-small, 25M, ...) and ``::`` text (1M).

A rating becomes a ratings row and a watch with null completion. Nobody logged what was shown, and nothing dates films
and members: they are taken as known from the beginning. tags.csv is not read: a tag is an event of one member at one
time, and a media row, which has one availability, cannot carry it without showing the future to the past.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.dataset import Dataset, ExtraColumn
from pipelines.core.errors import DataError
from pipelines.core.tables import FLOAT, INT, MEDIA, RATINGS, STRING, STRINGS, TIME, USERS, WATCHES
from pipelines.sources import delimited
from pipelines.sources.source import ALWAYS, Batch, Part, Source, fill, folder_of

_RATINGS = {"userId": STRING, "movieId": STRING, "rating": FLOAT, "timestamp": INT}
_MOVIES = {"movieId": STRING, "title": STRING, "genres": STRING}
_USERS = {"userId": STRING, "gender": STRING, "age": INT, "occupation": INT, "zip": STRING}
_YEAR = re.compile(r"^(?P<title>.*?)\s*\((?P<year>\d{4})(?:\s*[-–]\s*\d{0,4})?\)\s*$")
_NO_GENRES = "(no genres listed)"
_UNDER_18 = 1
_OCCUPATIONS = [
    "other or not specified",
    "academic or educator",
    "artist",
    "clerical or admin",
    "college or graduate student",
    "customer service",
    "doctor or health care",
    "executive or managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales or marketing",
    "scientist",
    "self-employed",
    "technician or engineer",
    "tradesman or craftsman",
    "unemployed",
    "writer",
]
_USER_COLUMNS = (
    ExtraColumn(name="occupation", entity="user", type="string", meaning="the member's occupation, as stated"),
    ExtraColumn(name="zip_code", entity="user", type="string", meaning="the member's US postal code, as stated"),
)
_REMEDY = "give --path a MovieLens folder, which holds ratings.csv and movies.csv, or ratings.dat and movies.dat"


def read(path: Path, *, chunk_rows: int = 200_000) -> Source:
    """The data set in ``path``; DataError names what is missing or misshapen."""
    folder = folder_of(path, _REMEDY)
    suffix = next((s for s in (".csv", ".dat") if (folder / f"ratings{s}").exists()), None)
    if suffix is None:
        raise DataError(f"{folder} has no ratings.csv or ratings.dat: {_REMEDY}")
    files = [("movies", _MOVIES, media), ("ratings", _RATINGS, events)]
    if suffix == ".dat":
        files.insert(0, ("users", _USERS, users))
    parts = [_part(folder / f"{name}{suffix}", types, convert, chunk_rows) for name, types, convert in files]
    return Source(_dataset(folder, _USER_COLUMNS if suffix == ".dat" else ()), parts)


def events(rows: pa.Table) -> Iterator[Batch]:
    """Ratings, and a watch of unknown completion for each."""
    at = pc.multiply(rows["timestamp"], 1_000_000).cast(TIME)
    shared = {"user_id": rows["userId"], "media_id": rows["movieId"], "available_at": at}
    yield RATINGS, fill(RATINGS, shared | {"rated_at": at, "rating": rows["rating"]})
    ids = pc.binary_join_element_wise(rows["userId"], rows["movieId"], rows["timestamp"].cast(STRING), "-")
    yield WATCHES, fill(WATCHES, shared | {"watch_id": ids, "started_at": at})


def media(rows: pa.Table) -> Iterator[Batch]:
    """Films: the year in brackets leaves the title and becomes release_year."""
    titles = [(_YEAR.match(t) if t else None, t) for t in rows["title"].to_pylist()]
    listed = [None if not g or g == _NO_GENRES else g.split("|") for g in rows["genres"].to_pylist()]
    columns = {
        "media_id": rows["movieId"],
        "available_at": pa.array([ALWAYS] * len(rows), TIME),
        "title": pa.array([m["title"] if m else t for m, t in titles], STRING),
        "kind": pa.array(["film"] * len(rows), STRING),
        "genres": pa.array(listed, STRINGS),
        "release_year": pa.array([int(m["year"]) if m else None for m, _ in titles], INT),
    }
    yield MEDIA, fill(MEDIA, columns)


def users(rows: pa.Table) -> Iterator[Batch]:
    """Members of 1M. Age is the lower end of the source's band; "under 18" has none, so it is null."""
    age, occupation = rows["age"], rows["occupation"]
    columns = {
        "user_id": rows["userId"],
        "available_at": pa.array([ALWAYS] * len(rows), TIME),
        "age": pc.if_else(pc.equal(age, _UNDER_18), pa.scalar(None, INT), age),
        "gender": rows["gender"],
        "occupation": pc.take(pa.array(_OCCUPATIONS), pc.if_else(_between(occupation), occupation, None)),
        "zip_code": rows["zip"],
    }
    yield USERS, fill(USERS, columns, _dataset(Path(), _USER_COLUMNS).extras("user"))


def _between(codes: Any) -> Any:
    return pc.and_(pc.greater_equal(codes, 0), pc.less(codes, len(_OCCUPATIONS)))


def _dataset(folder: Path, columns: tuple[ExtraColumn, ...]) -> Dataset:
    name = folder.resolve().name
    return Dataset(
        name=name if name.startswith("ml-") else "movielens",
        source="movielens",
        relevance="rating",
        impressions_logged=False,
        columns=columns,
        licence="research use, non-commercial: see the README of the data set",
        citation="Harper and Konstan, The MovieLens Datasets, TiiS 5(4), 2015, doi 10.1145/2827872",
    )


def _part(
    path: Path, types: dict[str, pa.DataType], convert: Callable[[pa.Table], Iterator[Batch]], chunk_rows: int
) -> Part:
    delimited.refuse_empty(path)
    if path.suffix == ".csv":
        delimited.require(path, delimited.header(path), list(types))
        rows = partial(delimited.chunks, path, types, chunk_rows, multiline=True)
    elif path.stem == "movies":
        rows = partial(_titles, path)
    else:
        rows = partial(_double_colons, path, types, chunk_rows)

    def batches(report: Callable[[int], None]) -> Iterator[Batch]:
        empty = True
        for chunk in rows(report):
            empty = False
            yield from convert(chunk)
        if empty:
            raise DataError(f"{path} has a header and no rows: fetch the file again")

    return Part(path, batches)


def _double_colons(
    path: Path, types: dict[str, pa.DataType], chunk_rows: int, report: Callable[[int], None]
) -> Iterator[pa.Table]:
    """``1::1193::5::978300760`` read with one colon between cells has an empty cell between any two."""
    names = [n for i, name in enumerate(types) for n in ((f"_{i}", name) if i else (name,))]
    return delimited.chunks(path, types, chunk_rows, report, names=names, delimiter=":", encoding="latin1")


def _titles(path: Path, report: Callable[[int], None]) -> Iterator[pa.Table]:
    """Titles hold colons, and there are a few thousand of them: read line by line, in one piece."""
    lines = path.read_text(encoding="latin1").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.count("::") != len(_MOVIES) - 1:
            raise DataError(f"{path}: row {number} is not id::title::genres but {line!r}: correct or remove the row")
    cells = [line.split("::") for line in lines]
    report(path.stat().st_size)
    yield pa.table({name: pa.array([c[i] for c in cells], STRING) for i, name in enumerate(_MOVIES)})
