"""What the journal holds, as rows of the database: each kind's model, key and members.

Rows are read and written here by plain SQL that is made from the models' own
fields; what they list of others, as users do their groups, goes through the
models. It is quick enough for a million, and works on any state of the schema:
a restore hands in the models as they were at the recorded migrations.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from operator import itemgetter
from typing import Any

from django.apps import apps as current_apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from mezzotint.errors import JournalBroken
from mezzotint.journal import Change
from mezzotint.repository.kinds import KINDS, Kind

log = logging.getLogger(__name__)
_CHUNK = 500


_Convert = Callable[[Any], Any]


class Records:
    """The rows of every kind in one database. `apps` are the models of its schema."""

    def __init__(self, connection: BaseDatabaseWrapper, apps: Any = current_apps) -> None:
        self.connection, self.apps = connection, apps
        self._tables: dict[str, Table] = {}

    @property
    def is_current(self) -> bool:
        """Whether the schema is this version's."""
        return self.apps is current_apps

    def table(self, name: str) -> Table:
        """Raises JournalBroken for a kind that is not known."""
        if name not in self._tables:
            if name not in KINDS:
                raise JournalBroken(f"the journal has a change of the unknown kind {name!r}: a later version wrote it")
            self._tables[name] = Table(self, KINDS[name])
        return self._tables[name]


class Table:
    def __init__(self, records: Records, kind: Kind) -> None:
        self._connection, self._apps, self._kind = records.connection, records.apps, kind
        self.model: type[models.Model] = records.apps.get_model(*kind.model)
        self._fields = [
            f
            for f in self.model._meta.concrete_fields
            if f.name not in kind.omitted and f.name not in kind.references and not isinstance(f, models.AutoField)
        ]
        known = {f.name: f for f in self.model._meta.concrete_fields}
        derived = kind.derived({}) if kind.derived is not None else {}
        self._derived = [known[name] for name in derived if name in known]
        self._members = {f.name for f in self._fields} | set(kind.key) | set(kind.lists) | {"put"}
        self._name = _quoted(self.model._meta.db_table)

    def put(self, changes: Sequence[Change]) -> None:
        """Write whole states, new ones and over old ones. Raises JournalBroken for what does not fit the schema."""
        try:
            rows = [self._row(change) for change in changes]
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise JournalBroken(f"the journal has a {self._kind.name} that cannot be read") from error
        with self._connection.cursor() as cursor:
            cursor.executemany(self._put_statement, rows)
        for change in changes if self._kind.lists else ():
            self._put_lists(change)

    def known(self, change: Change) -> Change:
        """Without what an older schema does not have, of what is reckoned here."""
        return {name: value for name, value in change.items() if name in self._members}

    def _row(self, change: Change) -> list[Any]:
        """Its values in the order of the columns. Nearly always it has all members and no other."""
        if change.keys() == self._members:
            row = list(self._all_values(change))
            for place, write in self._converted:
                row[place] = write(row[place])
            row[len(self._fields) : len(self._fields)] = self._derived_values(change)
            return row
        if unknown := change.keys() - self._members:
            names = ", ".join(sorted(unknown))
            raise JournalBroken(
                f"the journal has members of {self._kind.name} that this version does not know: {names}"
            )
        values = [write(change[name]) if name in change else default() for name, write, default in self._writers]
        references = [change[member] for member, _ in self._kind.references.values()]
        return values + self._derived_values(change) + references

    def _derived_values(self, change: Change) -> list[Any]:
        if not self._derived or self._kind.derived is None:
            return []
        values = self._kind.derived(change)
        return [values[f.name] for f in self._derived]

    def remove(self, changes: Sequence[Change]) -> None:
        """Remove rows by their keys, with what belongs to them. What is not there is no error."""
        kind = self._kind
        if not kind.references:
            (key,) = kind.key
            self.model._default_manager.filter(**{f"{key}__in": [change[key] for change in changes]}).delete()
            return
        paths = {member: f"{name}__{member}" for name, (member, _) in kind.references.items()}
        for change in changes:
            self.model._default_manager.filter(**{path: change[member] for member, path in paths.items()}).delete()

    def rows(self, keys: Iterable[tuple[str, ...]] | None = None) -> Iterator[Change]:
        """Whole states as the journal has them: all in the order of their keys, or those of some keys."""
        if keys is None:
            yield from self._read(f"{self._select} ORDER BY {', '.join(self._key_columns)}", [])
            return
        condition = " AND ".join(f"{column} = %s" for column in self._key_columns)
        for key in keys:
            yield from self._read(f"{self._select} WHERE {condition}", key)

    def _read(self, statement: str, parameters: Sequence[Any]) -> Iterator[Change]:
        members, readers = self._selected, self._readers
        with self._connection.chunked_cursor() as cursor:
            cursor.execute(statement, parameters)
            while batch := cursor.fetchmany(_CHUNK):
                for row in batch:
                    change: Change = {"put": self._kind.name}
                    for name, read, value in zip(members, readers, row, strict=True):
                        change[name] = value if read is None else read(value)
                    yield change | self._lists(change)

    @cached_property
    def _writers(self) -> list[tuple[str, _Convert, Callable[[], Any]]]:
        return [(f.name, _writer(f, self._connection), _default(f, self._connection)) for f in self._fields]

    @cached_property
    def _all_values(self) -> Callable[[Change], tuple[Any, ...]]:
        names = [f.name for f in self._fields] + [member for member, _ in self._kind.references.values()]
        return itemgetter(*names) if len(names) > 1 else lambda change: (change[names[0]],)

    @cached_property
    def _converted(self) -> list[tuple[int, _Convert]]:
        return [(place, write) for place, (_, write, _) in enumerate(self._writers) if write is not _plain]

    @cached_property
    def _put_statement(self) -> str:
        """An upsert. References are looked up by their keys; where one is not there, nothing is written."""
        references = self._kind.references
        columns = [f.column for f in (*self._fields, *self._derived)]
        values = ", ".join(["%s"] * len(columns))
        conflict = list(self._kind.key)
        source = f"VALUES ({values})"
        if references:
            joined = ", ".join(f"{self._table_of(of)} t_{name}" for name, (_, of) in references.items())
            wanted = " AND ".join(f"t_{name}.{_quoted(member)} = %s" for name, (member, _) in references.items())
            source = f"SELECT {values}, {', '.join(f't_{name}.id' for name in references)} FROM {joined} WHERE {wanted}"
            conflict = [f"{name}_id" for name in references]
            columns += conflict
        changed = [column for column in columns if column not in conflict]
        update = ", ".join(f"{_quoted(column)} = excluded.{_quoted(column)}" for column in changed)
        target = ", ".join(map(_quoted, conflict))
        into = ", ".join(map(_quoted, columns))
        done = f"UPDATE SET {update}" if update else "NOTHING"  # a group is its name alone
        return f"INSERT INTO {self._name} ({into}) {source} ON CONFLICT ({target}) DO {done}"

    @cached_property
    def _selected(self) -> list[str]:
        return [f.name for f in self._fields] + [member for member, _ in self._kind.references.values()]

    @cached_property
    def _readers(self) -> list[_Convert | None]:
        return [_reader(f) for f in self._fields] + [None for _ in self._kind.references]

    @cached_property
    def _key_columns(self) -> list[str]:
        if not self._kind.references:
            return [f"t.{_quoted(name)}" for name in self._kind.key]
        return [f"t_{name}.{_quoted(member)}" for name, (member, _) in self._kind.references.items()]

    @cached_property
    def _select(self) -> str:
        columns = [f"t.{_quoted(f.column)}" for f in self._fields]
        columns += self._key_columns if self._kind.references else []
        joins = "".join(
            f" JOIN {self._table_of(kind)} t_{name} ON t_{name}.id = t.{name}_id"
            for name, (_, kind) in self._kind.references.items()
        )
        return f"SELECT {', '.join(columns)} FROM {self._name} t{joins}"

    def _table_of(self, kind: str) -> str:
        return _quoted(self._apps.get_model(*KINDS[kind].model)._meta.db_table)

    def _lists(self, change: Change) -> Change:
        if not self._kind.lists:
            return {}
        manager = self.model._default_manager.using(self._connection.alias)
        row = manager.get(**{name: change[name] for name in self._kind.key})
        return {
            name: sorted(
                list(names) if len(names) > 1 else names[0] for names in getattr(row, name).values_list(*paths)
            )
            for name, paths in self._kind.lists.items()
        }

    def _put_lists(self, change: Change) -> None:
        row = self.model._default_manager.get(**{name: change[name] for name in self._kind.key})
        for name, paths in self._kind.lists.items():
            wanted = models.Q(pk__in=[])
            for names in change.get(name, []):
                values = names if isinstance(names, list) else [names]
                wanted |= models.Q(**dict(zip(paths, values, strict=True)))
            related = getattr(row, name)
            found = list(related.model._default_manager.filter(wanted))
            if len(found) < len(change.get(name, [])):
                log.warning("of %s of %s only %d are known here", name, row, len(found))
            related.set(found)


