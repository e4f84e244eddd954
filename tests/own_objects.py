"""The classes and functions of the package, read from its source, and which of its expressions are of such a class.

An object is of a class of ours by an annotation, a call of the class, or the return annotation of what is called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import resolve_name

Function = ast.FunctionDef | ast.AsyncFunctionDef

LOOSE = {"Any", "object"}
"""Annotations that say nothing of what a name carries."""

CHOICES = {"Optional", "Union"}
CONTAINERS = {
    *("list", "tuple", "set", "frozenset", "dict", "Sequence", "Iterable", "Iterator", "Mapping", "Collection"),
    *CHOICES,
}


@dataclass
class OwnClass:
    """One class of the package."""

    name: str
    module: str
    bases: list[str] = field(default_factory=list)
    methods: dict[str, Function] = field(default_factory=dict)
    fields: dict[str, ast.expr | None] = field(default_factory=dict)
    """{attribute: its annotation}, those that methods set on ``self`` too, as far as they are annotated."""


@dataclass(frozen=True)
class Scope:
    """The names that one function knows: what they are annotated with, and which class it is a method of."""

    module: str
    own: OwnClass | None
    names: Mapping[str, ast.expr | None]
    values: Mapping[str, ast.expr]

    def without(self, name: str) -> Scope:
        """The scope in which a name's value is read: it may be made of the name's value before."""
        return replace(self, values={other: value for other, value in self.values.items() if other != name})


class Program:
    """The classes and functions of a package.

    :param sources: {dotted module name: its text}.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.trees = {module: ast.parse(text) for module, text in sources.items()}
        self.classes: dict[str, OwnClass] = {}
        self.functions: dict[str, tuple[str, Function]] = {}
        for module, tree in self.trees.items():
            self._define(module, tree)
        self._imports = {module: dict(self._imported(module, tree)) for module, tree in self.trees.items()}
        self.members = {
            name for own in self.classes.values() for name in (*own.fields, *own.methods) if not name.startswith("__")
        }

    def _define(self, module: str, tree: ast.Module) -> None:
        for node in tree.body:
            if isinstance(node, Function):
                self.functions[f"{module}.{node.name}"] = (module, node)
            elif isinstance(node, ast.ClassDef):
                self.classes[f"{module}.{node.name}"] = _read_class(module, node)

    def _imported(self, module: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
        """(name in the module, what of the package it stands for), for whatever it imports anywhere."""
        package = f"pkg.{module}".rpartition(".")[0]
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                source = resolve_name("." * node.level + (node.module or ""), package).removeprefix("pkg").strip(".")
                for alias in node.names:
                    yield alias.asname or alias.name, f"{source}.{alias.name}".strip(".")

    # What expressions stand for

    def resolve(self, module: str, expression: ast.expr) -> str:
        """The dotted name in the package of what ``expression`` names; empty if it is none of ours."""
        match expression:
            case ast.Name(id=name):
                if f"{module}.{name}" in self.classes or f"{module}.{name}" in self.functions:
                    return f"{module}.{name}"
                return self._imports[module].get(name, "")
            case ast.Attribute(value=value, attr=attr):
                outer = self.resolve(module, value)
                return f"{outer}.{attr}" if outer else ""
            case ast.Constant(value=str(text)):
                return self.resolve(module, ast.parse(text, mode="eval").body) if text.isidentifier() else ""
        return ""

    def class_of(self, expression: ast.expr, scope: Scope) -> OwnClass | None:
        """The class of ours that an expression's value has; None if none, or if that cannot be decided."""
        match expression:
            case ast.Name(id="self" | "cls") if scope.own:
                return scope.own
            case ast.Name(id=name):
                if name in scope.names:
                    return self.annotated(scope.module, scope.names[name])
                value = scope.values.get(name)
                return self.class_of(value, scope.without(name)) if value is not None else None
            case ast.Attribute(value=value, attr=attr):
                own = self.class_of(value, scope)
                return self._attribute(own, attr) if own else None
            case ast.Call(func=func):
                return self._result(func, scope)
            case ast.IfExp(body=body, orelse=orelse):
                return self.class_of(body, scope) or self.class_of(orelse, scope)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return next((own for each in elements if (own := self.class_of(each, scope))), None)
        return None

    def annotated(self, module: str, annotation: ast.expr | None) -> OwnClass | None:
        """The class of ours that an annotation lets through, alone or in a container."""
        for leaf in leaves(annotation):
            if own := self.classes.get(self.resolve(module, leaf)):
                return own
        return None

    def _attribute(self, own: OwnClass, attr: str) -> OwnClass | None:
        for kind in self.line(own):
            if attr in kind.fields:
                return self.annotated(kind.module, kind.fields[attr])
            if attr in kind.methods and has_decorator(kind.methods[attr], "property", "cached_property"):
                return self.annotated(kind.module, kind.methods[attr].returns)
        return None

    def _result(self, func: ast.expr, scope: Scope) -> OwnClass | None:
        name = self.resolve(scope.module, func)
        if name in self.classes:
            return self.classes[name]
        called = self.called(func, scope)
        return self.annotated(called[0], called[1].returns) if called else None

    def line(self, own: OwnClass) -> Iterator[OwnClass]:
        """A class and those of ours that it comes from."""
        yield own
        for base in own.bases:
            found = self.classes.get(f"{own.module}.{base}") or self.classes.get(
                self._imports[own.module].get(base, "")
            )
            if found and found is not own:
                yield from self.line(found)

    def called(self, func: ast.expr, scope: Scope) -> tuple[str, Function] | None:
        """(module, function) of ours that a call calls: a function, a method of a known object, a constructor."""
        name = self.resolve(scope.module, func)
        if name in self.functions:
            return self.functions[name]
        if name in self.classes:
            return self.method(self.classes[name], "__init__")
        if isinstance(func, ast.Attribute):
            kind = self.classes.get(self.resolve(scope.module, func.value)) or self.class_of(func.value, scope)
            return self.method(kind, func.attr) if kind else None
        return None

    def method(self, own: OwnClass, name: str) -> tuple[str, Function] | None:
        return next(((kind.module, kind.methods[name]) for kind in self.line(own) if name in kind.methods), None)

    def scopes(self) -> Iterator[tuple[Function, Scope]]:
        """Every function with the names that it knows, those of the functions around it too."""
        for module, tree in self.trees.items():
            yield from self._scopes_in(tree, Scope(module, None, {}, {}))

    def _scopes_in(self, parent: ast.AST, outer: Scope) -> Iterator[tuple[Function, Scope]]:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, Function):
                scope = Scope(
                    outer.module, outer.own, {**outer.names, **_annotations(node)}, {**outer.values, **_values(node)}
                )
                yield node, scope
                yield from self._scopes_in(node, scope)
            elif isinstance(node, ast.ClassDef):
                own = self.classes.get(f"{outer.module}.{node.name}")
                yield from self._scopes_in(node, Scope(outer.module, own, outer.names, outer.values))
            else:
                yield from self._scopes_in(node, outer)


