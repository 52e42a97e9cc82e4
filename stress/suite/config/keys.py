# SPDX-License-Identifier: MIT
"""The tables of a suite file: the keys that each may have, and their types."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stress.model.layer import LAYER
from stress.model.link import LINK
from stress.model.plan import Plan
from stress.model.suite import ARM, KERNEL, Design
from stress.storm.check.plan_rules import SEED_MAX

Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\A[^\n\t]*\Z")]  # part of tables and of folders
Table = dict[str, Any]

HEAD: dict[str, Any] = {
    "name": Name,
    "description": str,
    "design": Design,
    "trials": Annotated[int, Meta(ge=1, le=1000)],
    "warmup": Annotated[int, Meta(ge=0, le=100)],
    "seed": Annotated[int, Meta(ge=0, le=SEED_MAX)],
    "settle_s": Annotated[float, Meta(ge=0, le=3600)],
    "limit_s": Annotated[float, Meta(gt=0, le=86400)],
    "rank": list[Text],
    "profile": bool,
}
TABLES: dict[str, Any] = {
    "defaults": Table,
    "scenario": list[Table],
    "matrix": Table,
    "baseline": Table,
    "exclude": list[Table],
    "gate": list[Table],
    ARM: list[Table],
}

NOT_SET = ("scenario", "seed", "acts", "world", "peers", "clients")  # fields of a plan that a suite cannot set
FIELDS: dict[str, Any] = {
    field.name: field.type for field in msgspec.structs.fields(Plan) if field.name not in (*NOT_SET, "sysctls")
}
AXES: dict[str, Any] = FIELDS | {LINK: Text, LAYER: Text, KERNEL: Text}
LEVELS: dict[str, Any] = AXES | {ARM: Text}  # also of the axis that no [matrix] lists
DEFAULTS: dict[str, Any] = FIELDS | {LINK: Text, "sysctls": Table}
SCENARIO: dict[str, Any] = {
    "name": Text,
    "label": Name,
    "acts": list[Text],
    "measures": bool,
    "profile": bool,
    "matrix": Table,
} | DEFAULTS
GATE: dict[str, Any] = {"expr": Text, "scenario": Text}
ARM_TABLE: dict[str, Any] = {
    "name": Text,
    "serve": Text,
    "ready": Text,
    "ready_s": Annotated[float, Meta(gt=0, le=3600)],
    "python": Text,
}

# Where a key belongs that occurs in a table which has none of that name.
PLACES = {
    **dict.fromkeys((*FIELDS, LINK), "[defaults], a [[scenario]] or [matrix]"),
    **dict.fromkeys((KERNEL, LAYER), "[matrix], as a list of one or more"),
    **dict.fromkeys(HEAD, "the head of the file, above the first table"),
    **dict.fromkeys(("label", "measures", "acts"), "a [[scenario]]"),
    "sysctls": "[defaults] or a [[scenario]]",
    "net": "[defaults.sysctls], [scenario.sysctls] or [matrix]",
    "expr": "a [[gate]]",
    **dict.fromkeys(("ready", "ready_s", "python"), "an [[arm]]"),
}
