"""Who may sign what: one Ed25519 key a role, given by the environment or made under the home folder.

The trainer signs what it trained, the promoter what may be served, the server (the API) what it serves. A process needs
its own private key and the public keys of those whose lines it must believe.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pipelines.core.errors import SettingsError
from pipelines.core.private_file import make_once
from pipelines.core.settings import Settings

Role = Literal["trainer", "promoter", "server"]
ROLES: tuple[Role, ...] = get_args(Role)
BYTES = 32
HOW = "give an Ed25519 key as PEM, or its 32 bytes in base64 (`marquee ledger keys` makes a set)"


@dataclass(frozen=True)
class Signer:
    """A role's private key. ``key_id`` names its public half wherever it signed."""

    role: Role
    private: Ed25519PrivateKey

    @property
    def key_id(self) -> str:
        return key_id(self.private.public_key())

    def sign(self, message: bytes) -> str:
        """The signature, in hex."""
        return self.private.sign(message).hex()


Trust = Mapping[Role, Mapping[str, Ed25519PublicKey]]
"""The public keys that are believed, by role and key id: the present one and those that were retired."""


def key_id(public: Ed25519PublicKey) -> str:
    """Sixteen hex digits that name a public key."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def is_signed(public: Ed25519PublicKey, message: bytes, signature: str) -> bool:
    """Whether the signature (hex) is that key's on that message."""
    try:
        public.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signer(settings: Settings, role: Role) -> Signer:
    """The private key of a role: from the environment, else (embedded profile) from ``<home>/keys``, made if absent.

    Raises:
        SettingsError: where this process was given none, or what it was given is no key.
    """
    given = getattr(settings, f"{role}_key")
    name = f"MARQUEE_{role.upper()}_KEY"
    if given is not None and given.get_secret_value().strip():
        return Signer(role, _private(given.get_secret_value(), name))
    if settings.profile == "production":
        raise SettingsError(f"{name} is not set: this process may not sign as the {role}; {HOW}")
    path = settings.keys_path / f"{role}.pem"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        make_once(path, _pem(Ed25519PrivateKey.generate()))
    return Signer(role, _private(path.read_text(encoding="utf-8"), str(path)))


def trust(settings: Settings) -> Trust:
    """Every public key that this process was given, or whose private half it holds; a role without any is left out.

    Raises:
        SettingsError: where two roles have one key, or what was given is no key.
    """
    believed: dict[Role, dict[str, Ed25519PublicKey]] = {}
    for role in ROLES:
        keys = [
            _public(text, role) for text in (getattr(settings, f"{role}_public_key") or "").split(",") if text.strip()
        ]
        if _holds(settings, role):
            keys.append(signer(settings, role).private.public_key())
        if keys:
            believed[role] = {key_id(key): key for key in keys}
    _are_separate(believed)
    return believed


def made() -> dict[str, str]:
    """A new set of keys, as the lines of an environment file: name -> base64."""
    lines: dict[str, str] = {}
    for role in ROLES:
        private = Ed25519PrivateKey.generate()
        lines[f"MARQUEE_{role.upper()}_KEY"] = _base64(private.private_bytes_raw())
        lines[f"MARQUEE_{role.upper()}_PUBLIC_KEY"] = _base64(private.public_key().public_bytes_raw())
    return lines


def _holds(settings: Settings, role: Role) -> bool:
    given = getattr(settings, f"{role}_key")
    return settings.profile == "embedded" or bool(given and given.get_secret_value().strip())


def _are_separate(believed: Mapping[Role, Mapping[str, Ed25519PublicKey]]) -> None:
    seen: dict[str, Role] = {}
    for role, keys in believed.items():
        for name in keys:
            if name in seen:
                raise SettingsError(f"{seen[name]} and {role} have one key ({name}): give each role a key of its own")
            seen[name] = role


def _private(text: str, name: str) -> Ed25519PrivateKey:
    try:
        if "-----BEGIN" in text:
            key = serialization.load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
        else:
            return Ed25519PrivateKey.from_private_bytes(_raw(text))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError(f"{name} holds no private key: {HOW}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"{name} holds a key of another kind: {HOW}")
    return key


def _public(text: str, role: Role) -> Ed25519PublicKey:
    name = f"MARQUEE_{role.upper()}_PUBLIC_KEY"
    try:
        if "-----BEGIN" in text:
            key = serialization.load_pem_public_key(text.strip().replace("\\n", "\n").encode())
        else:
            return Ed25519PublicKey.from_public_bytes(_raw(text))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError(f"{name} holds no public key: {HOW}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError(f"{name} holds a key of another kind: {HOW}")
    return key


def _raw(text: str) -> bytes:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64") from exc
    if len(raw) != BYTES:
        raise ValueError("not 32 bytes")
    return raw


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _pem(private: Ed25519PrivateKey) -> bytes:
    encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private.private_bytes(encoding, kind, serialization.NoEncryption())
