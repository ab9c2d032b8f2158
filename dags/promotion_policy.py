"""The promotion policy in words, for the documentation of retrain: its YAML as a list, without importing the gate."""

from pathlib import Path

import yaml

FILE = Path(__file__).resolve().parents[1] / "pipelines" / "promotion" / "policy.yaml"


def as_markdown(file: Path = FILE) -> str:
    """Every key and what it asks. A file that cannot be read says so here; it is the gate that refuses it."""
    try:
        asked = yaml.safe_load(file.read_text(encoding="utf-8"))
        lines = [line for key, value in asked.items() for line in _lines(key, value, "")]
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as exc:
        lines = [f"- it cannot be read ({type(exc).__name__}), and nothing is promoted until it can"]
    head = f"\n**Policy** by which the gate decides (`{file.name}`; docs/gate.md explains it).\n\n"
    return head + "\n".join(lines) + "\n"


def _lines(key: str, value: object, indent: str) -> list[str]:
    name = f"{indent}- **{_words(key)}**"
    if isinstance(value, dict):
        return [name, *(line for k, v in value.items() for line in _lines(k, v, indent + "  "))]
    if isinstance(value, list) and all(isinstance(rule, dict) for rule in value):
        return [name, *(f"{indent}  - {_rule(rule)}" for rule in value)]
    return [f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"]


def _rule(rule: dict[str, object]) -> str:
    """``ranker.auc: margin 0.005`` of a metric or figure and what is asked of it."""
    (_, subject), *asked = rule.items()
    return f"{subject}: " + ", ".join(f"{_words(key)} {value}" for key, value in asked)


def _words(key: str) -> str:
    return key.replace("_", " ")
