"""What the API takes and gives, with examples for the docs."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    model_validator,
)

from pipelines.core import days
from pipelines.core.errors import DataError

Id = Annotated[str, Field(min_length=1, max_length=200)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _zone(name: str) -> str:
    try:
        days.zone(name)
    except DataError as exc:
        raise ValueError(str(exc)) from exc
    return name


class Body(BaseModel):
    """Unknown keys are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class PageAsked(Body):
    """Who asks for a page, and where they are."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user_id": "u42", "device": "tv", "country": "NL", "k": 10}]}
    )
    user_id: Id = Field(description="the member; a stranger gets a page too")
    request_id: Id | None = Field(None, description="yours, to ask again safely: the same id gives the same page")
    session_id: Id | None = Field(None, description="the visit this page belongs to")
    device: Name | None = Field(None, description="tv, phone, tablet or desktop")
    surface: Name = Field("home", description="where the page is shown")
    country: Name | None = Field(None, description="ISO 3166 alpha-2; without it the member's own")
    time_zone: Annotated[Name, AfterValidator(_zone)] | None = Field(None, description="IANA zone of the member")
    k: int = Field(10, ge=1, le=100, description="how many titles, 1 to 100")
    rows: int = Field(0, ge=0, le=20, description="arrange the page in so many titled rows at most; 0: one list")
    at: AwareDatetime | None = Field(None, description="embedded profile only: answer as at this moment")
    explain: bool = Field(False, description="say why each title is where it is, and why others are not shown")


class Item(BaseModel):
    """A title on the page. ``score`` is null where no ranker scored it."""

    media_id: str
    impression_id: str = Field(description="send it back with clicks and watches")
    position: int = Field(description="0 is first")
    title: str
    genres: list[str]
    reason: str = Field(description="why it is here, for the member")
    score: float | None = Field(description="the probability that the member watches it")
    propensity: float = Field(description="the probability with which the policy put it here")
    row: str | None = Field(None, description="the heading it stands under, where rows were asked for")
    policy: str = Field(description="ranked, exploration, pinned or popularity")


class Moved(BaseModel):
    """One step of reranking moved a title."""

    start: int = Field(alias="from", description="0 is first")
    to: int
    why: str


class ItemExplained(BaseModel):
    """Why a title is where it is."""

    media_id: str
    generators: list[str] = Field(description="who proposed it, who ranked it highest first")
    features: dict[str, float] = Field(description="the five that weighed most, by their part in the log odds")
    moves: list[Moved] = Field(description="what reranking did to it, step by step, from the ranker's order on")


class NotShown(BaseModel):
    """A candidate that may not be shown, and the first reason that holds."""

    media_id: str
    reason: str


class Explanation(BaseModel):
    """Why the page is as it is."""

    items: list[ItemExplained]
    removed: list[NotShown] = Field(description="candidates that fell out, 100 at most")
    removed_by_reason: dict[str, int] = Field(description="how many fell out, all of them")


class PageGiven(BaseModel):
    """A page. ``degraded`` says that something was down, and ``degradations`` what."""

    request_id: str
    user_id: str
    release_id: str
    experiment: str | None = Field(None, description="the one that the member takes part in; null: none")
    variant: str | None = Field(None, description="the member's in that experiment, whichever release answered")
    snapshot: str
    known: bool | None = Field(description="false: a stranger; null: could not be told")
    degraded: bool
    degradations: list[str]
    items: list[Item]
    explanation: Explanation | None = Field(None, description="null: not asked for, or answered before")


class Event(Body):
    """What every event has. ``event_id`` makes sending it twice harmless."""

    event_id: Id
    user_id: Id
    at: AwareDatetime
    session_id: Id | None = None
    request_id: Id | None = None
    device: Name | None = None


class Watch(Event):
    """A title was watched for a while; ``completion`` is watched / total unless given (a purchase is 1)."""

    type: Literal["watch"]
    media_id: Id
    watched_seconds: Seconds | None = None
    total_seconds: Seconds | None = None
    completion: Seconds | None = None
    impression_id: Id | None = None

    @model_validator(mode="after")
    def _says_how_much(self) -> "Watch":
        if self.watched_seconds is None and self.completion is None:
            raise ValueError("says neither watched_seconds nor completion: send one of them")
        return self


class Search(Event):
    """A member searched."""

    type: Literal["search"]
    query: Annotated[str, Field(min_length=1, max_length=1000)]


class Session(Event):
    """A visit began; send it again with ``ended_at`` when it ends."""

    type: Literal["session"]
    session_id: Id
    ended_at: AwareDatetime | None = None


class Click(Event):
    """An impression was opened."""

    type: Literal["click"]
    impression_id: Id


class Dismissal(Event):
    """A member asked not to see a title."""

    type: Literal["dismissal"]
    media_id: Id


class Preference(Event):
    """A member said what they like, as at onboarding: a genre, a title, a person."""

    type: Literal["preference"]
    kind: Name
    value: Id


AnyEvent = Watch | Search | Session | Click | Dismissal | Preference
EVENT: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Field(discriminator="type")])
EVENT_DOC = """each one of:
`watch` media_id, watched_seconds or completion, total_seconds?, completion?, impression_id?;
`search` query; `session` session_id, ended_at?; `click` impression_id; `dismissal` media_id;
`preference` kind (genre, title or person), value;
all with event_id, user_id, at (ISO 8601 with a zone), session_id?, request_id?, device?"""


EXAMPLE: dict[str, JsonValue] = {
    "type": "watch",
    "event_id": "e1",
    "user_id": "u42",
    "media_id": "m7",
    "at": "2026-03-01T20:15:00Z",
    "watched_seconds": 5100,
    "total_seconds": 6000,
}


class EventsSent(Body):
    """Events of any kinds and members, each judged on its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": [EXAMPLE]}]})
    events: list[dict[str, Any]] = Field(min_length=1, max_length=1000, description=EVENT_DOC)
    at: AwareDatetime | None = Field(None, description="embedded profile only: heard as at this moment")


