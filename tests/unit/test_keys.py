"""Keys: made once and for their owner only, given as PEM or base64, and one a role."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import SecretStr

from pipelines.core import keys
from pipelines.core.errors import SettingsError
from pipelines.core.settings import Settings

PRODUCTION = {
    "profile": "production",
    "event_store_url": "sqlite://",
    "mlflow_url": "http://localhost:1",
    "redis_url": "redis://localhost:1",
    "feast_registry_url": "sqlite://",
    "api_key": "given",
}


def production(tmp_path: Path, **given: str) -> Settings:
    return Settings(home=tmp_path, **PRODUCTION, **given)  # type: ignore[arg-type]


def pem(private: Ed25519PrivateKey | X25519PrivateKey) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private.private_bytes(*form).decode()


def test_the_embedded_profile_makes_a_key_a_role_that_only_its_owner_can_read(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    held = {role: keys.signer(settings, role).key_id for role in keys.ROLES}
    assert len(set(held.values())) == 3
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in settings.keys_path.iterdir()} == {
        f"{role}.pem": 0o600 for role in keys.ROLES
    }
    assert {role: keys.signer(settings, role).key_id for role in keys.ROLES} == held
    assert {role: set(known) for role, known in keys.trust(settings).items()} == {r: {k} for r, k in held.items()}


def test_who_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as starting:
        found = set(starting.map(lambda _: keys.signer(Settings(home=tmp_path), "promoter").key_id, range(16)))
    assert len(found) == 1


def test_a_key_is_taken_as_pem_and_as_base64(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    name = keys.key_id(private.public_key())
    raw = base64.b64encode(private.private_bytes_raw()).decode()
    for text in (pem(private), pem(private).replace("\n", "\\n"), raw):
        assert keys.signer(production(tmp_path, promoter_key=text), "promoter").key_id == name
    public = private.public_key()
    spelt = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    for text in (spelt, base64.b64encode(public.public_bytes_raw()).decode()):
        assert set(keys.trust(production(tmp_path, promoter_public_key=text))["promoter"]) == {name}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["secret", "c2hvcnQ=", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"])
def test_what_is_no_key_is_refused_by_its_name_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        SettingsError, match="MARQUEE_PROMOTER_KEY holds no private key: give an Ed25519 key"
    ) as refused:
        keys.signer(production(tmp_path, promoter_key=text), "promoter")
    assert text not in str(refused.value)
    with pytest.raises(SettingsError, match="MARQUEE_TRAINER_PUBLIC_KEY holds no public key"):
        keys.trust(production(tmp_path, trainer_public_key=text))


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MARQUEE_SERVER_KEY holds a key of another kind"):
        keys.signer(production(tmp_path, server_key=pem(X25519PrivateKey.generate())), "server")


def test_production_makes_no_key_and_says_which_one_is_missing(tmp_path: Path) -> None:
    settings = production(tmp_path, promoter_key=" ")
    with pytest.raises(
        SettingsError, match="MARQUEE_PROMOTER_KEY is not set: this process may not sign as the promoter"
    ):
        keys.signer(settings, "promoter")
    assert keys.trust(settings) == {}
    assert list(tmp_path.iterdir()) == []


def test_two_roles_with_one_key_are_refused(tmp_path: Path) -> None:
    made = keys.made()
    one = made["MARQUEE_TRAINER_KEY"]
    with pytest.raises(SettingsError, match="trainer and promoter have one key"):
        keys.trust(production(tmp_path, trainer_key=one, promoter_key=one))


def test_a_retired_key_is_still_believed(tmp_path: Path) -> None:
    old, new = keys.made(), keys.made()
    both = f"{new['MARQUEE_PROMOTER_PUBLIC_KEY']},{old['MARQUEE_PROMOTER_PUBLIC_KEY']}"
    assert len(keys.trust(production(tmp_path, promoter_public_key=both))["promoter"]) == 2


def test_a_set_that_was_made_fits_together_and_is_shown_nowhere(tmp_path: Path) -> None:
    given = {name.removeprefix("MARQUEE_").lower(): value for name, value in keys.made().items()}
    settings = production(tmp_path, **given)
    assert all(len(known) == 1 for known in keys.trust(settings).values())
    assert isinstance(settings.promoter_key, SecretStr)
    assert given["promoter_key"] not in repr(settings)
