# SPDX-License-Identifier: MIT
"""Boot Debian's kernels, storm through the layers in each, and write docs/generate/layers_guests.md, a part of
docs/layers.md: which functions are seen in each layer and never in the one below.

``python docs/generate/layers_in_guests.py results/layers-in-guests``, as root, under ``unshare -n``. A guest takes a
minute to boot, so one boot has the storms of all layers. The port range, which old kernels refuse, has a boot of its
own, and so have cgroups, which are of a whole run. What is in the folder already is not run again; with ``--stored``
nothing is run, and the text says what there is.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from stress.lab.kernel import cache
from stress.lab.kernel.boot import Image
from stress.model.cgroup import CgroupHook
from stress.model.layer import LAYERS, plan_with_layer
from stress.model.plan import Plan, Ports
from stress.model.profile import ProfileReport
from stress.model.record import Record
from stress.model.text import plural
from stress.profile.added_functions import AddedFunction, Arm, added_functions
from stress.profile.sampled_storm import SampledStorm, sampled_storms
from stress.store import profile_file, run_folder
from stress.storm.catalogue import find_scenario
from stress.suite.executor.guest import GuestHandle

HERE = Path(__file__).parent
KERNELS = ("deb:bookworm", "deb:bullseye")
TRIALS, ATTEMPTS, RATE_HZ, LIMIT_S = 2, 5000, 999, 900
LARGE = ("time-wait-100k", "established-100k", "established-1m")  # which take too long to lay on an emulated CPU
TOGETHER, REFUSAL = "storms", "refusal.txt"
FUNCTIONS_MAX = 6
CLEAN = find_scenario("clean").plan
LOWEST = plan_with_layer(CLEAN, LAYERS["loopback"])
PLANS = {name: plan_with_layer(CLEAN, layer) for name, layer in LAYERS.items() if name not in LARGE}
ALONE = {name: plan for name, plan in PLANS.items() if plan.ports is Ports.RANGE or plan.cgroup is not CgroupHook.NONE}
Storms = dict[str, list[SampledStorm]]  # by layer, one for each trial


def main(folder: Path, *, run: bool) -> None:
    for trial in range(1, TRIALS + 1) if run else ():
        for kernel in KERNELS:
            for boot, plan in boots().items():
                own = folder / kernel / str(trial) / boot
                if not own.exists():
                    run_guest(kernel, msgspec.structs.replace(plan, attempts=ATTEMPTS, seed=trial), own)
    parts = [kernel_part(folder / kernel) for kernel in KERNELS]
    parts = [part for part in parts if part[0]]
    columns = [columns_of(storms, refusals) for _, storms, refusals in parts]
    head = ("layer", "on", *(records[0].host.kernel for records, _, _ in parts))
    rows = [
        (name, layer.below, *(column[name] for column in columns))
        for name, layer in LAYERS.items()
        if name in PLANS and layer.below
    ]
    table = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    measured = [sentence for records, storms, _ in parts for sentence in measured_sentences(records, storms)]
    text = [(HERE / "layers_guests_head.md").read_text().rstrip(), " ".join(measured), "\n".join(table)]
    (HERE / "layers_guests.md").write_text("\n\n".join(text) + "\n")


def boots() -> dict[str, Plan]:
    """Return the plan of each boot of a kernel."""
    together = {name: changed_fields(plan) for name, plan in PLANS.items() if name not in ALONE}
    return {TOGETHER: msgspec.structs.replace(LOWEST, acts=together), **ALONE}


def changed_fields(plan: Plan) -> dict[str, object]:
    """Return the fields in which a plan differs from that of the lowest layer, as an act has them."""
    fields = msgspec.to_builtins(plan)
    return {name: value for name, value in fields.items() if getattr(plan, name) != getattr(LOWEST, name)}


def run_guest(name: str, plan: Plan, folder: Path) -> None:
    """Boot a kernel for one run, which is stored in a folder; where it fails, the reason is."""
    kernel = cache.find_kernel(name)
    if kernel is None:
        sys.exit(f"{name} is not in the cache; fetch it first: connstorm kernels fetch {name.removeprefix('deb:')}")
    folder.mkdir(parents=True)
    handle = GuestHandle(
        Image(cache.kernel_image(kernel)),
        plan,
        folder,
        kernel.release,
        kvm=False,
        limit_s=LIMIT_S,
        settle=None,
        profile_hz=RATE_HZ,
    )
    result = handle.fetch(None)
    if result.failure is not None:
        (folder / REFUSAL).write_text(f"{result.failure.text}\n")


def kernel_part(folder: Path) -> tuple[list[Record], Storms, dict[str, str]]:
    """Return the runs on a kernel, the storms of each layer, and why layers have none."""
    records: list[Record] = []
    storms: Storms = {}
    refusals: dict[str, str] = {}
    for boot in sorted(folder.glob("*/*")):
        if (boot / REFUSAL).exists():
            refusals[boot.name] = (boot / REFUSAL).read_text().strip()
            continue
        for path in boot.glob("*/run.json"):
            record = run_folder.read_document(path.parent)
            records.append(record)
            for act, storm in sampled_storms(record, profile_file.read(path.parent)).items():
                storms.setdefault(boot.name if boot.name in ALONE else act, []).append(storm)
    return records, storms, refusals


def columns_of(storms: Storms, refusals: Mapping[str, str]) -> dict[str, str]:
    """Return what the table says of each layer on one kernel."""
    steps: dict[str, tuple[Arm, Arm]] = {
        name: (storms[LAYERS[name].below], storms[name])
        for name in PLANS
        if name in storms and LAYERS[name].below in storms
    }
    added = added_functions(steps)
    return {
        name: functions_text(added[name])
        if name in added
        else f"refused: {refusals[name]}"
        if name in refusals
        else "not run"
        for name in PLANS
    }


def functions_text(functions: list[AddedFunction]) -> str:
    """Return functions with their samples, those with most first."""
    shown = [f"`{function.name}` {function.samples:,}" for function in functions[:FUNCTIONS_MAX]]
    more = [f"{len(functions) - FUNCTIONS_MAX} more"] if len(functions) > FUNCTIONS_MAX else []
    return ", ".join([*shown, *more]) or "none"


def measured_sentences(records: list[Record], storms: Storms) -> Iterator[str]:
    """Yield what was run on a kernel, with which profiler, and how many samples that gave."""
    reports = [record.profiled for record in records if isinstance(record.profiled, ProfileReport)]
    acts = [act for report in reports for act in report.acts]
    rates = " and ".join(str(rate) for rate in sorted({report.rate_hz for report in reports}))
    samples = sum(storm.counts[()] for of_layer in storms.values() for storm in of_layer)
    yield (
        f"Linux {records[0].host.kernel}, {', '.join(sorted({report.program for report in reports}))}, "
        f"{min(record.started_utc for record in records)[:10]}: {plural(len(records), 'boot')}, "
        f"{plural(len(acts), 'storm')}, {sum(act.attempts for record in records for act in record.acts):,} attempts, "
        f"{samples:,} samples of client and server at {rates} a second of a CPU, "
        f"{sum(report.lost for report in reports):,} lost."
    )
    trials: dict[int, list[str]] = {}
    for name in (name for name in PLANS if name in storms):
        trials.setdefault(len(storms[name]), []).append(name)
    many, *fewer = sorted(trials, reverse=True)
    if fewer:
        yield f"{plural(many, 'trial')} of {', '.join(trials[many])}; fewer of the others."


main(Path(sys.argv[1]), run="--stored" not in sys.argv[2:])