def leaves(annotation: ast.expr | None, *, alone: bool = False) -> Iterator[ast.expr]:
    """The types that a value may have by its annotation; or an element of it, unless the value ``alone`` counts."""
    match annotation:
        case None:
            return
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from leaves(left, alone=alone)
            yield from leaves(right, alone=alone)
        case ast.Subscript(value=ast.Name(id=name), slice=inside) if name in (CHOICES if alone else CONTAINERS):
            for each in inside.elts if isinstance(inside, ast.Tuple) else [inside]:
                yield from leaves(each, alone=alone)
        case ast.Constant(value=str(text)):
            yield from leaves(ast.parse(text, mode="eval").body, alone=alone)
        case _:
            yield annotation


def loose_types(annotation: ast.expr | None, *, alone: bool = False) -> set[str]:
    """The types of ``LOOSE`` that a value may have; ``Any`` where there is no annotation.

    :param alone: what is in containers does not count.
    """
    if annotation is None:
        return {"Any"}
    return {leaf.id for leaf in leaves(annotation, alone=alone) if isinstance(leaf, ast.Name)} & LOOSE


def _read_class(module: str, node: ast.ClassDef) -> OwnClass:
    own = OwnClass(node.name, module, [ast.unparse(base) for base in node.bases])
    for each in node.body:
        if isinstance(each, Function):
            own.methods[each.name] = each
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            own.fields[each.target.id] = each.annotation
    for method in own.methods.values():
        for name, annotation in _set_on_self(method):
            own.fields.setdefault(name, annotation)
    return own


def _set_on_self(method: Function) -> Iterator[tuple[str, ast.expr | None]]:
    """(attribute, annotation) of what a method sets on ``self``: its own, or that of the parameter it is set to."""
    parameters = _annotations(method)
    for node in ast.walk(method):
        match node:
            case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=attr), annotation=annotation):
                yield attr, annotation
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _pairs_on_self(target, value, parameters)


def _pairs_on_self(
    target: ast.expr, value: ast.expr, parameters: Mapping[str, ast.expr | None]
) -> Iterator[tuple[str, ast.expr | None]]:
    match target, value:
        case ast.Tuple(elts=targets), ast.Tuple(elts=values):
            for one, other in zip(targets, values, strict=False):
                yield from _pairs_on_self(one, other, parameters)
        case ast.Attribute(value=ast.Name(id="self"), attr=attr), ast.Name(id=name) if name in parameters:
            yield attr, parameters[name]
        case ast.Attribute(value=ast.Name(id="self"), attr=attr), ast.Call(func=func):
            yield attr, func
        case ast.Attribute(value=ast.Name(id="self"), attr=attr), _:
            yield attr, ast.Name(id="int")  # of no class of ours, as far as can be seen


def _annotations(function: Function) -> dict[str, ast.expr | None]:
    """{name: annotation} of a function's parameters, and of what it annotates itself."""
    arguments = function.args
    found = {each.arg: each.annotation for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    for name in ("self", "cls"):
        found.pop(name, None)
    for node in own_nodes(function):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node.annotation
    return found


def _values(function: Function) -> dict[str, ast.expr]:
    """{name: what it is set to first}, of a function's own names."""
    found: dict[str, ast.expr] = {}
    for node in own_nodes(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.setdefault(name, value)
            case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
                found.setdefault(name, value)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                found.setdefault(name, value)
    return found


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function's body, those of the functions in it left out."""
    left: list[ast.AST] = list(function.body)
    while left:
        node = left.pop()
        yield node
        if not isinstance(node, Function | ast.ClassDef):
            left.extend(ast.iter_child_nodes(node))


def has_decorator(function: Function, *names: str) -> bool:
    return any(ast.unparse(each).rpartition(".")[2] in names for each in function.decorator_list)
