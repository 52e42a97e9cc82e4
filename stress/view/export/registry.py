# SPDX-License-Identifier: MIT
"""The formats of connstorm export, collected from the modules of ``view/export/formats``."""

import importlib
import pkgutil

from stress.view.export import formats
from stress.view.export.format import Format


def load_formats() -> dict[str, Format]:
    """Import every module of ``formats``; return what they declare in FORMATS by name, in order of position."""
    declared: dict[str, Format] = {}
    for module in pkgutil.iter_modules(formats.__path__):
        declared |= importlib.import_module(f"{formats.__name__}.{module.name}").FORMATS
    return dict(sorted(declared.items(), key=lambda item: (item[1].position, item[0])))


FORMATS = load_formats()
