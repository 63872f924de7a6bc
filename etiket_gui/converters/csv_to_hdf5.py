"""CSV tables as HDF5: a variable for each column, numbers as numbers, text as text; at constant memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from etiket_gui.converters.api import Converter
from etiket_gui.converters.csv_table import Table, read_table
from etiket_gui.converters.netcdf import TEXT, Variable, safe_name, write_netcdf

_DIMENSION = "row"


class CsvToHdf5(Converter):
    """Reads what instruments and spreadsheets write: comma, semicolon, tab or blanks, with or without a header."""

    input_type: ClassVar[str] = "csv"
    output_type: ClassVar[str] = "hdf5"
    version: ClassVar[str] = "1"

    def convert(self, input_path: Path, output_dir: Path) -> Path:
        """A netCDF4-readable HDF5 file with one dimension. Raises ConversionFailed for what is no table."""
        target = output_dir / f"{input_path.stem}.hdf5"
        with tempfile.TemporaryFile(dir=output_dir) as spool:
            table = read_table(input_path, cast("Any", spool), self.stop)
            attributes: dict[str, Any] = {"source": input_path.name}
            if table.preamble:
                attributes["preamble"] = "\n".join(table.preamble)
            write_netcdf(target, {_DIMENSION: table.row_count}, self._variables(table), attributes, self.stop)
        return target

    def _variables(self, table: Table) -> list[Variable]:
        variables = []
        taken = {_DIMENSION}
        for number, column in enumerate(table.columns):
            name = plain = safe_name(column.name)
            count = 1
            while name in taken:
                count += 1
                name = safe_name(f"{plain}_{count}")
            taken.add(name)
            attributes = {"long_name": column.name}
            if column.unit:
                attributes["units"] = column.unit
            dtype = np.dtype(np.int64 if column.is_whole else np.float64)
            variables.append(
                Variable(
                    name,
                    (_DIMENSION,),
                    TEXT if column.is_text else dtype,
                    attributes,
                    self._texts(table, number) if column.is_text else self._numbers(table, number, dtype),
                )
            )
        return variables

    def _texts(self, table: Table, number: int) -> Any:
        return lambda: table.texts(number, self.stop)

    def _numbers(self, table: Table, number: int, dtype: np.dtype[Any]) -> Any:
        def blocks() -> Iterator[np.ndarray[Any, Any]]:
            for block in table.numbers(number, self.stop):
                yield block.astype(dtype)

        return blocks
