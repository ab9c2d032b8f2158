"""Everything Marquee raises on purpose.

MarqueeError
├── SettingsError      a setting is missing, unknown or not allowed in this profile
├── DataError          a file, table, row or date is missing or wrong
│   └── FeatureError   a feature, vocabulary or vector is missing or does not fit its definition
├── RequestError       what a caller asked for cannot be answered: an id, a k, a form value
├── ReleaseError       a release is missing, incomplete or does not match its hashes
└── StackError         a server of the embedded stack did not start, answer or stop

A message names the thing, the value and the remedy:
``"watches has no rows for 2022-04-29: run refresh_features first"``.
"""


class MarqueeError(Exception):
    """The root: catch it to answer a person instead of showing a traceback."""


class SettingsError(MarqueeError):
    """A setting is missing, unknown or not allowed in this profile."""


class DataError(MarqueeError):
    """A file, table, row or date is missing or wrong."""


class FeatureError(DataError):
    """A feature, vocabulary or vector is missing or does not fit its definition."""


class RequestError(MarqueeError):
    """What a caller asked for cannot be answered."""


class ReleaseError(MarqueeError):
    """A release is missing, incomplete or does not match its hashes."""


class LedgerError(ReleaseError):
    """The ledger was changed, or a line in it is not its writer's to write."""


class MoveRefused(ReleaseError):
    """A release may not be promoted, approved, refused or gone back to; the message says why."""


class StackError(MarqueeError):
    """A server of the embedded stack did not start, answer or stop."""
