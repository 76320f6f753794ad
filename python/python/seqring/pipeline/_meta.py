"""Metadata of items: bytes or JSON, with a byte that distinguishes them.

>>> for meta in [None, b"raw", {"label": 3}]:
...     print(decode(encode(meta)))
None
b'raw'
{'label': 3}
"""

from __future__ import annotations

import json
from typing import Any

from seqring import _meta

_BYTES, _JSON = b"\0", b"\1"


def encode(meta: Any) -> bytes:
    if meta is None:
        return b""
    return (_BYTES if isinstance(meta, (bytes, bytearray, memoryview)) else _JSON) + _bytes_of(meta)


def _bytes_of(meta: Any) -> bytes:
    return meta if isinstance(meta, bytes) else _meta.encode(meta)


def decode(data: bytes) -> Any:
    if not data:
        return None
    return data[1:] if data[:1] == _BYTES else json.loads(data[1:])
