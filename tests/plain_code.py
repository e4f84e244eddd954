"""Where the package's code is not plain: objects of its own typed Any, keywords of any kind, names that stand twice.

Only what can be decided from the source is found; what passes through ``partial``, a loop or a library is left to mypy.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from xml.etree.ElementTree import XMLPullParser

from tests.own_objects import Function, Program, Scope, loose_types, own_nodes

BUILT_IN = {name for kind in (dict, list, str, XMLPullParser) for name in dir(kind)}
"""Names of attributes that say nothing of whose they are."""


def loose_accesses(program: Program) -> set[str]:
    """``where: name.attribute`` for each name typed Any of which an attribute of one of our classes is read."""
    found = set()
    for function, scope in program.scopes():
        for node in own_nodes(function):
            if not isinstance(node, ast.Attribute) or node.attr not in program.members - BUILT_IN:
                continue
            if _is_any(program, node.value, scope):
                found.add(f"{scope.module}.{function.name}: {ast.unparse(node)}")
    return found


def _is_any(program: Program, expression: ast.expr, scope: Scope) -> bool:
    match expression:
        case ast.Name(id=name):
            return name in scope.names and "Any" in loose_types(scope.names[name], alone=True)
        case ast.Attribute(value=value, attr=attr):
            own = program.class_of(value, scope)
            kinds = list(program.line(own)) if own else []
            return any("Any" in loose_types(kind.fields[attr], alone=True) for kind in kinds if attr in kind.fields)
    return False


def loose_arguments(program: Program) -> set[str]:
    """``where: call <- class`` for each object of ours that is passed as a parameter or set as an attribute
    that its annotation says nothing of."""
    found = set()
    for function, scope in program.scopes():
        for node in own_nodes(function):
            if isinstance(node, ast.Call):
                pairs = _passed(program, node, scope)
            elif isinstance(node, ast.Assign):
                targets = [target for target in node.targets if _is_any(program, target, scope)]
                pairs = [(ast.unparse(target), node.value) for target in targets]
            else:
                continue
            for target, argument in pairs:
                if own := program.class_of(argument, scope):
                    found.add(f"{scope.module}.{function.name}: {target} <- {own.name}")
    return found


def _passed(program: Program, call: ast.Call, scope: Scope) -> list[tuple[str, ast.expr]]:
    """(parameter, argument) of a call of ours, where the parameter's annotation says nothing."""
    name = program.resolve(scope.module, call.func)
    if name in program.classes and not program.method(program.classes[name], "__init__"):
        line = reversed(list(program.line(program.classes[name])))  # as a data class has its bases' fields first
        fields = [pair for kind in line for pair in kind.fields.items()]
        return _match(call, fields, name.rpartition(".")[2], {})
    called = program.called(call.func, scope)
    if called is None:
        return []
    _, function = called
    arguments = function.args
    listed = [(each.arg, each.annotation) for each in (*arguments.posonlyargs, *arguments.args)]
    if listed and listed[0][0] in ("self", "cls"):
        listed = listed[1:]
    keywords = {each.arg: each.annotation for each in arguments.kwonlyargs}
    if arguments.kwarg:
        keywords["**"] = arguments.kwarg.annotation
    return _match(call, listed, function.name, keywords)


def forwarded_keywords(program: Program) -> set[str]:
    """``where: **name`` for each function that takes keywords of any kind and hands them to a function of ours."""
    found = set()
    for function, scope in program.scopes():
        for node in own_nodes(function):
            if not isinstance(node, ast.Call) or not _is_ours(program, node.func, scope):
                continue
            for keyword in node.keywords:
                if keyword.arg is None and _is_untyped_dict(program, keyword.value, function, scope):
                    found.add(f"{scope.module}.{function.name}: {ast.unparse(node.func)}(**)")
    return found


def _is_ours(program: Program, func: ast.expr, scope: Scope) -> bool:
    return program.called(func, scope) is not None or program.resolve(scope.module, func) in program.classes


def _is_untyped_dict(program: Program, value: ast.expr, function: Function, scope: Scope) -> bool:
    """Whether it is the function's own ``**name: Any``, or a name annotated as a dict of Any."""
    if not isinstance(value, ast.Name):
        return False
    own = function.args.kwarg
    if own is not None and own.arg == value.id:
        return bool(loose_types(own.annotation))
    annotation = scope.names.get(value.id)
    text = ast.unparse(annotation) if annotation is not None else ""
    return text == "Any" or text.endswith(("dict[str, Any]", "Mapping[str, Any]"))


def calls_of(program: Program, name: str) -> set[str]:
    """Where a built-in function is called."""
    return {
        f"{module}: {ast.unparse(node)}"
        for module, tree in program.trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    }


def class_names(program: Program) -> dict[str, list[str]]:
    """{class name: the modules that define it}, those in functions and classes too."""
    found: dict[str, list[str]] = {}
    for module, tree in program.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(module)
    return found


def _match(
    call: ast.Call, listed: list[tuple[str, ast.expr | None]], name: str, keywords: Mapping[str, ast.expr | None]
) -> list[tuple[str, ast.expr]]:
    """(parameter, argument) where the parameter's annotation says nothing."""
    by_name = {**dict(listed), **keywords}
    pairs = [(label, annotation, value) for (label, annotation), value in zip(listed, call.args, strict=False)]
    for each in call.keywords:
        if each.arg is not None:
            annotation = by_name.get(each.arg, by_name.get("**"))
            if each.arg in by_name or "**" in by_name:
                pairs.append((each.arg, annotation, each.value))
    return [(f"{name}({label}=)", value) for label, annotation, value in pairs if loose_types(annotation)]
