"""What is configured in the home, as the jobs of the window see it: sources, destinations, and plug-in objects."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etiket_gui.backends.api import Backend, BackendContext
from etiket_gui.domain.errors import PluginFailed, UsageError
from etiket_gui.osys.hostname import host_name
from etiket_gui.settings.configuration_rules import Place, places_of
from etiket_gui.settings.home import Home
from etiket_gui.settings.option_kinds import checked_options

if TYPE_CHECKING:
    from etiket_gui.destinations.api import CredentialLookup, Destination
    from etiket_gui.store.reader import StoreReader
    from etiket_gui.store.rows import DestinationRow, SourceRow


@contextlib.contextmanager
def store_reader(home: Home) -> Iterator[StoreReader | None]:
    """A reader of the home's store; None where there is no store yet."""
    if not home.store.exists():
        yield None
        return
    from etiket_gui.store.reader import StoreReader

    reader = StoreReader(home.store)
    try:
        yield reader
    finally:
        reader.close()


def present_rows(home: Home) -> tuple[tuple[SourceRow, ...], tuple[DestinationRow, ...]]:
    """Every configured source and destination."""
    with store_reader(home) as reader:
        if reader is None:
            return (), ()
        return tuple(reader.sources()), tuple(reader.destinations())


def present_places(home: Home, *, without_source: str = "", without_destination: str = "") -> list[Place]:
    """The places of everything that is configured, but for the source and destination of these names."""
    sources, destinations = present_rows(home)
    places = [
        place for row in sources if row.name != without_source for place in places_of("source", row.name, row.config)
    ]
    places.extend(
        place
        for row in destinations
        if row.name != without_destination
        for place in places_of("destination", row.name, row.config)
    )
    return places


def built_backend(
    kind: type[Backend], config: Mapping[str, Any], work_folder: Path, source_uuid: str, secret: str | None = None
) -> Backend:
    """A backend with these options. Raises UsageError for options that make no sense, PluginFailed for its bugs."""
    checked_options(kind.config_class, config)
    try:
        context = BackendContext(source_uuid, work_folder, secret=lambda: secret)
        return kind(kind.config_class.model_validate(dict(config)), context)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise PluginFailed(f"The plug-in {kind.identifier} cannot be started: {error}.") from error


def built_destination(
    home: Home, kind_name: str, account: str, config: Mapping[str, Any], credentials: CredentialLookup | None
) -> Destination:
    """A destination that works in this process. Raises UsageError or PluginFailed."""
    from etiket_gui.destinations.api import DestinationContext
    from etiket_gui.destinations.registry import load_destination

    kind = load_destination(kind_name)
    checked_options(kind.config_class, config)
    context = DestinationContext(
        agent=home.agent_uuid() if home.root.is_dir() else str(uuid.uuid4()),
        host=host_name(),
        work_folder=home.work / "destinations" / (account or kind_name),
        credentials=credentials,
        options={"account": account} if account else {},
    )
    return kind(kind.config_class.model_validate(dict(config)), context)


def destination_named(home: Home, name: str) -> DestinationRow:
    """The configured destination of that name. Raises UsageError."""
    _, destinations = present_rows(home)
    for row in destinations:
        if row.name == name:
            return row
    raise UsageError(f"There is no destination with the name {name}.")
