# SPDX-License-Identifier: MIT
"""JSON from files and from other processes: whatever is wrong with it is one exception. Imports no numpy."""

from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")


@overload
def decode_json(data: bytes | str) -> Any: ...
@overload
def decode_json(data: bytes | str, of: type[T]) -> T: ...
@overload
def decode_json(data: bytes | str, of: object) -> Any: ...  # mypy cannot infer a union
def decode_json(data: bytes | str, of: Any = Any) -> Any:
    """Return what JSON says, as a type.

    msgspec raises UnicodeDecodeError where a text is no UTF-8, and RecursionError where lists are nested too deeply:
    neither is a DecodeError, so that one bad byte of a file would end the program with a traceback.

    Args:
        data: the JSON.
        of: a type that msgspec knows; any by default.

    Raises:
        msgspec.DecodeError: it is no JSON; ValidationError, which is one, if it is JSON of another type.
    """
    try:
        return msgspec.json.decode(data, type=of)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"it has a text that is not UTF-8 ({error.reason})") from error
    except RecursionError:  # without its traceback, which is as deep
        raise msgspec.DecodeError("it is nested too deeply") from None
