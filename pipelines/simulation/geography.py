"""Where members live and titles are made: countries with their languages and time zones."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Country:
    """weight: share of members. films: share of titles made there."""

    code: str
    languages: tuple[str, ...]
    zones: tuple[str, ...]
    weight: float
    films: float


COUNTRIES = (
    Country("US", ("en", "es"), ("America/New_York", "America/Chicago", "America/Los_Angeles"), 0.26, 0.36),
    Country("GB", ("en",), ("Europe/London",), 0.11, 0.10),
    Country("IN", ("hi", "en"), ("Asia/Kolkata",), 0.12, 0.09),
    Country("BR", ("pt",), ("America/Sao_Paulo",), 0.10, 0.05),
    Country("MX", ("es",), ("America/Mexico_City",), 0.08, 0.05),
    Country("DE", ("de",), ("Europe/Berlin",), 0.08, 0.05),
    Country("FR", ("fr",), ("Europe/Paris",), 0.08, 0.07),
    Country("ES", ("es",), ("Europe/Madrid",), 0.06, 0.06),
    Country("JP", ("ja",), ("Asia/Tokyo",), 0.05, 0.07),
    Country("KR", ("ko",), ("Asia/Seoul",), 0.04, 0.07),
    Country("TR", ("tr",), ("Europe/Istanbul",), 0.02, 0.03),
)
LANGUAGES = ("en", "es", "hi", "pt", "de", "fr", "ja", "ko", "tr")
LANGUAGE_CODE = {name: code for code, name in enumerate(LANGUAGES)}
ZONES = tuple(zone for country in COUNTRIES for zone in country.zones)
ZONE_CODE = {name: code for code, name in enumerate(ZONES)}
MEMBER_SHARE = np.array([c.weight for c in COUNTRIES])
FILM_SHARE = np.array([c.films for c in COUNTRIES])