class TakedownAsked(Body):
    """A title that may be shown no more, whatever the reason; or, with ``lift``, again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"media_id": "m7", "reason": "court order 12/26"}]})
    media_id: Id
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    lift: bool = Field(False, description="show it again")
    at: AwareDatetime | None = Field(None, description="embedded profile only: decided at this moment")


class TakedownGiven(BaseModel):
    """What holds now. Every process that serves pages knows it within seconds."""

    media_id: str
    down: bool
    known: bool | None = Field(description="false: no title of this id is served; look for a typing error")


class TakedownHeld(BaseModel):
    """A title that is taken down."""

    media_id: str
    decided_at: AwareDatetime
    reason: str


class PinHeld(BaseModel):
    """A title that is pinned to a ``slot``, or boosted by a ``factor``; null country or surface: on all."""

    number: int
    media_id: str
    slot: int | None
    factor: float | None
    country: str | None
    surface: str | None
    until: AwareDatetime
    reason: str
    decided_at: AwareDatetime


class PinAsked(Body):
    """A title for a ``slot`` (0 is first), or a ``factor`` for its score, until a moment; for all, or where it says.

    Nobody is shown what they may not see. A later one on the same title, country and surface replaces it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"media_id": "m7", "slot": 0, "until": "2026-03-08T00:00:00Z", "reason": "the finale"}]
        }
    )
    media_id: Id
    slot: int | None = Field(None, ge=0, le=99)
    factor: float | None = Field(None, gt=0, le=1000, allow_inf_nan=False)
    country: Name | None = Field(None, description="ISO 3166 alpha-2")
    surface: Name | None = None
    until: AwareDatetime
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    at: AwareDatetime | None = Field(None, description="embedded profile only: decided at this moment")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "PinAsked":
        if (self.slot is None) == (self.factor is None):
            raise ValueError("is a pin with a slot or a boost with a factor: send one of them")
        return self


class PinGiven(PinHeld):
    """What holds now. Every process that serves pages knows it within seconds."""

    known: bool | None = Field(description="false: no title of this id is served; look for a typing error")


class PinLifted(BaseModel):
    """What holds no more."""

    number: int


class Rejected(BaseModel):
    """An event that was not kept, and why."""

    event_id: str | None
    reason: str


class EventsHeard(BaseModel):
    """accepted + duplicates + rejected = the events sent."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]


class Refusal(BaseModel):
    """What is wrong, and what to do about it."""

    thing: str
    value: str | int | float | bool | None
    message: str
    remedy: str


class Refused(BaseModel):
    """The shape of every answer that is not one."""

    error: Refusal
