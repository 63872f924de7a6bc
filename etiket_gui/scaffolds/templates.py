"""The files of a generated package, with ``{{name}}`` where something of the plug-in goes."""

from __future__ import annotations

from collections.abc import Mapping

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "{{distribution}}"
version = {{version}}
description = {{summary}}
requires-python = ">=3.11"
dependencies = [
{{dependencies}}]

[project.entry-points."{{group}}"]
{{entry}} = "{{target}}"

[tool.hatch.build.targets.wheel]
packages = ["{{package}}"]
"""

INIT = '"""{{summary_text}}"""\n\n__version__ = {{version}}\n'

DATABASE_CONFIG = '''\
"""The options of a {{title}} source; the wizard's form and the command line come from these fields."""

from __future__ import annotations

from etiket_gui.backends.api import SourceConfig
from pydantic import Field


class {{camel}}ConfigClass(SourceConfig):
    """Give every option a title and a description that ends with a full stop. A password is no option."""

    database_path: str = Field(title="Database", description="The file or the address of the database.")
    set_up: str = Field(default="", title="Set-up", description="The name of the set-up that measures there.")
'''

DATABASE_SYNC = '''\
"""Reads the datasets of a {{title}} database; never writes to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from etiket_gui.backends.plugin_bases import DatasetDetails, DatasetRow, TableSource
from etiket_gui.domain.states import ScopePolicy

from {{package}}.{{plain}}_config_class import {{camel}}ConfigClass


class {{camel}}SyncClass(TableSource):
    """Fill in the two methods below; discovery, settling, conversion of failures and sending are done already."""

    identifier = "{{plain}}"
    title = "{{title}}"
    config_class = {{camel}}ConfigClass
    scope_policy = ScopePolicy.{{scope}}
    live_sync = {{live_sync}}
    #: Endings of the database's file name, such as (".sqlite",): a drop of such a file is recognised then.
    endings = ()
    config: {{camel}}ConfigClass

    def list_datasets(self) -> Iterable[DatasetRow]:
        """Fill in: one row for each dataset that is there now, as cheaply as possible.

        Open ``self.config.database_path`` for reading only, and close it again. ``version`` is anything that changes
        when the dataset does. For example:

            yield DatasetRow(identifier=str(row.id), name=row.name, version=row.modified, is_complete=row.done)
        """
        return ()

    def write_files(self, identifier: str, folder: Path) -> DatasetDetails | None:
        """Fill in: write the files of one dataset into the empty folder, and tell what is known of it.

        The same dataset must give the same bytes each time. For example:

            (folder / "data.csv").write_text(text_of(identifier))
            return DatasetDetails(attributes={"sample": sample})
        """
        return None
'''

FILE_CONFIG = '''\
"""The options of a {{title}} source; the wizard's form and the command line come from these fields."""

from __future__ import annotations

from etiket_gui.backends.plugin_bases import FileSourceConfig
from pydantic import Field


class {{camel}}ConfigClass(FileSourceConfig):
    """The folder, what is left out and when it is quiet come with the base; add options of your own here."""

    level: int = Field(
        default={{level}},
        title="Depth of the datasets",
        description=(
            "1: each sub-folder is a dataset. 2, 3, …: the folders at that depth. 0: the folder itself is one dataset. "
            "-1: the outermost folders that hold a file _QH_dataset_info.yaml."
        ),
    )
'''

FILE_SYNC = '''\
"""Reads the dataset folders of {{title}}; never writes to them."""

from __future__ import annotations

from pathlib import Path

from etiket_gui.backends.plugin_bases import DatasetDetails, FileSource
from etiket_gui.domain.states import ScopePolicy

from {{package}}.{{plain}}_config_class import {{camel}}ConfigClass


class {{camel}}SyncClass(FileSource):
    """Works as it is: every folder at the level is a dataset and is sent unchanged."""

    identifier = "{{plain}}"
    title = "{{title}}"
    config_class = {{camel}}ConfigClass
    scope_policy = ScopePolicy.{{scope}}
    live_sync = {{live_sync}}
    level = {{level}}

    def details(self, folder: Path) -> DatasetDetails | None:
        """May be filled in: what a person should see of the dataset in this folder.

        Open files for reading only. For example:

            return DatasetDetails(name=folder.name.title(), attributes={"sample": read_sample(folder)})
        """
        return None
'''

CONVERTER = '''\
"""Turns {{input}} into {{output}}."""

from __future__ import annotations

from pathlib import Path

from etiket_gui.converters.api import Converter
from etiket_gui.domain.errors import ConversionFailed


class {{camel}}Converter(Converter):
    """Runs by itself for every file or folder of a folder source whose name ends with the input type."""

    input_type = "{{input}}"
    output_type = "{{output}}"
    #: Count up whenever the same input gives other bytes.
    version = "1"

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """Fill in: write the result into the empty folder ``output_dir`` and return its path.

        The same input must give the same bytes each time, and memory must not grow with the input: read and write
        in pieces, and call ``self.stop.check()`` between them. For example:

            with open(input_path, "rb", opener=quietly) as file:
                ...
            return output_dir / f"{input_path.stem}.{self.output_type}"

        ``quietly`` (from etiket_gui.converters.api) reads without leaving a trace in the input's access time.
        """
        raise ConversionFailed(f"{type(self).__name__} is not filled in yet, so {input_path.name} was not converted.")
'''


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with every ``{{name}}`` replaced. Raises KeyError for one that has no value."""
    parts = template.split("{{")
    text = parts[0]
    for part in parts[1:]:
        name, closing, rest = part.partition("}}")
        text += values[name] + rest if closing else "{{" + part
    return text
