"""What compose.yaml says of a profile, with its variables filled in as compose does."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
DATA = "/data"
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::-(?P<default>(?:[^${}]|\$\{[^{}]*\})*))?\}")


@dataclass(frozen=True)
class Service:
    """`volumes` are by where they are mounted. `needs` are services, which are to be healthy first."""

    name: str
    image: str
    replicas: int
    command: list[str]
    environment: dict[str, str]
    volumes: dict[str, str]
    needs: tuple[str, ...]
    port: int | None

    @property
    def is_ours(self) -> bool:
        return self.image == "mezzotint"


def services(profile: str, variables: Mapping[str, str]) -> dict[str, Service]:
    """Of a profile, each after those that it needs. `variables` are those of a `.env`."""
    whole = yaml.safe_load((ROOT / "compose.yaml").read_text())
    chosen = {name: raw for name, raw in whole["services"].items() if profile in raw["profiles"]}
    found: dict[str, Service] = {}
    while len(found) < len(chosen):
        for name, raw in chosen.items():
            if name not in found and set(raw.get("depends_on", ())) <= set(found):
                found[name] = _service(name, raw, variables)
    return found


def _service(name: str, raw: dict[str, Any], variables: Mapping[str, str]) -> Service:
    given = {key: variables.get(key) if value is None else str(value) for key, value in _environment(raw).items()}
    environment = {key: filled(value, variables) for key, value in given.items() if value is not None}
    if any(one["path"] == ".env" for one in raw.get("env_file", ())):
        environment = {**variables, **environment}
    mounts = (filled(one, variables).split(":") for one in raw.get("volumes", ()))
    ports = [int(one.split(":")[1]) for one in raw.get("ports", ())]
    return Service(
        name,
        raw["image"],
        raw.get("deploy", {}).get("replicas", 1),
        shlex.split(raw.get("command", "serve" if raw["image"] == "mezzotint" else "")),
        environment,
        {where: source for source, where, *_ in mounts},
        tuple(raw.get("depends_on", ())),
        ports[0] if ports else None,
    )


def _environment(raw: dict[str, Any]) -> dict[str, Any]:
    return raw.get("environment") or {}


def filled(text: str, variables: Mapping[str, str]) -> str:
    """`${NAME:-default}` is the variable, or the default where it is not set or empty."""

    def value(match: re.Match[str]) -> str:
        return variables.get(match["name"]) or filled(match["default"] or "", variables)

    return _VARIABLE.sub(value, text)


def image_environment() -> dict[str, str]:
    """What the Dockerfile sets for whatever runs in the image, PATH aside."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    pairs = (pair.partition("=") for line in re.findall(r"^ENV (.*)$", text, re.MULTILINE) for pair in line.split())
    return {name: value for name, _, value in pairs if name != "PATH"}
