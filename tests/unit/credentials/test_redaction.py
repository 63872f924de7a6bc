"""No secret passes, in whatever form it comes, and ordinary text stays as it is."""

from __future__ import annotations

import json
import logging
import traceback
from urllib.parse import quote

import hypothesis
import pytest
from hypothesis import strategies as st

from etiket_gui.credentials import redaction
from etiket_gui.credentials.redaction import HIDDEN, RedactingFilter, RedactingFormatter, redact, remember_secret

CANARY = "c4n4ry-S3cr3t+/="


def _forget() -> None:
    redaction._known.clear()
    redaction._known_pattern = None


@pytest.fixture(autouse=True)
def _forget_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.setattr(redaction, "_known_pattern", None)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer {}",
        "authorization: Basic {}",
        "{{'Authorization': 'Bearer {}', 'Accept': '*/*'}}",
        '{{"authorization": "Token {}"}}',
        "[('Authorization', 'Bearer {}')]",
        "headers={{b'Authorization': b'Bearer {}'}}",
        "Cookie: sessionid={}; csrftoken={}",
        "Set-Cookie: jwt={}; Path=/",
        "X-API-Key: {}",
        "https://alice:{}@cdcs.example.org/rest",
        "postgresql://alice:{}@localhost:5432/db",
        "https://example.org/upload?X-Amz-Signature={}&part=1",
        "https://example.org/?access_token={}",
        "https://example.org/#token={}",
        "password={}",
        "Password: {}",
        "password='{}'",
        '{{"password": "{}"}}',
        '{{"refresh_token":"{}","user":"alice"}}',
        "client_secret={}&grant_type=refresh",
        "api_key = {}",
        "login(user='alice', password='{}')",
        "curl -H 'Authorization: Bearer {}' https://example.org",
    ],
)
def test_secret_is_hidden_by_the_name_it_goes_under(text: str) -> None:
    line = f"before {text.format(CANARY, CANARY)} after"
    assert CANARY not in redact(line)
    assert "c4n4ry" not in redact(line)
    assert HIDDEN in redact(line)
    assert redact(line).startswith("before ")


def test_signed_token_is_hidden_wherever_it_stands() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
    assert redact(f"got {token} from the server") == f"got {HIDDEN} from the server"


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01 12:00:00 INFO    etiket_gui.engine: 12 datasets archived at lab-archive in 3.2 s",
        "/data/F/2026-03-01/20260301-120000-123-abcdef-T1 sweep/dataset.hdf5 was still being written",
        "https://cdcs.example.org:8443/rest/data/?title=token-ring#part",
        "The sign-in at cdcs is needed: etiket-sync login cdcs",
        "https://cdcs.example.org:8443/users/alice@example.org",
        "alice@example.org wrote the file",
        "The password store of this computer is locked.",
        "3 tokens left: ok",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@hypothesis.given(st.text(min_size=5, max_size=40), st.sampled_from(["{}", "x{}y", "<{}>", "error {} here"]))
def test_remembered_secret_is_hidden_in_every_form_it_takes(secret: str, around: str) -> None:
    _forget()
    secret = secret.encode("utf-8", "replace").decode()
    hypothesis.assume(HIDDEN not in secret and secret.strip() and secret not in HIDDEN)
    remember_secret(secret)
    for form in (secret, quote(secret, safe=""), json.dumps(secret), repr(secret)):
        hypothesis.assume(len(form) >= 5)
        assert secret not in redact(around.format(form)).replace(HIDDEN, "")


def test_short_secret_does_not_hide_half_of_every_sentence() -> None:
    remember_secret("a")
    remember_secret("")
    assert redact("a banana") == "a banana"


def _record_with_traceback() -> logging.LogRecord:
    try:
        raise ValueError(f"refused: password={CANARY}")
    except ValueError as error:
        exc_info = (type(error), error, error.__traceback__)
    return logging.LogRecord(
        "etiket_gui", logging.ERROR, "x.py", 1, "sign-in as %s with token=%s", ("alice", CANARY), exc_info
    )


def test_formatter_hides_secrets_in_message_arguments_and_traceback_and_leaves_the_record() -> None:
    record = _record_with_traceback()
    text = RedactingFormatter("%(message)s").format(record)
    assert CANARY not in text
    assert "sign-in as alice" in text
    assert "ValueError" in text
    assert record.args == ("alice", CANARY)


def test_filter_hides_secrets_for_handlers_that_format_themselves() -> None:
    record = _record_with_traceback()
    record.stack_info = f"token={CANARY}"
    assert RedactingFilter().filter(record)
    assert CANARY not in logging.Formatter("%(message)s").format(record)


def test_text_of_a_traceback_is_hidden_too() -> None:
    remember_secret(CANARY)
    try:
        raise RuntimeError(f"the server said: {CANARY}")
    except RuntimeError:
        assert CANARY not in redact(traceback.format_exc())