def _writer(f: Any, connection: BaseDatabaseWrapper) -> _Convert:
    if isinstance(f, models.JSONField):
        return _write_json
    if isinstance(f, models.DateTimeField):
        return _write_sqlite_time if connection.vendor == "sqlite" else datetime.fromisoformat
    return _plain


def _plain(value: Any) -> Any:
    return value


_write_json = json.JSONEncoder(ensure_ascii=False).encode


def _write_sqlite_time(value: str) -> str:
    """As Django has moments on SQLite. Nearly all are in UTC already."""
    if not value.endswith("+00:00"):
        value = datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return f"{value[:10]} {value[11:-6]}"


def _default(f: Any, connection: BaseDatabaseWrapper) -> Callable[[], Any]:
    """For what an older version did not write."""
    if f.has_default() or (f.empty_strings_allowed and not f.null):
        return lambda: f.get_db_prep_save(f.get_default(), connection)
    if f.null:
        return lambda: None

    def missing() -> Any:
        raise KeyError(f.name)

    return missing


def _reader(f: Any) -> _Convert | None:
    if isinstance(f, models.JSONField):
        return json.loads
    if isinstance(f, models.DateTimeField):
        return _read_time
    return None


def _read_time(value: datetime) -> str:
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _quoted(name: str) -> str:
    return f'"{name}"'
