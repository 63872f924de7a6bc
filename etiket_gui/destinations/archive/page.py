"""The pages people find in an archive: one per dataset and one at its root, as text; writes nothing itself.

Everything that comes from a dataset is escaped and every link is percent-encoded, because a name or a description is
whatever somebody typed. The pages need nothing from outside and no script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote_from_bytes

from etiket_gui.domain.content import Description
from etiket_gui.domain.names import display
from etiket_gui.domain.states import RunState

#: More rows than this make a page no browser likes; the checksum file lists every file.
MAXIMUM_ROWS = 2000

_STYLE = """<style>
:root{color-scheme:light dark;
--text:#1c2126;--soft:#5b6670;--line:#d9dee3;--back:#fff;--box:#f4f6f8;--link:#0b5cad}
@media(prefers-color-scheme:dark){:root{
--text:#e6e9ec;--soft:#9aa5b0;--line:#38424c;--back:#14181c;--box:#1d2329;--link:#7ab8f5}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);
max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.1rem;margin:1.8rem 0 .5rem}p{margin:.4rem 0}a{color:var(--link)}
.soft{color:var(--soft)}.text{white-space:pre-wrap}.box{background:var(--box);border-radius:.5rem;padding:.6rem .9rem}
img{max-width:100%;border-radius:.5rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.25rem .8rem .25rem 0;border-top:1px solid var(--line);vertical-align:top}
td.n{text-align:right;white-space:nowrap}code{font-size:.8rem;color:var(--soft)}
span.k{background:var(--box);border-radius:1rem;padding:.1rem .6rem;margin-right:.3rem}
</style>
"""

_HEAD = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
)

_RUN_STATES = {
    RunState.COMPLETE: "",
    RunState.INTERRUPTED: "This measurement was interrupted: it holds what was written until then.",
    RunState.LIVE: "This measurement was still running when this was written.",
    RunState.ANNOUNCED: "This measurement was announced but had not written anything yet.",
}


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One row of a dataset's page.

    ``name`` is portable; ``path`` is the relative path in the folder of the page, as bytes of the file system and
    empty when there is nothing to open; ``note`` says what is special about it.
    """

    name: str
    path: bytes
    size_bytes: int
    sha256: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class DatasetPage:
    """What a dataset's page shows. ``mark`` is the first line, by which the program knows its own page again."""

    mark: str
    title: str
    workspace: str
    uuid: str
    version: str
    published_ns: int
    is_provisional: bool
    size_bytes: int
    source_name: str
    backend: str
    description: Description
    files: Sequence[ListedFile]
    versions: Sequence[str]
    sums_name: str
    preview: bytes | None = None


def readable_size(size_bytes: int) -> str:
    """A size in the units people read, in steps of 1000: "0 bytes", "1 byte", "12.3 kB"."""
    if size_bytes < 1000:
        return "1 byte" if size_bytes == 1 else f"{size_bytes} bytes"
    size, units = size_bytes / 1000, ["kB", "MB", "GB", "TB"]
    while size >= 999.95 and len(units) > 1:
        size /= 1000
        del units[0]
    return f"{size:.1f} {units[0]}"


def readable_time(time_ns: int) -> str:
    """A moment as UTC text for people; empty for 0 and for what no calendar holds."""
    if time_ns <= 0:
        return ""
    try:
        return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return ""


def _clean(text: str) -> str:
    """HTML text of anything: escaped, lone surrogates replaced, direction changes and control characters visible."""
    if text.isascii() and text.isprintable():
        return escape(text)
    shown = "\n".join(display(line) for line in text.split("\n"))
    return escape(shown.encode("utf-8", "replace").decode())


def _value(value: Any) -> str:
    if value is None:
        return '<span class="soft">not given</span>'
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _clean(str(value))


def _table(values: Mapping[str, Any]) -> str:
    rows = [f"<tr><td>{_clean(str(key))}</td><td>{_value(value)}</td></tr>" for key, value in values.items()]
    return f'<div class="box"><table>{"".join(rows)}</table></div>\n'


def _file_rows(files: Sequence[ListedFile]) -> str:
    rows = []
    for file in files[:MAXIMUM_ROWS]:
        name = _clean(file.name)
        if file.path:
            # "./" keeps a first component with a colon from being read as a web address
            name = f'<a href="./{quote_from_bytes(file.path)}">{name}</a>'
        note = f'<br><span class="soft">{_clean(file.note)}</span>' if file.note else ""
        size = readable_size(file.size_bytes) if file.sha256 else ""
        rows.append(f'<tr><td>{name}{note}</td><td class="n">{size}</td><td><code>{file.sha256}</code></td></tr>')
    return "".join(rows)


def _files(page: DatasetPage) -> str:
    if not page.files:
        return '<h2>Files</h2><p class="soft">This dataset has no files.</p>\n'
    more = len(page.files) - MAXIMUM_ROWS
    rest = f'<p class="soft">… and {more} more, all listed in {escape(page.sums_name)}.</p>' if more > 0 else ""
    sums = escape(page.sums_name)
    return (
        f"<h2>Files</h2>\n<table><tr><th>Name</th><th>Size</th><th>SHA-256</th></tr>{_file_rows(page.files)}</table>\n"
        f'{rest}<p class="soft">To check them yourself, run <code>sha256sum -c {sums}</code> in this folder. The files '
        "here are read-only on purpose: copy one before you change it.</p>\n"
    )


def _collected(description: Description) -> str:
    if not description.collected:
        return ""
    text = re.sub(r"^(\d{4}-\d\d-\d\d)T", r"\1 ", description.collected)
    return f"<p>Collected: {_clean(text)}</p>\n"


def dataset_page(page: DatasetPage) -> bytes:
    """The page of one dataset as UTF-8 HTML; its first line is ``page.mark``."""
    description = page.description
    name = _clean(description.name) or _clean(page.title)
    parts = [f"{page.mark}\n{_HEAD}<title>{name}</title>\n{_STYLE}</head><body>\n<h1>{name}</h1>\n"]
    parts.append(_collected(description))
    if state := _RUN_STATES[description.run_state]:
        parts.append(f'<p class="box">{state}</p>\n')
    if page.is_provisional:
        parts.append('<p class="box">This is a provisional version; the final one replaces it by itself.</p>\n')
    if page.preview is not None:
        parts.append(f'<p><img src="./{quote_from_bytes(page.preview)}" alt="Preview"></p>\n')
    if description.text:
        parts.append(f'<h2>Description</h2>\n<p class="text">{_clean(description.text)}</p>\n')
    if description.keywords:
        words = " ".join(f'<span class="k">{_clean(word)}</span>' for word in description.keywords)
        parts.append(f"<h2>Keywords</h2>\n<p>{words}</p>\n")
    if description.attributes:
        parts.append(f"<h2>Attributes</h2>\n{_table(description.attributes)}")
    parts.append(_files(page))
    archived: dict[str, Any] = {
        "Version": page.version,
        "Archived": readable_time(page.published_ns),
        "Size": readable_size(page.size_bytes),
        "All versions": ", ".join(page.versions),
        "Source": f"{page.source_name} ({page.backend})",
        "Identifier": description.identifier,
        "Dataset uuid": page.uuid,
        "Stored as": f"{page.workspace}/{page.title}",
    }
    if description.previous_identifiers:
        archived["Earlier identifiers"] = ", ".join(description.previous_identifiers)
    parts.append(f"<h2>In the archive</h2>\n{_table(archived)}</body></html>\n")
    return "".join(parts).encode()


def root_page() -> bytes:
    """The page at the root of an archive that says in plain words what lies there; the same for every archive."""
    return (
        f"<!-- etiket-gui archive -->\n{_HEAD}<title>Measurement archive</title>\n{_STYLE}</head><body>\n"
        "<h1>Measurement archive</h1>\n"
        "<p>Measurements are copied into this folder by etiket-gui, every file checked against what was measured. "
        "Nothing here needs a program to be read.</p>\n"
        '<h2>To look at measurements</h2>\n<p>Open <a href="./browse/">browse</a>: by source, year and day there is '
        "one folder per measurement, with its files, a page <code>index.html</code> that describes it and the "
        "checksums of its files in <code>SHA256SUMS</code>. The files are read-only; copy one before you change it. If "
        "there is no such folder, it was not wanted or this disk cannot hold it.</p>\n"
        "<h2>To get a measurement back</h2>\n<p><code>etiket-sync restore --from archive:THIS_FOLDER NAME --to FOLDER"
        "</code> brings back any version with its names, contents and times.</p>\n"
        "<h2>How it is stored</h2>\n<p>In each workspace there is one folder per measurement. A file "
        "<code>NAME-vVERSION.yml</code> lists all files of one version; the contents lie beside it under "
        "<code>blobs</code>, named by their SHA-256. Every version stays. rmellipse reads this layout too.</p>\n"
        "<h2>Please do not</h2>\n<p>rename, edit or delete anything in the workspaces, in <code>.etiket</code> or the "
        "file <code>.rmearchive</code>. To check that everything is intact: <code>etiket-sync verify</code>.</p>\n"
        "</body></html>\n"
    ).encode()
