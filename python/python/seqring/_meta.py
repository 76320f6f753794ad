"""Metadata of messages: bytes, or a value that JSON can represent."""

from __future__ import annotations

import json
from json import encoder
from typing import Any

_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)

# What makes the encoder in C, if there is one, and its arguments after the first one, a dictionary
# for the call. The writer calls it without Python code.
make_encoder: Any = getattr(encoder, "c_make_encoder", None)
SETTINGS = (_encoder.default, encoder.encode_basestring, None, ":", ",", False, False, False)


def encode(meta: Any) -> bytes:
    """The metadata as bytes: unchanged, or as JSON.

    >>> encode({"camera": 3})
    b'{"camera":3}'
    """
    if isinstance(meta, (bytearray, memoryview)):
        return bytes(meta)
    return _encoder.encode(meta).encode()
