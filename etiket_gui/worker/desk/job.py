"""One job of the window as the child sees it: what is asked, how it is stopped, and where it tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etiket_gui.domain.errors import UsageError
from etiket_gui.domain.stopping import StopToken
from etiket_gui.settings.home import Home


@dataclass(slots=True)
class DeskJob:
    """A job under way. ``tell`` sends a JSON object to the window while the job goes on."""

    id: int
    kind: str
    parameters: Mapping[str, Any]
    home: Home
    tell: Callable[[Mapping[str, Any]], None]
    stop: StopToken = field(default_factory=StopToken)

    def text(self, name: str) -> str:
        """A parameter that is text. Raises UsageError when it is not given."""
        value = self.parameters.get(name)
        if not isinstance(value, str):
            raise UsageError(f"The job {self.kind} needs the parameter {name}.")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """A parameter that is a JSON object, empty when it is not given."""
        value = self.parameters.get(name) or {}
        if not isinstance(value, Mapping):
            raise UsageError(f"The parameter {name} of the job {self.kind} is no map.")
        return dict(value)

    def path(self, name: str) -> Path:
        """A parameter that is an absolute path of this machine."""
        path = Path(self.text(name))
        if not path.is_absolute():
            raise UsageError(f"{path} is not an absolute path.", path=str(path))
        return path


Handler = Callable[[DeskJob], dict[str, Any]]
