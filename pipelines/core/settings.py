"""Settings, read from the environment (MARQUEE_*) when asked for, never at import."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.core.errors import SettingsError


class Settings(BaseSettings):
    """One profile, one home folder, and the URLs of whatever does not live in that folder.

    ``embedded`` needs nothing: every URL left empty means a file under ``home``. ``production`` is the same code
    with the URLs given, and refuses to fall back to local files and local secrets.
    """

    model_config = SettingsConfigDict(env_prefix="MARQUEE_", frozen=True, extra="forbid", hide_input_in_errors=True)

    profile: Literal["embedded", "production"] = "embedded"
    home: Path = Path("var")
    event_store_url: SecretStr | None = None
    mlflow_url: str | None = None
    redis_url: SecretStr | None = None
    feast_registry_url: SecretStr | None = None
    api_url: str = "http://127.0.0.1:8000"
    api_key: SecretStr | None = None
    evidently_url: str | None = None
    trainer_key: SecretStr | None = None
    promoter_key: SecretStr | None = None
    server_key: SecretStr | None = None
    """Private keys, each only where its role signs; see pipelines.core.keys."""
    trainer_public_key: str | None = None
    promoter_public_key: str | None = None
    server_public_key: str | None = None
    """Public keys, several with commas between them: the present one and those that were retired."""
    champion_poll_seconds: float = 2.0
    engine: Literal["duckdb", "pyspark"] = "duckdb"
    """What computes the feature views: one machine, or Spark."""
    keep_days: int = Field(default=400, ge=91)
    """Days of feature history that can be asked for; what is older folds into one file a view. At least the longest
    window of a feature and a day."""
    feature_log_share: float = Field(default=0.05, ge=0, le=1)
    """The share of page requests whose feature vectors are logged, for `marquee skew`."""

    @model_validator(mode="after")
    def _production_names_its_servers(self) -> "Settings":
        needed = ("event_store_url", "mlflow_url", "redis_url", "feast_registry_url", "api_key")
        missing = [f"MARQUEE_{name.upper()}" for name in needed if getattr(self, name) is None]
        if self.profile == "production" and missing:
            raise ValueError(f"profile production needs {', '.join(missing)}: set them, or use profile embedded")
        return self

    @property
    def root(self) -> Path:
        """``home`` as an absolute path, so that child processes agree on it."""
        return self.home.expanduser().resolve()

    @property
    def lake_path(self) -> Path:
        return self.root / "lake"

    @property
    def event_store_address(self) -> str:
        return self.event_store_url.get_secret_value() if self.event_store_url else f"sqlite:///{self.root}/events.db"

    @property
    def mlflow_address(self) -> str:
        """The tracking URI: a server where one is named, else the embedded SQLite file itself."""
        return self.mlflow_url or f"sqlite:///{self.root}/mlflow/mlflow.db"

    @property
    def keys_path(self) -> Path:
        """Where the embedded profile keeps the signing keys that it made."""
        return self.root / "keys"

    @property
    def api_key_path(self) -> Path:
        """Where the embedded profile keeps the key that it made."""
        return self.root / "api_key"


def load() -> Settings:
    """Read the settings from the environment as it is now.

    Raises:
        SettingsError: naming each setting that is wrong and what it may be.
    """
    try:
        return Settings()
    except ValidationError as exc:
        problems = "; ".join(
            f"{'MARQUEE_' + '_'.join(map(str, e['loc'])).upper() + ': ' if e['loc'] else ''}{e['msg']}"
            for e in exc.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"settings: {problems}") from exc
