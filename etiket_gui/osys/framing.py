"""Messages over a pipe: a four-byte big-endian length, then one JSON object in UTF-8."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Mapping
from typing import IO, Any

#: A message larger than this is a broken pipe partner, not a message.
LARGEST_MESSAGE_BYTES = 256 * 1024 * 1024

_LENGTH = struct.Struct(">I")


class BrokenFraming(Exception):
    """What came over the pipe is no message."""


class MessageWriter:
    """Writes messages to one stream from any thread, each whole."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one message. Raises OSError (BrokenPipeError) or ValueError when the other side is gone."""
        body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        with self._lock:
            self._stream.write(_LENGTH.pack(len(body)) + body)
            self._stream.flush()

    def close(self) -> None:
        """Close the stream; a partner that is gone already is no error."""
        with self._lock:
            try:
                self._stream.close()
            except OSError:
                return


def read_message(stream: IO[bytes]) -> dict[str, Any] | None:
    """The next message, or None at the end of the stream.

    Raises BrokenFraming when the stream ends within a message or holds something else.
    """
    head = _read_exactly(stream, _LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise BrokenFraming("the stream ended within a message's length")
    (size,) = _LENGTH.unpack(head)
    if size > LARGEST_MESSAGE_BYTES:
        raise BrokenFraming(f"a message of {size} bytes was announced")
    body = _read_exactly(stream, size)
    if len(body) < size:
        raise BrokenFraming("the stream ended within a message")
    try:
        message = json.loads(body)
    except ValueError as error:
        raise BrokenFraming(f"a message is no JSON: {error}") from error
    if not isinstance(message, dict):
        raise BrokenFraming("a message is no JSON object")
    return message


def _read_exactly(stream: IO[bytes], size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
