"""Metadata of messages: bytes, or a value that JSON can represent."""

from __future__ import annotations

import json
from typing import Any


def encode(meta: Any) -> bytes:
    """The metadata as bytes: unchanged, or as JSON.

    >>> encode({"camera": 3})
    b'{"camera":3}'
    """
    if isinstance(meta, (bytearray, memoryview)):
        return bytes(meta)
    return json.dumps(meta, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
