"""Settings and trees as text that is a configuration again."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from upscaled.config.grammar.conditions import Conditions
from upscaled.config.settings import Hooks, RuleSettings, Settings
from upscaled.config.show import workflow_text
from upscaled.config.tree import Mapping, Node, Scalar, children, plain
from upscaled.delivery import Delivery
from upscaled.recipe import Recipe

HIDDEN = "(set)"
"""Stands for a token: what is shown ends up in bug reports."""


def settings_tree(of: Settings | Mapping) -> dict[str, Any]:
    """Plain values for JSON or YAML; of a tree, just what was written."""
    if isinstance(of, Mapping):
        return {key: _without_tokens(value) for key, value in plain(of).items()}
    memory = of.memory_bytes if of.memory_share is None else f"{of.memory_share * 100:g}%"
    flows = {rule.name: rule.recipe for rule in of.rules if rule.recipe.stages}
    shown: dict[str, Any] = {
        "device": list(of.device) if isinstance(of.device, tuple) else of.device,
        "precision": of.precision,
        "compile": of.compile_networks,
        "memory": memory,
        "keep_alive": "forever" if of.keep_alive_s is None else _duration(of.keep_alive_s),
        "history": "forever" if of.history_s is None else _duration(of.history_s),
        "watch_config": of.watch_config,
        "notifications": {"all": True, "none": False}.get(of.notifications, of.notifications),
        "metrics_file": of.metrics_file and str(of.metrics_file),
        "components": {name: _component(recipe) for name, recipe in _recipes(of).items()},
        "rules": {rule.name: _rule(rule, of) for rule in of.rules},
    }
    if any(stage.command for recipe in flows.values() for stage in recipe.stages):
        shown["allow_shell"] = True
    for name, recipe in flows.items():
        shown["components"] |= workflow_text.components(name, recipe)
        shown.setdefault("workflows", {})[name] = workflow_text.workflow(name, recipe)
    return shown


def tree_text(tree: dict[str, Any]) -> str:
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)


def origin_lines(node: Node, key: str = "") -> Iterator[tuple[str, str, Any]]:
    """(file:line:column, dotted key, value) of each value, in file order."""
    if isinstance(node, Scalar):
        yield str(node.mark.origin), key, _shown(key.rpartition(".")[2], node.value)
    for step, child in children(node):
        yield from origin_lines(child, f"{key}.{step}" if key else str(step))


def _recipes(settings: Settings) -> dict[str, Recipe]:
    alone = [rule for rule in settings.rules if not rule.recipe.stages]
    return {_component_name(rule, settings): rule.recipe for rule in alone}


def _component_name(rule: RuleSettings, settings: Settings) -> str:
    if rule.workflow is not None:  # with one stage, it is the same as a component
        return f"{rule.name}.upscale"
    taken = {other.component for other in settings.rules}
    return rule.component or ("default" if "default" not in taken else "default-model")


def _component(recipe: Recipe) -> dict[str, Any]:
    return {
        "model": recipe.model,
        "precision": recipe.precision,
        "params": {"tile_size": recipe.tile_px or "auto"},
    }


def _rule(rule: RuleSettings, settings: Settings) -> dict[str, Any]:
    return {
        "enabled": rule.enabled,
        "watch": [str(root) for root in rule.roots],
        "recursive": rule.recursive,
        "hidden": rule.hidden,
        "follow_symlinks": rule.follow_symlinks,
        "include": list(rule.include),
        "exclude": list(rule.exclude),
        "when": _conditions(rule.when),
        "allow_chain": rule.allow_chain,
        "also": rule.also,
        **(
            {"workflow": rule.name}
            if rule.recipe.stages
            else {"component": _component_name(rule, settings)}
        ),
        "output": {
            "folder": str(rule.delivery.folder),
            "name": rule.delivery.name,
            **asdict(rule.recipe.output),
            **workflow_text.size(rule.recipe.scale, rule.recipe.fit),
            "collision": rule.delivery.collision,
        },
        "outputs": workflow_text.outputs(rule.delivery.extras) or None,
        "quality_check": workflow_text.check(rule.delivery.check),
        **_disposals(rule.delivery),
        "hooks": _hooks(rule.hooks),
        "settle": _duration(rule.settle_s),
        "rescan": _duration(rule.rescan_s),
        "poll": _duration(rule.poll_s),
        "source_limit_mp": rule.recipe.source_limit_mp,
        "timeout": None if rule.timeout_s is None else _duration(rule.timeout_s),
        "priority": rule.priority,
        "max_attempts": rule.max_attempts,
    }


def _conditions(when: Conditions) -> dict[str, Any] | None:
    spans = {
        "size": when.size_bytes,
        "megapixels": when.megapixels,
        "width": when.width_px,
        "height": when.height_px,
    }
    asked: dict[str, Any] = {
        key: {
            name: limit
            for name, limit in (("min", span.least), ("max", span.most))
            if limit is not None
        }
        for key, span in spans.items()
        if span is not None
    }
    asked |= {"format": list(when.formats)} if when.formats else {}
    flags = {"gray": when.gray, "alpha": when.alpha, "animated": when.animated}
    return asked | {key: flag for key, flag in flags.items() if flag is not None} or None


def _hooks(hooks: Hooks) -> dict[str, Any] | None:
    commands = {"on_done": hooks.on_done, "on_failed": hooks.on_failed, "on_idle": hooks.on_idle}
    shown: dict[str, Any] = {
        key: workflow_text.escaped(words) for key, words in commands.items() if words
    }
    return shown | {"timeout": _duration(hooks.timeout_s)} if shown else None


def _disposals(delivery: Delivery) -> dict[str, Any]:
    return {
        "on_success": _disposal(delivery.on_success, delivery.success_folder),
        "on_failure": _disposal(delivery.on_failure, delivery.failure_folder),
    }


def _disposal(wish: str, folder: Path | None) -> str | dict[str, str]:
    return wish if folder is None else {wish: str(folder)}


def _duration(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _without_tokens(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shown(key, _without_tokens(inner)) for key, inner in value.items()}
    return [_without_tokens(item) for item in value] if isinstance(value, list) else value


def _shown(key: str, value: Any) -> Any:
    named_only = isinstance(value, str) and value.startswith("$")
    return HIDDEN if key == "token" and value is not None and not named_only else value
