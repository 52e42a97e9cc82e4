# SPDX-License-Identifier: MIT
"""Messages of the control channel for property tests, and what a bad network or a liar makes of their bytes."""

import msgspec
import numpy as np
from hypothesis import strategies as st

from stress.model.host import Host
from stress.model.peer import ServeLimits
from stress.model.plan import Plan
from stress.model.text import one_line
from stress.storm.peer import calls
from stress.storm.peer.message import CLIENT_SPEECH, answer_of

TEXTS = st.text(st.characters(exclude_categories=["C"]), max_size=40).map(one_line)
COUNTS = st.integers(0, 1 << 40)
SECONDS = st.floats(0, 600)
PLANS = st.builds(
    Plan,
    scenario=TEXTS,
    attempts=st.none() | COUNTS,
    rate_per_s=st.none() | st.floats(1, 1e6),
    family=st.sampled_from([4, 6]),
    sysctls=st.dictionaries(TEXTS, TEXTS, max_size=3),
    acts=st.dictionaries(TEXTS, st.dictionaries(TEXTS, COUNTS | TEXTS, max_size=2), max_size=3),
)
LIMITS = st.builds(ServeLimits, sources=st.lists(TEXTS, max_size=3), max_rate_per_s=st.floats(1, 1e6))
HOSTS = st.builds(
    Host,
    kernel=TEXTS,
    jiffy_ns=COUNTS,
    cpu=TEXTS,
    cpus=COUNTS,
    memory_bytes=COUNTS,
    clocksource=TEXTS,
    python=TEXTS,
    nofile=COUNTS,
)
for struct, strategy in ((Plan, PLANS), (ServeLimits, LIMITS), (Host, HOSTS)):
    st.register_type_strategy(struct, strategy)
FIELDS = {
    str: TEXTS,
    int: COUNTS,
    int | None: st.none() | COUNTS,
    float: SECONDS,
    list[str]: st.lists(TEXTS, max_size=3),
}


def messages(kind):
    """Return a strategy for messages of a class, with whatever fields it has."""
    fields = {field.name: FIELDS.get(field.type, st.from_type(field.type)) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


FROM_CLIENT = st.one_of([messages(kind) for kind in CLIENT_SPEECH.types])
SCALARS = ["?", "i1", "u1", "<i2", "<u2", "<i4", "<u8", "<f8", "V16"]
DTYPES = st.sampled_from(SCALARS) | st.lists(st.sampled_from(SCALARS), min_size=1, max_size=4).map(
    lambda parts: [(f"field_{number}", part) for number, part in enumerate(parts)]
)


@st.composite
def arrays(draw):
    dtype = np.dtype(draw(DTYPES))
    shape = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3) | st.just([70_000]))
    array = np.zeros(shape, dtype)
    if array.size and not any(array.dtype[name] == np.bool_ for name in array.dtype.names or ()) and dtype != np.bool_:
        raw = array.reshape(-1).view(np.uint8)
        raw[:] = np.random.default_rng(draw(st.integers(0, 1000))).integers(0, 255, len(raw))
    return array


FROM_SERVER = st.one_of([messages(kind) for kind in (calls.Hello, calls.Beat, calls.Ended, calls.Refused)]).map(
    lambda message: (message, {})
) | st.tuples(
    COUNTS | TEXTS | st.none() | st.dictionaries(TEXTS, COUNTS),
    st.dictionaries(st.text("abc", min_size=1, max_size=3), arrays(), max_size=3),
).map(lambda parts: (answer_of(*parts), parts[1]))
