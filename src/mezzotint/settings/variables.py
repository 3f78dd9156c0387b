"""Reading environment variables: which there are, and what one says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from mezzotint.errors import InvalidInput
from mezzotint.settings import parsing as p

_OTHERS = {"MEZZOTINT_FAILPOINT"}
_OF_KUBERNETES = re.compile(r"MEZZOTINT_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
"""what it sets in each container for a service that is called mezzotint, or mezzotint-something"""


def check_names(environment: Mapping[str, str], known: set[str]) -> None:
    """A misspelt variable would leave something as it is by default. Raises InvalidInput."""
    for name in environment:
        if name.startswith("MEZZOTINT_") and name not in known | _OTHERS and not _OF_KUBERNETES.fullmatch(name):
            nearest = get_close_matches(name, known, 1, 0.0)
            raise InvalidInput(name, "is no setting", f"perhaps {nearest[0]}; see docs/configuration.md")


def value(metadata: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """Of a setting, or its default. Raises InvalidInput."""
    variables: Mapping[str, Callable[[str], Any]] = metadata["variables"]
    for variable, parse in variables.items():
        text = environment.get(variable, "")
        if text.strip():
            try:
                return parse(text)
            except ValueError as error:
                said = "is malformed" if parse in p.SECRET else f"cannot be {text!r}"
                raise InvalidInput(variable, said, str(error)) from None
    default = metadata["default"]
    return None if default is None else next(iter(variables.values()))(default)
