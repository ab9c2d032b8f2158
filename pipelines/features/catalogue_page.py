"""docs/features.md, made from the catalogue: `marquee features --docs` writes it, the design rules compare it."""

from collections.abc import Iterable, Iterator

from pipelines.core.dataset import Dataset
from pipelines.features import stream
from pipelines.features.catalogue import features, inputs
from pipelines.features.feature import Entity, Feature
from pipelines.features.requirements import REQUIREMENTS, answered

REMEDY = "run `marquee features --docs` and commit docs/features.md"

HEAD = """# Every feature

Made from the catalogue (`pipelines/features/catalogue_user.py`, `catalogue_media.py`, `catalogue_request.py`) by
`marquee features --docs`; edit that, not this.

A **feature** is one named value about a member, a title, a request, or a member and a title together. A **view** is a
table of features that share a key and are refreshed together: its rows say what was true of that key from a moment
on. Every fact has two times: the **event time**, when it happened, and the **availability time**, from which the
platform could know of it. A row that was shown at a moment is joined with the last row of each view at or before it,
made only of facts that were available by then; so a watch that arrives late changes what is served tomorrow and never
what a model of yesterday is trained on. **To add a feature**: give it a line in the catalogue (name, type, kind,
meaning, unit, requirement, source columns), compute the column of that name in the expression of its view (`user.py`,
`media.py`, `sequence.py`) or in the function of the request (`context.py`, `cross.py`), and write this page anew.
Feast's views, training sets, the online row and the rankers' inputs are made from the catalogue and follow. `marquee
features --coverage` then says whether the data fill it, and whether it tells anything of the label."""

TYPES = {"float": "number", "string": "text", "floats": "array of numbers", "strings": "array of texts"}
KEYS: dict[Entity, str] = {
    "user": "`user_id`",
    "media": "`media_id`",
    "request": "the request",
    "pair": "`user_id`, `media_id`",
}
READ: dict[Entity, str] = {
    "user": "online store, one row a member",
    "media": "memory of the API, as part of the media snapshot",
    "request": "computed in the API at the request",
    "pair": "computed in the API at the request",
}


def page() -> str:
    """The page as Markdown: the views, then every feature under each requirement that it answers."""
    dataset = Dataset(name="any", source="tables")
    found, read = features(dataset), frozenset(inputs(dataset))
    parts = [HEAD, _views(found)]
    for name, of in REQUIREMENTS.items():
        asked = "; ".join(f"{thing}: {', '.join(f'`{n}`' for n in names)}" for thing, names in of.asked.items())
        parts += _section(f"{name} {of.about}", f"Asked for: {asked}.", [f for f in found if name in answered(f)], read)
    parts += _section("Others", "Not asked for by name.", [f for f in found if not answered(f)], read)
    return "\n\n".join(parts) + "\n"


def grain(view: str, entity: Entity) -> str:
    """What one row of a view stands for: a ``day``, an ``event`` or a ``request``."""
    if entity in ("request", "pair"):
        return "request"
    return "event" if view == stream.VIEW else "day"


def _views(found: tuple[Feature, ...]) -> str:
    held: dict[str, list[Feature]] = {}
    for feature in found:
        held.setdefault(feature.view, []).append(feature)
    rows = [
        (f"`{view}`", KEYS[of[0].entity], len(of), _refreshed(view, of[0].entity), READ[of[0].entity])
        for view, of in held.items()
    ]
    table = _table(("view", "key", "features", "refreshed", "read by serving from"), rows)
    return (
        f"## The views\n\n{len(found)} features; a data set's own columns (`dataset.yaml`) join `user_attributes` and "
        f"`media_profile`. Training reads all of them through Feast, as of each row's moment.\n\n{table}"
    )


def _refreshed(view: str, entity: Entity) -> str:
    if grain(view, entity) == "request":
        return "computed for each request, never stored"
    if grain(view, entity) == "day":
        return "by `refresh_features`: a row at the start of each day on which something changed"
    return "a row an event: pushed online as `POST /v1/events` hears it, kept in the lake by `refresh_features`"


def _section(title: str, text: str, found: list[Feature], read: frozenset[str]) -> Iterator[str]:
    """A heading and what it is about, then a table a view."""
    if not found:
        return
    yield f"## {title}"
    yield text
    for view in dict.fromkeys(f.view for f in found):
        here = [f for f in found if f.view == view]
        first = here[0]
        online = "online" if first.entity == "user" else "in memory" if first.entity == "media" else "computed"
        yield f"### `{view}`: about a {first.entity}, {_a(grain(view, first.entity))} a row, {online}"
        yield _table(
            ("feature", "type", "kind", "unit", "meaning", "made from", "rankers read it"),
            [
                (f"`{f.name}`", TYPES[f.dtype], f.kind, f.unit, f.meaning, f.source or "", _yes(f.name in read))
                for f in here
            ],
        )


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
