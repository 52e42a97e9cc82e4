# SPDX-License-Identifier: MIT
"""The package as house rules see it: its modules, what they import and what they call. No module of it is imported."""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "stress"


@dataclass(frozen=True)
class Module:
    """A source file: ``name`` is dotted, below the package; ``text`` is its source."""

    name: str
    text: str

    @cached_property
    def tree(self):
        return ast.parse(self.text)

    @cached_property
    def imports(self):
        """The dotted names that the module imports, those of the package without ``stress.``."""
        names = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names += [f"{node.module}.{alias.name}" for alias in node.names]
        return [name.removeprefix("stress.") for name in names]

    @cached_property
    def foreign(self):
        """The first parts of what it imports: libraries, and rooms of the package."""
        return {name.partition(".")[0] for name in self.imports}

    @cached_property
    def calls(self):
        """The names of what it calls, as they would be written in full."""
        origins = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                origins |= {alias.asname: alias.name for alias in node.names if alias.asname}
            elif isinstance(node, ast.ImportFrom):
                origins |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        written = [ast.unparse(node.func) for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        heads = [call.partition(".") for call in written]
        return {f"{origins.get(head, head)}{dot}{rest}" for head, dot, rest in heads}

    @property
    def lines(self):
        return len(self.text.splitlines())

    def is_in(self, *rooms):
        """Tell whether the module is one of ``rooms``, or in one of them."""
        return any(f"{self.name}.".startswith(f"{room}.") for room in rooms)


def module_of(path, root=PACKAGE):
    parts = path.relative_to(root).with_suffix("").parts
    return Module(".".join(part for part in parts if part != "__init__"), path.read_text())


def python_modules():
    return [module_of(path) for path in sorted(PACKAGE.rglob("*.py"))]


def within_package(modules):
    """Return {module: the modules of the package that it imports}, by name."""
    names = {module.name for module in modules}
    graph = {}
    for module in modules:
        parents = (name if name in names else name.rpartition(".")[0] for name in module.imports)
        graph[module.name] = {name for name in parents if name in names and name != module.name}
    return graph
