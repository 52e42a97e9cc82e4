# SPDX-License-Identifier: MIT
"""The ``storm`` fixture: a test suite benchmarks connect() to a server that it has started itself.

Trials are storms in processes of their own; pytest-benchmark gets what they measured through a clock that is set by
hand, as its timer. pytest loads this module whatever it tests, so it imports nothing that is slow to load.
"""

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from stress.api import ExternalStorms, Plan

PYTEST_BENCHMARK = ("benchmark", "pytest_benchmark.plugin")  # the names that it may be loaded under
METRIC = "body.p99"
TRIALS = 5
ATTEMPTS = 1000
RATE_PER_S = 2000.0  # a server in Python accepts some 10,000 a second; a queue that is full costs a client seconds
DURATION_S, DEADLINE_S = 5.0, 3.0


class Clock:
    """A timer that shows what it is set to (s)."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s

    def __repr__(self) -> str:
        return "connstorm"


@dataclass(frozen=True)
class Storm:
    """The fixture: calling it makes the test a benchmark of a server."""

    benchmark: Any  # pytest-benchmark's fixture, which has no types
    clock: Clock
    request: pytest.FixtureRequest
    known: dict[object, "ExternalStorms"] = field(repr=False)

    def __call__(
        self,
        address: tuple[Any, ...],
        *,
        metric: str = METRIC,
        trials: int = TRIALS,
        attempts: int = ATTEMPTS,
        rate_per_s: float | None = RATE_PER_S,
        duration_s: float = DURATION_S,
        deadline_s: float = DEADLINE_S,
        **options: Any,
    ) -> "ExternalStorms":
        """Storm a server on this machine's loopback, and give the metric of each trial to pytest-benchmark.

        A test that asks for another metric of the same storms, as its own parameter, gets those that were made.

        Args:
            address: where the server listens: its socket's getsockname().
            metric: a time: body.p50, body.p90, body.p99, body.p999, body.max or duration.
            trials: how many storms, each in a process of its own; one value each. One alone where benchmarks are
                disabled.
            attempts: connect() calls of a trial at most.
            rate_per_s: intended starts a second; None starts as fast as it can.
            duration_s: no attempt of a trial starts later than this.
            deadline_s: an attempt is given up after this long.
            options: close, ports, window, warmup, linger2_s, seed, workers, pin, sysctls, evidence: as fields of a
                plan.
        """
        from stress import api  # noqa: PLC0415  # see above

        try:
            plan = api.server_plan(
                address,
                attempts=attempts,
                rate_per_s=rate_per_s,
                duration_s=duration_s,
                deadline_s=deadline_s,
                **options,
            )
            storms = self.storms_of(plan, metric, trials)
            values_s = storms.times_s()
        except api.ConnstormError as error:
            pytest.fail(f"storm: {error}", pytrace=False)
        self.benchmark.extra_info.update(storms.extra_info())
        if self.benchmark.group is None:
            self.benchmark.group = metric
        self.play(values_s)
        return storms

    def storms_of(self, plan: "Plan", metric: str, trials: int) -> "ExternalStorms":
        """Return the trials of a plan, made now unless another metric of this test has made them."""
        from stress import api  # noqa: PLC0415  # see above

        count = min(trials, 1) if self.benchmark.disabled else trials
        key = (*self.place(metric), repr(plan), count)
        if key not in self.known:
            self.known[key] = api.storm_server(plan, trials=count, metric=metric)
        return self.known[key].with_metric(metric)

    def place(self, metric: str) -> tuple[str, str, str]:
        """Return which test this is, and which of its parameters, but for the metric."""
        node = self.request.node
        spec = getattr(node, "callspec", None)
        others = {name: value for name, value in spec.params.items() if value != metric} if spec else {}
        return str(node.path), getattr(node, "originalname", node.name), repr(others)

    def play(self, values_s: list[float]) -> None:
        """Let pytest-benchmark measure rounds that take these times."""
        rest: Iterator[float] = iter(values_s)

        def before() -> None:
            self.clock.now_s = 0.0

        def trial() -> None:
            self.clock.now_s = next(rest)

        self.benchmark.pedantic(trial, setup=before, rounds=len(values_s), iterations=1)


class WithBenchmark:
    """The plugin where pytest-benchmark is."""

    def __init__(self) -> None:
        self.known: dict[object, ExternalStorms] = {}
        self.clocks: dict[str, Clock] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Give every test that storms a clock of its own as its benchmark's timer."""
        for item in items:
            if "storm" in getattr(item, "fixturenames", ()):
                marker = item.get_closest_marker("benchmark")
                options: Mapping[str, Any] = marker.kwargs if marker else {}
                clock = self.clocks[item.nodeid] = Clock()
                item.add_marker(pytest.mark.benchmark(**{**options, "timer": clock}), append=False)

    @pytest.fixture
    def storm(self, request: pytest.FixtureRequest, benchmark: Any) -> Storm:
        """Benchmark connect() to a server: ``storm(server.getsockname(), metric="body.p99")``."""
        return Storm(benchmark, self.clocks[request.node.nodeid], request, self.known)

    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        """Say on which kernel and with which settings it was.

        Whether a test storms is not known yet: to compare with saved benchmarks this is asked before any is collected.
        """
        from stress import api  # noqa: PLC0415  # see above

        machine_info["kernel"] = platform.release()
        machine_info["sysctls"] = api.recorded_sysctls()


class WithoutBenchmark:
    """The plugin where pytest-benchmark is not."""

    @pytest.fixture
    def storm(self) -> Callable[..., "ExternalStorms"]:
        """Say what to install."""
        pytest.fail(
            "The storm fixture needs pytest-benchmark, which is not loaded: pip install 'connstorm[pytest]'.",
            pytrace=False,
        )


def pytest_configure(config: pytest.Config) -> None:
    """Offer the fixture."""
    there = any(config.pluginmanager.hasplugin(name) for name in PYTEST_BENCHMARK)
    config.pluginmanager.register(WithBenchmark() if there else WithoutBenchmark(), "connstorm-storm")
