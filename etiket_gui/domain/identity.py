"""Who a dataset is: the uuid that survives renames, rebuilt stores and second machines."""

from __future__ import annotations

import uuid

from etiket_gui.domain import guards
from etiket_gui.domain.states import Realm

#: Fixed for ever: a change would give every dataset a new identity.
NAMESPACE = uuid.UUID("6f0e2b0c-6d0f-5e0e-9f5c-0f5b8e1d7a11")


def dataset_uuid(backend: str, realm: Realm, source_uuid: str, identifier: str, birth_ordinal: int = 1) -> str:
    """UUIDv5 of backend, realm, identifier and, from the second dataset at one identifier on, the birth ordinal.

    The realm is empty where identifiers are unique in the world and the source's uuid where they are relative
    paths. Raises ValueError for a birth ordinal below 1.
    """
    if birth_ordinal < 1:
        raise ValueError("birth ordinals count from 1")
    is_worldwide = realm is Realm.WORLD or not guards.is_on("source-in-identity")
    place = "" if is_worldwide else source_uuid
    text = f"{backend}\x1f{place}\x1f{identifier}"
    if birth_ordinal > 1:
        text += f"\x1f{birth_ordinal}"
    return str(uuid.uuid5(NAMESPACE, text))


def new_source_uuid() -> str:
    """A random uuid for a source, a destination or an agent."""
    return str(uuid.uuid4())
