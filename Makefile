# SPDX-License-Identifier: MIT
# make demo       build, and re-create the article's case: one table, one figure
# make build      build, and install what all the others need
# make test       build, and run the tests
# make test-debug, test-sanitize, test-oldest  the engines with bounds checks; with sanitizers; with the oldest libraries
# make check      ruff, mypy strict, stubtest
# make bench      ratios against a bare loop and other tools, side by side; writes docs/performance.md; then track
# make track      add a suite of this version to results/history, and draw docs/history.png
# make validate   verdicts on real storms, and whole gates over simulated sessions, whose truth is known; an hour
# make profile-names  hold what compare --profile names against changes whose function is known, and none; 12 minutes
# make layers     what each layer between client and server costs a connect(); writes docs/layers.md; half an hour, as root
# make layers-in-guests  which functions each layer adds on Debian's kernels, booted; writes its part of docs/layers.md; as root
# make sessions   ten real sessions of a suite, each gated against the other nine; 10 minutes
# make catalogue  run every scenario and keep its picture for docs/catalogue.md
# make worlds     hold causes against worlds of known truth, in all ways; writes the table of docs/attribution.md
# make steps      steps and drifts of simulated series, against annotators and in noise; into docs/statistics.md
# make chance     storm over leaked connections, and hold what was said before against it; into docs/statistics.md
# make captures   hold causes by packets against those by counters, in all scenarios; writes docs/attribution.md
# make link-storms  hold causes across a link against what a router between really did, in every case; a minute
# make ten-million  open a page of ten million attempts, and hold what it shows against the array; half a minute
# make suite-pages  run the suites sysctls and kernels, one trial each, and look at their pages in a browser; half an hour
# make written-settings   write every setting that may be written, in a booted kernel: none is the whole host's
# make clock      measure the offset of two clocks over a link that is late in one direction, in a booted kernel
# make links      run every scenario across a link, and balance the books of both ends; 15 minutes
# make symptoms   write docs/symptoms.md, and its table into README.md and docs/catalogue.md
# make ab         storm a server that is slow to accept against one that is not, and that one against itself; 3 minutes
# make kill-points  kill any process of a storm between two hosts at 300 moments, and look for what is left; an hour
# make mutations  send 100,000 mutated messages to either end of the control channel; half an hour
# make kill, make fuzz, make soak  see docs/reliability.md; BUDGET=MIN stops each after so many minutes, and it goes on next time
# make soak-large  one storm of 100,000,000 attempts, its analysis, pictures and page, and its memory; 40 minutes, 7 GB
# make release-check  build the wheel and the source archive, audit them, and use them in new environments; some minutes
# make operate    run what docs/operate.md shows, next to a server in trouble; two minutes
# make constraints  build with the newest releases of what others wrote, and write these into .ci/constraints.txt
# make clean      remove what was built

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Stamps for each version of Python: an environment of another one is made anew.
PACKAGE := $(VENV)/package-$(shell $(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null)
BUILT := $(subst package,built,$(PACKAGE))
# What others release tomorrow is no reason for today's tests to fail. CONSTRAINTS=/dev/null takes the newest of all.
CONSTRAINTS ?= .ci/constraints.txt
PIP_INSTALL := $(BIN)/python -m pip install --constraint $(CONSTRAINTS)
QUIET := --quiet --quiet # twice: pip warns of every editable installation otherwise; errors are shown
SOURCES := pyproject.toml setup.py .ci/constraints.txt stress/_compat.h stress/_bare_loop.h $(wildcard stress/*.pyx stress/*.pxd)

.PHONY: layers layers-in-guests demo build test test-engines test-debug test-sanitize test-oldest check bench track validate catalogue worlds captures written-settings clock links ten-million suite-pages chance steps symptoms mutations kill-points ab sessions profile-names release-check kill fuzz soak soak-large constraints clean

demo: $(PACKAGE)
	$(BIN)/connstorm demo

build: $(BUILT)

test: $(BUILT)
	sh .ci/prerequisites test
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# What reaches into the engines; these builds are in environments of their own, and take some minutes each.
ENGINE_TESTS := tests/test_fastconnect.py tests/test_listener.py tests/test_workers.py tests/test_uses.py

test-engines:
	$(BIN)/python -m pytest $(ENGINE_TESTS)

test-debug test-sanitize test-oldest:
	PYTHON=$(PYTHON) sh .ci/prerequisites build
	PYTHON=$(PYTHON) sh .ci/other_build $(@:test-%=%) $(ENGINE_TESTS)

check: $(BUILT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest stress._fastconnect stress._listener stress._reference

bench: $(BUILT)
	$(BIN)/python -m pytest benchmarks --benchmark-enable --benchmark-only -s --timeout 900 --table docs/performance.md
	$(BIN)/python benchmarks/track.py

track: $(BUILT)
	$(BIN)/python benchmarks/track.py

validate: $(BUILT)
	$(BIN)/python benchmarks/validate.py --table docs/validation.md

sessions: $(BUILT)
	$(BIN)/python benchmarks/ten_sessions.py --table docs/validation.md

profile-names: $(BUILT)
	$(BIN)/python benchmarks/profile_names.py

layers: $(BUILT)
	$(BIN)/connstorm suite layers -o results/layers || [ $$? -eq 3 ]
	$(BIN)/python docs/generate/layers.py "$$(ls -d results/layers/*-suite-layers-* | tail -n 1)"

layers-in-guests: $(BUILT)
	unshare -n $(BIN)/python docs/generate/layers_in_guests.py results/layers-in-guests

catalogue: $(BUILT)
	$(BIN)/python docs/generate/catalogue.py

worlds: $(BUILT)
	$(BIN)/python docs/generate/worlds.py

steps: $(BUILT)
	$(BIN)/python benchmarks/annotated.py --table docs/statistics.md

chance: $(BUILT)
	$(BIN)/python docs/generate/chance.py

captures: $(BUILT)
	$(BIN)/python docs/generate/captures.py

ab: $(BUILT)
	CONNSTORM_AB=all $(BIN)/python -m pytest tests/test_ab.py --timeout 1200

kill-points: $(BUILT)
	CONNSTORM_KILL_POINTS=300 $(BIN)/python -m pytest tests/test_peer_run.py -k kill_at_any --timeout 7200

mutations: $(BUILT)
	CONNSTORM_MUTATIONS=100000 CONNSTORM_LIES=150 $(BIN)/python -m pytest \
		tests/test_mutations.py tests/test_relay_mutations.py \
		tests/test_session_mutations.py tests/test_client_mutations.py \
		tests/test_peer_lies.py

# An environment of the Python that is asked for. An older build would be imported in place of the one that follows; its
# stamps go with it, so that what is interrupted is made again.
define environment
PYTHON=$(PYTHON) sh .ci/prerequisites build
[ "$$($(BIN)/python -V 2>/dev/null)" = "$$($(PYTHON) -V)" ] || $(PYTHON) -m venv --clear $(VENV)
$(PIP_INSTALL) --quiet --upgrade "pip>=25.3"
rm -f stress/*.so $(VENV)/package-* $(VENV)/built-*
endef

# The package alone, which is all that make demo needs.
$(PACKAGE): $(SOURCES)
	$(environment)
	$(PIP_INSTALL) --build-constraint $(CONSTRAINTS) $(QUIET) --editable .
	touch $@

# With what tests, checks and the other targets need.
$(BUILT): $(SOURCES)
	$(environment)
	$(PIP_INSTALL) --build-constraint $(CONSTRAINTS) $(QUIET) --editable '.[all]' --group test --group check
	# Otava wants another numpy than ours; a test lets it read what we export.
	test -x $(VENV)/otava/bin/otava || $(BIN)/python -m venv $(VENV)/otava
	$(VENV)/otava/bin/python -m pip install --quiet "$$(grep ^apache-otava $(CONSTRAINTS) || echo apache-otava)" || echo "One test will be skipped without apache-otava" >&2
	touch $(PACKAGE) $@

# The newest releases, with which make check and make test are then to pass.
constraints: clean
	$(MAKE) build CONSTRAINTS=/dev/null
	{ sed '/^[^#]/d' .ci/constraints.txt; \
	{ $(BIN)/python -m pip freeze --all --exclude-editable; $(VENV)/otava/bin/python -m pip freeze | grep ^apache-otava; } | \
	sed '/^#/d' | LC_ALL=C sort -f; } > .ci/constraints.new
	mv .ci/constraints.new .ci/constraints.txt

clean:
	rm -rf $(VENV) build *.egg-info stress/*.c stress/*.so stress/*.html

release-check: $(BUILT)
	$(BIN)/python .ci/release_check.py

kill: $(BUILT)
	$(BIN)/python benchmarks/kill.py $(if $(BUDGET),--budget $(BUDGET))

fuzz: $(BUILT)
	$(BIN)/python benchmarks/fuzz.py $(if $(BUDGET),--budget $(BUDGET))

soak-large: $(BUILT)
	unshare --user --map-root-user --net $(BIN)/python benchmarks/soak_large.py

soak: $(BUILT)
	$(BIN)/python benchmarks/soak.py $(if $(BUDGET),--budget $(BUDGET))

suite-pages: $(BUILT)
	$(BIN)/connstorm suite sysctls --trials 1 -o results/pages || [ $$? -eq 3 ]
	$(BIN)/connstorm suite kernels --trials 1 -o results/pages || [ $$? -eq 3 ]
	CONNSTORM_SUITE_PAGES=$(CURDIR)/results/pages $(BIN)/python -m pytest tests/test_page_suites.py

written-settings: $(BUILT)
	CONNSTORM_WRITTEN_SETTINGS=1 $(BIN)/python -m pytest tests/test_written_sysctls.py

clock: $(BUILT)
	CONNSTORM_CLOCK=1 $(BIN)/python -m pytest tests/test_peer_clock.py

ten-million: $(BUILT)
	CONNSTORM_TEN_MILLION=1 $(BIN)/python -m pytest tests/test_timeline.py tests/test_attempt_columns.py -k ten_million

links: $(BUILT)
	CONNSTORM_LINKS=all $(BIN)/python -m pytest tests/test_link_scenarios.py

docs/cli.md: $(wildcard stress/cli/*.py) docs/generate/cli.py docs/generate/cli_head.md
	$(BIN)/python docs/generate/cli.py

docs/connstorm.1: $(wildcard stress/cli/*.py) docs/generate/cli.py docs/generate/man.py
	$(BIN)/python docs/generate/man.py

docs/attribution.md: $(wildcard stress/analysis/attribution/rules/*.py stress/analysis/attribution/packets/*.py) docs/generate/attribution.py
	$(BIN)/python docs/generate/attribution.py

link-storms: $(BUILT)
	CONNSTORM_LINK_STORMS=1 $(BIN)/python -m pytest -q tests/test_link_causes.py tests/test_several_clients.py

symptoms: $(BUILT)
	$(BIN)/python docs/generate/symptoms.py

operate: $(BUILT)
	$(BIN)/python docs/generate/operate.py

docs/run.schema.json docs/suite.schema.json docs/inspection.schema.json &: $(wildcard stress/model/*.py) stress/store/run_schema.py stress/store/suite_folder.py docs/generate/schema.py
	$(BIN)/python docs/generate/schema.py
