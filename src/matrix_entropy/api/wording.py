"""What the library says of an entry of the configuration, in the words of another caller.

Its messages show YAML, since most of its users write that. The keys are the names of `measure`'s
parameters and of the command's options, but for the few in `OTHERWISE`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from matrix_entropy.base.errors import InputError

# `key: value` or `key:` in backquotes.
YAML = re.compile(r"`(?P<key>[a-z_]+):(?: (?P<value>[^`]+))?`")
OTHERWISE = {"token_losses": "losses", "extract": "layers", "device_map": "device"}
CONSTANTS = {"true": "True", "false": "False"}
NUMBER = re.compile(r"[-+.\de]+")


def in_python(message: str) -> str:
    """A message with keyword arguments where it shows YAML.

    Examples
    --------
    >>> in_python("set `ridge: 1.0e-3` or `bos: false`, not `dtype: int8`; correct `extract:`.")
    'set `ridge=1.0e-3` or `bos=False`, not `dtype="int8"`; correct `layers=`.'
    """

    def argument(key: str, value: str) -> str:
        quoted = value and not NUMBER.fullmatch(value) and value not in CONSTANTS
        return f"{key}={CONSTANTS.get(value, value)}" if not quoted else f'{key}="{value}"'

    return _said(message, argument)


def in_options(message: str) -> str:
    """A message with options of the command where it shows YAML.

    Examples
    --------
    >>> in_options("set `bos: false` or `max_tokens: 9`; correct `extract:`.")
    'set `--no-bos` or `--max-tokens 9`; correct `--layers`.'
    """

    def option(key: str, value: str) -> str:
        if value in CONSTANTS:
            return f"--{'' if value == 'true' else 'no-'}{key.replace('_', '-')}"
        return f"--{key.replace('_', '-')} {value}".strip()

    return _said(message, option)


def _said(message: str, write: Callable[[str, str], str]) -> str:
    def written(found: re.Match[str]) -> str:
        key = found["key"]
        return f"`{write(OTHERWISE.get(key, key), found['value'] or '')}`"

    return YAML.sub(written, message)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Let what the library refuses in the block be a `ValueError` in the words of Python."""
    try:
        yield
    except InputError as error:
        raise ValueError(in_python(str(error))) from None


@contextmanager
def needing_models() -> Iterator[None]:
    """Say what to install, if an import in the block lacks a package."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name} is not installed, which running a model needs: "
            'pip install "matrix-entropy[models]"',
            name=error.name,
        ) from None
