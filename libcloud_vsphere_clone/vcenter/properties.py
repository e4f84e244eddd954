"""Bulk reads: which paths of which objects in, rows out, in one call plus the server's pages.

No property is ever read through a pyVmomi object's attribute: that is a round trip each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache, partial
from typing import Any, TypeVar

from pyVmomi import VmomiSupport, vim, vmodl

from ..errors import NotFoundError, translated
from .pages import Page, PageReader, read_page
from .rows import Ref, Reply, Row
from .session import Session
from .types import vim_type

Parsed = TypeVar("Parsed")
Paths = Mapping[str, Sequence[str]]
"""``{vSphere type: leaf paths}``, e.g. ``{"Folder": ("name", "parent")}``."""

_Collector = vmodl.query.PropertyCollector


def fetch_rows(
    session: Session,
    paths: Paths,
    *,
    objects: Iterable[Ref] = (),
    everywhere: Iterable[str] | None = None,
    below: Ref | None = None,
) -> dict[Ref, Row]:
    """``{ref: row}`` of every object of the types in ``everywhere``, and of ``objects``, in one read.

    :param paths: what to read, by type; paths that the server's API version lacks are left out, since one unknown
        path fails the whole call.
    :param objects: single objects to read beside; one that is gone has no row.
    :param everywhere: the types to read all over the inventory, by a view; default: all in ``paths``.
    :param below: read what is in this folder and its subfolders instead.
    :raises VsphereError: as ``errors.py`` maps what went wrong.
    Source: PropertyCollector.RetrievePropertiesEx (vSphere Web Services API).
    """
    kinds = frozenset(paths if everywhere is None else everywhere)
    specs = [build_object_spec(session, ref) for ref in objects]
    if below is not None:
        specs.append(_below_spec(session, below))
    if not kinds and not specs:
        return {}
    read = _read_pages if not kinds or below is not None else partial(_read_view, kinds=kinds)
    with translated(f"read the inventory of {session.endpoint}"):
        rows = read(session, paths, specs)
        if not rows:
            session.check_alive()  # a session that has ended can look like an empty inventory
            rows = read(session, paths, specs)
    return rows


def fetch_row(session: Session, ref: Ref, paths: Sequence[str]) -> Row | None:
    """The row of one object; None when it does not exist or this user cannot see it."""
    try:
        return fetch_rows(session, {ref.kind: paths}, objects=[ref], everywhere=()).get(ref)
    except NotFoundError:
        return None


def iterate_rows(session: Session, paths: Paths, *, everywhere: Iterable[str]) -> Iterator[Row]:
    """The rows of every object of the types in ``paths``, each as soon as it has arrived.

    A connection is busy until the iterator ends or is closed. What breaks half-way is not repeated.

    :param everywhere: the types of the view to read by: of a listing that was made before, none has to be made.
    :raises VsphereError: as ``errors.py`` maps what went wrong.
    Source: PropertyCollector.RetrievePropertiesEx, ContinueRetrievePropertiesEx (vSphere Web Services API).
    """
    kinds = frozenset(everywhere)
    with translated(f"read the inventory of {session.endpoint}"):
        view = session.view(kinds)
        rows = _iterate_pages(session, paths, view)
        try:
            first = next(rows, None)
        except (vmodl.fault.ManagedObjectNotFound, vim.fault.NotAuthenticated):
            session.drop_view(view)
            first = None
        if first is None:
            session.check_alive()  # a session that has ended can look like an empty inventory
            rows = _iterate_pages(session, paths, session.view(kinds))
            first = next(rows, None)
        if first is not None:
            yield first
        yield from rows


def stream(
    session: Session,
    method: str,
    target: Any,
    args: list[Any],
    parse: Callable[[Reply], Parsed],
    *,
    held_s: float = 0.0,
) -> Parsed:
    """What ``parse`` makes of the reply to one call, read while it arrives.

    :param held_s: seconds for which the server may hold the answer back because it was asked to.
    :raises vmodl.MethodFault: the server's fault.
    """
    return session.stub.call(target, target._GetMethodInfo(method), args, parse, held_s=held_s)


def supported_paths(kind: str, paths: Sequence[str], version: str) -> list[str]:
    """Those of ``paths`` that a server speaking this pyVmomi API version knows.

    :raises AttributeError: no version knows the path: a mistake in this program.
    """
    return [path for path in paths if _is_supported(vim_type(kind), path, version)]


def _is_supported(kind: Any, path: str, version: str) -> bool:
    for step in re.sub(r"\[[^]]*\]", "", path).split("."):
        element = getattr(kind, "Item", None)
        if element is not None and issubclass(kind, list):
            kind = element  # a key in brackets picks one of the array
        info = kind._GetPropertyInfo(step)
        if not VmomiSupport.IsChildVersion(version, info.version):
            return False
        kind = info.type
    return True


def _read_view(session: Session, paths: Paths, specs: list[Any], kinds: frozenset[str]) -> dict[Ref, Row]:
    """One read over a kept view; a view that the server has lost meanwhile is made again, once.

    A view ends with its session. Where single objects are read beside it, their rows alone would come back.
    """
    generation = session.stub.generation
    view = session.view(kinds)
    try:
        rows = _read_pages(session, paths, [*specs, build_view_spec(view)])
        if session.stub.generation == generation:
            return rows
    except vmodl.fault.ManagedObjectNotFound:
        session.drop_view(view)
    return _read_pages(session, paths, [*specs, build_view_spec(session.view(kinds))])


def _read_pages(session: Session, paths: Paths, specs: list[Any]) -> dict[Ref, Row]:
    collector = session.content.propertyCollector
    args: list[Any] = [[build_filter_spec(session, paths, specs)], _Collector.RetrieveOptions()]
    page = stream(session, "RetrievePropertiesEx", collector, args, _authenticated_page)
    rows, generation = {row.ref: row for row in page.rows}, session.stub.generation
    while page.token:
        try:
            page = stream(session, "ContinueRetrievePropertiesEx", collector, [page.token], _authenticated_page)
        except vmodl.MethodFault:
            if session.stub.generation == generation:
                raise
            return _read_pages(session, paths, specs)  # the rest went with the session that ended: from the start
        rows.update((row.ref, row) for row in page.rows)
    return rows


def build_filter_spec(session: Session, paths: Paths, specs: list[Any]) -> Any:
    """These paths of the objects that these ObjectSpecs lead to."""
    return _Collector.FilterSpec(
        objectSet=specs, propSet=build_property_specs(session, paths), reportMissingObjectsInResults=True
    )


def build_object_spec(session: Session, ref: Ref) -> Any:
    """A single object."""
    return _Collector.ObjectSpec(obj=session.managed(*ref))


def build_view_spec(view: Any) -> Any:
    """All objects of a view."""
    through = _Collector.TraversalSpec(name="view", type=type(view), path="view", skip=False)
    return _Collector.ObjectSpec(obj=view, skip=True, selectSet=[through])


def _below_spec(session: Session, folder: Ref) -> Any:
    """The folder and, through its subfolders, all that is in it.

    Source: PropertyCollector.TraversalSpec, SelectionSpec (vSphere Web Services API).
    """
    again = _Collector.SelectionSpec(name="folder")
    through = _Collector.TraversalSpec(
        name="folder", type=vim.Folder, path="childEntity", skip=False, selectSet=[again]
    )
    return _Collector.ObjectSpec(obj=session.managed(*folder), selectSet=[through])


def _iterate_pages(session: Session, paths: Paths, view: Any) -> Iterator[Row]:
    collector = session.content.propertyCollector
    args: list[Any] = [[build_filter_spec(session, paths, [build_view_spec(view)])], _Collector.RetrieveOptions()]
    method = "RetrievePropertiesEx"
    while True:
        page = PageReader()
        with closing(session.stub.iterate(collector, collector._GetMethodInfo(method), args, page.read)) as rows:
            for row in rows:
                if page.unauthenticated:
                    raise vim.fault.NotAuthenticated()
                yield row
        if page.token is None:
            return
        method, args = "ContinueRetrievePropertiesEx", [page.token]


def _authenticated_page(reply: Reply) -> Page:
    """A page; data that is missing for lack of a session is a dead session, not an empty inventory."""
    page = read_page(reply)
    if page.unauthenticated:
        raise vim.fault.NotAuthenticated()
    return page


def build_property_specs(session: Session, paths: Paths) -> list[Any]:
    """PropertySpecs for these paths, as far as the server's API version has them."""
    return [_property_spec(kind, tuple(wanted), session.stub.version) for kind, wanted in paths.items()]


@cache
def _property_spec(kind: str, paths: tuple[str, ...], version: str) -> Any:
    """Made once: there are few sets of paths, and a placement asks for dozens."""
    return _Collector.PropertySpec(type=vim_type(kind), all=False, pathSet=supported_paths(kind, paths, version))
