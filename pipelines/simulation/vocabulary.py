"""The words that titles, people and synopses are made of, themed by genre."""

THEMES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "drama": (("Quiet", "Broken"), ("Harvest", "Inheritance", "Promise"), ("grief", "family", "forgiveness", "secret")),
    "comedy": (("Crooked", "Lucky"), ("Wedding", "Neighbour", "Parade"), ("mishap", "roommate", "prank", "laughter")),
    "action": (("Iron", "Final"), ("Strike", "Convoy", "Vendetta"), ("explosion", "chase", "mercenary", "hostage")),
    "thriller": (("Cold", "Silent"), ("Witness", "Signal", "Ransom"), ("conspiracy", "pursuit", "betrayal", "spy")),
    "romance": (("Tender", "Summer"), ("Letters", "Vow", "Bouquet"), ("love", "heartbreak", "reunion", "longing")),
    "horror": (("Hollow", "Crimson"), ("House", "Whisper", "Grave"), ("haunting", "curse", "dread", "possession")),
    "science fiction": (
        ("Distant", "Quantum"),
        ("Orbit", "Colony", "Signal"),
        ("starship", "android", "time", "alien"),
    ),
    "fantasy": (("Golden", "Forgotten"), ("Crown", "Dragon", "Oracle"), ("magic", "prophecy", "sorcerer", "quest")),
    "animation": (("Tiny", "Brave"), ("Fox", "Balloon", "Toy"), ("wonder", "friendship", "critter", "adventure")),
    "documentary": (
        ("Hidden", "True"),
        ("Ocean", "Archive", "Frontier"),
        ("nature", "testimony", "history", "science"),
    ),
    "crime": (("Dirty", "Midnight"), ("Ledger", "Heist", "Alibi"), ("detective", "murder", "cartel", "robbery")),
    "family": (("Happy", "Little"), ("Holiday", "Puppy", "Garden"), ("siblings", "home", "school", "kindness")),
    "mystery": (("Missing", "Seventh"), ("Key", "Portrait", "Manor"), ("clue", "disappearance", "riddle", "suspect")),
    "war": (("Burning", "Last"), ("Regiment", "Bridge", "Winter"), ("battle", "soldier", "front", "resistance")),
    "musical": (("Electric", "Velvet"), ("Chorus", "Encore", "Ballroom"), ("song", "dance", "stage", "audition")),
    "western": (("Dusty", "Lonesome"), ("Canyon", "Outlaw", "Railroad"), ("sheriff", "ranch", "duel", "gold")),
}
"""Genre -> adjectives and nouns of titles, keywords of synopses and tags."""

GENRES = tuple(THEMES)
GENRE_SHARE = (0.15, 0.13, 0.10, 0.09, 0.08, 0.06, 0.06, 0.05, 0.05, 0.05, 0.06, 0.04, 0.03, 0.02, 0.02, 0.01)
PERIODS = ("ancient", "medieval", "19th century", "1920s", "1940s", "1970s", "1990s", "present day", "near future")
MATURITY = ("G", "PG", "PG-13", "R")
HEROES = (
    "a young doctor",
    "two sisters",
    "a retired officer",
    "an ambitious cook",
    "a lonely teacher",
    "three friends",
)
PLACES = ("a harbour town", "the capital", "a mountain village", "a border station", "a lone port", "the old quarter")
GIVEN: tuple[str, ...] = (
    "Ada",
    "Bruno",
    "Chen",
    "Dalia",
    "Emre",
    "Freya",
    "Goran",
    "Hana",
    "Iris",
    "Jonas",
    "Kavi",
    "Lucia",
    "Mina",
)
GIVEN += ("Noor", "Oscar", "Priya", "Rafael", "Sofia", "Teo", "Uma", "Vera", "Wen", "Yuki", "Zoe")
FAMILY: tuple[str, ...] = (
    "Almeida",
    "Baker",
    "Costa",
    "Duran",
    "Eriksen",
    "Fontaine",
    "Garcia",
    "Hayashi",
    "Ivanov",
    "Jung",
    "Kaya",
)
FAMILY += (
    "Laurent",
    "Mehta",
    "Novak",
    "Okafor",
    "Park",
    "Quist",
    "Rossi",
    "Sharma",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weber",
)
STUDIOS: tuple[str, ...] = (
    "Northlight",
    "Blue Lantern",
    "Meridian",
    "Paper Boat",
    "Granite",
    "Saffron",
    "Longshore",
    "Kestrel",
)
STUDIOS += ("Tall Oak", "Red Kite", "Harbourline", "Moonrise", "Ember", "Cobalt", "Juniper", "Atlas Row")
SYLLABLES = {
    "es": ("la", "ri", "do", "cor", "sol", "ven"),
    "hi": ("ra", "mo", "ja", "dil", "pre", "an"),
    "pt": ("ão", "sa", "mar", "lu", "ce", "no"),
    "de": ("ver", "wald", "stil", "nacht", "ein", "ruh"),
    "fr": ("lu", "mi", "eau", "belle", "cha", "nuit"),
    "ja": ("ha", "ru", "ki", "mi", "no", "yo"),
    "ko": ("ga", "eul", "ha", "neul", "sa", "rang"),
    "tr": ("gü", "neş", "ay", "den", "iz", "kara"),
}
