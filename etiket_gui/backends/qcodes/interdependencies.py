"""Which parameter of a run depends on which: read from its description, or from the tables of older databases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from etiket_gui.backends.sqlite_access import DatabaseBroken, Reader


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; ``kind`` is numeric, array, complex or text."""

    name: str
    kind: str = "numeric"
    label: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """A measured parameter with what it depends on (outermost first) and what was inferred of either."""

    name: str
    setpoints: tuple[str, ...]
    inferred: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that a point of this tree has."""
        return (self.name, *self.setpoints, *self.inferred)


@dataclass(frozen=True, slots=True)
class Interdependencies:
    """All parameters of a run and how they belong together; ``shapes`` are the grids the person announced."""

    parameters: Mapping[str, Parameter]
    depends_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inferred_from: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def trees(self) -> tuple[Tree, ...]:
        """One tree for each parameter that nothing else depends on, by name, as QCoDeS itself orders them."""
        is_setpoint = {name for names in self.depends_on.values() for name in names}
        tops = [
            name for name in self.depends_on if name not in is_setpoint and not self.inferred_from.get(name)
        ]  # fmt: skip
        covered = {name for top in tops for name in self._all_of(top)}
        bases = {name for names in self.inferred_from.values() for name in names}
        tops += [name for name in self.inferred_from if name not in bases and name not in covered]
        touched = set(self.depends_on) | is_setpoint | set(self.inferred_from) | bases
        tops += [name for name in self.parameters if name not in touched]
        return tuple(self._tree(name) for name in sorted(set(tops)))

    def _tree(self, name: str) -> Tree:
        setpoints = self.depends_on.get(name, ())
        return Tree(name, setpoints, tuple(sorted(self._all_of(name) - {name} - set(setpoints))))

    def related(self, name: str) -> frozenset[str]:
        """Every parameter that belongs to this one: what it depends on, and what was inferred of either."""
        return frozenset(self._all_of(name))

    def _all_of(self, name: str) -> set[str]:
        found = {name} | _reachable(name, self.depends_on)
        derived: dict[str, tuple[str, ...]] = {}
        for inferred, bases in self.inferred_from.items():
            for basis in bases:
                derived[basis] = (*derived.get(basis, ()), inferred)
        for member in tuple(found):
            found |= _reachable(member, self.inferred_from) | _reachable(member, derived)
        return found


def _reachable(start: str, edges: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    waiting = list(edges.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += edges.get(name, ())
    return found


def from_description(text: str) -> Interdependencies:
    """What a run description (any of its versions 0 to 3, or a newer one) says. Raises DatabaseBroken."""
    try:
        description = json.loads(text)
        newer = description.get("interdependencies_")
        if newer is None and "parameters" in description["interdependencies"]:
            newer = description["interdependencies"]
        found = _newer(newer) if newer else _older(description["interdependencies"]["paramspecs"])
        shapes = {
            str(name): tuple(int(size) for size in shape) for name, shape in (description.get("shapes") or {}).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatabaseBroken(f"The description of the run cannot be understood: {error!r}.") from error
    return Interdependencies(found.parameters, found.depends_on, found.inferred_from, shapes)


def _newer(value: Mapping[str, Any]) -> Interdependencies:
    keys = {key: str(spec["name"]) for key, spec in value["parameters"].items()}

    def edges(name: str) -> dict[str, tuple[str, ...]]:
        told = value.get(name) or {}
        return {keys[key]: tuple(keys[item] for item in items) for key, items in told.items()}

    parameters = {spec["name"]: _parameter(spec) for spec in value["parameters"].values()}
    return Interdependencies(parameters, edges("dependencies"), edges("inferences"))


def _older(specs: Iterable[Mapping[str, Any]]) -> Interdependencies:
    parameters: dict[str, Parameter] = {}
    depends_on: dict[str, tuple[str, ...]] = {}
    inferred_from: dict[str, tuple[str, ...]] = {}
    for spec in specs:
        parameter = _parameter(spec)
        parameters[parameter.name] = parameter
        if spec.get("depends_on"):
            depends_on[parameter.name] = tuple(spec["depends_on"])
        if spec.get("inferred_from"):
            inferred_from[parameter.name] = tuple(spec["inferred_from"])
    return Interdependencies(parameters, depends_on, inferred_from)


def _parameter(spec: Mapping[str, Any]) -> Parameter:
    return Parameter(
        str(spec["name"]), str(spec.get("paramtype", "numeric")), str(spec.get("label") or ""),
        str(spec.get("unit") or ""),
    )  # fmt: skip


def from_tables(reader: Reader, run_id: int, result_table: str) -> Interdependencies:
    """What the tables ``layouts`` and ``dependencies`` say, for runs from before descriptions."""
    kinds = {str(row[1]): str(row[2]) for row in reader.query("SELECT * FROM pragma_table_info(?)", (result_table,))}
    parameters: dict[str, Parameter] = {}
    inferred_from: dict[str, tuple[str, ...]] = {}
    names: dict[object, str] = {}
    rows = reader.query(
        "SELECT layout_id, parameter, label, unit, inferred_from FROM layouts WHERE run_id = ? ORDER BY layout_id",
        (run_id,),
    )
    for layout_id, name, label, unit, bases in rows:
        key = str(name)
        names[layout_id] = key
        parameters[key] = Parameter(key, kinds.get(key, "numeric").lower(), str(label or ""), str(unit or ""))
        from_names = tuple(part.strip() for part in str(bases or "").split(",") if part.strip())
        if from_names:
            inferred_from[key] = from_names
    depends_on: dict[str, tuple[str, ...]] = {}
    for dependent, independent in reader.query(
        "SELECT d.dependent, d.independent FROM dependencies d JOIN layouts l ON l.layout_id = d.dependent "
        "WHERE l.run_id = ? ORDER BY d.dependent, d.axis_num",
        (run_id,),
    ):
        if dependent in names and independent in names:
            depends_on[names[dependent]] = (*depends_on.get(names[dependent], ()), names[independent])
    return Interdependencies(parameters, depends_on, inferred_from)


def as_description(found: Interdependencies) -> dict[str, Any]:
    """A run description of version 3 for a run that has none, so that QCoDeS can load what is made of it."""
    specs = {
        item.name: {"name": item.name, "paramtype": item.kind, "label": item.label, "unit": item.unit}
        for item in found.parameters.values()
    }
    old_specs = [
        {
            **specs[name],
            "inferred_from": list(found.inferred_from.get(name, ())),
            "depends_on": list(found.depends_on.get(name, ())),
        }
        for name in specs
    ]
    touched = set(found.depends_on) | set(found.inferred_from)
    touched |= {name for names in (*found.depends_on.values(), *found.inferred_from.values()) for name in names}
    return {
        "version": 3,
        "interdependencies": {"paramspecs": old_specs},
        "interdependencies_": {
            "parameters": specs,
            "dependencies": {name: list(names) for name, names in found.depends_on.items()},
            "inferences": {name: list(names) for name, names in found.inferred_from.items()},
            "standalones": [name for name in specs if name not in touched],
        },
        "shapes": None,
    }
