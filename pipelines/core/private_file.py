"""A secret that is made once and kept in a file that only its owner can read."""

import os
import secrets
from pathlib import Path


def make_once(path: Path, content: bytes) -> None:
    """Write ``content`` (mode 0600) and wait until the disk holds it; where two processes do it at once, the first
    one's stays."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    try:
        os.link(staged, path)
    except FileExistsError:
        pass
    finally:
        staged.unlink()
