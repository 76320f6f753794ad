"""Metadata of messages: bytes, or what JSON can say."""

from __future__ import annotations

import json
from typing import Any


def encode(meta: Any) -> bytes:
    """The bytes that go with a message: those given, or JSON.

    >>> encode({"camera": 3})
    b'{"camera":3}'
    """
    if isinstance(meta, (bytearray, memoryview)):
        return bytes(meta)
    return json.dumps(meta, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
