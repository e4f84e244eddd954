"""Places found: clusters and stand-alone hosts, with the pools, datastores and networks that belong to them."""

from __future__ import annotations

from ..model.places import PLACE_PATHS
from ..model.tree import TREE_PATHS, Tree
from ..vcenter.properties import fetch_rows
from ..vcenter.session import Session


def fetch_places(session: Session) -> Tree:
    """The tree with all of ``PLACE_PATHS``, in one round trip."""
    return Tree(fetch_rows(session, PLACE_PATHS))


def fetch_tree(session: Session) -> Tree:
    """The tree alone, in one round trip, by the view of ``fetch_places``: a session needs no second one."""
    return Tree(fetch_rows(session, TREE_PATHS, everywhere=PLACE_PATHS))
