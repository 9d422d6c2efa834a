"""Circles in a graph."""


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Modules that reach themselves (Tarjan 1972, strongly connected components)."""
    found: list[list[str]] = []
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        path.append(module)
        for other in sorted(edges.get(module, ())):
            if other not in index:
                visit(other)
            if other in path:
                low[module] = min(low[module], low[other])
        if low[module] == index[module]:
            circle = path[path.index(module) :]
            del path[path.index(module) :]
            if len(circle) > 1 or module in edges.get(module, ()):
                found.append(sorted(circle))

    for module in sorted(edges):
        if module not in index:
            visit(module)
    return found
