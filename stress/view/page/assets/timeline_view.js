// What of the attempts is shown: span of starts and latencies, ports, arms, layout. It stands in the address's #.
"use strict";

class View extends EventTarget {
  constructor(attempts) {
    super();
    this.attempts = attempts;
    const many = attempts.arms.length > 8;
    const state = { arms: attempts.arms.map((_, arm) => !many || arm < 4), ports: null, isOver: false, isAligned: attempts.model.canAlign, pin: null };
    Object.assign(this, state);
    Object.assign(this, this.whole());
  }

  // Every storm's starts count from the moment when its run began, or from its own first start.
  shiftOf(storm) {
    return this.isAligned ? storm.start_ns : 0;
  }

  // The first and the last start of what is switched on, and its lowest and highest latency.
  span() {
    const shown = this.attempts.storms.filter((storm) => this.arms[storm.arm] && storm.count);
    const storms = shown.length ? shown : this.attempts.storms;
    const log = (ns) => Math.log2(Math.max(ns, 1));
    return {
      from: Math.min(...storms.map((storm) => storm.start_ns - this.shiftOf(storm))),
      to: Math.max(...storms.map((storm) => storm.end_ns - this.shiftOf(storm))),
      low: Math.min(...storms.map((storm) => log(storm.fastest_ns))),
      high: Math.max(...storms.map((storm) => log(storm.slowest_ns))),
    };
  }

  whole() {
    const { from, to, low, high } = this.span();
    const margin = Math.max((to - from) / 200, 500);
    return { from: from - margin, to: to + margin, low: low - 0.4, high: high + 0.6 };
  }

  set(change) {
    Object.assign(this, change);
    const whole = this.whole();
    // Not less than 1 µs wide, for starts and clicks are not more precise; and never beyond what there is.
    const width = Math.min(Math.max(this.to - this.from, 1_000), whole.to - whole.from);
    this.from = Math.min(Math.max(this.from, whole.from), whole.to - width);
    this.to = this.from + width;
    const height = Math.min(Math.max(this.high - this.low, 0.02), whole.high - whole.low);
    this.low = Math.min(Math.max(this.low, whole.low), whole.high - height);
    this.high = this.low + height;
    this.dispatchEvent(new Event("change"));
  }

  showAll() {
    this.set({ ...this.whole(), ports: null });
  }

  // What was shown whole stays whole: an arm that is switched off and on again is seen as before.
  switchArms(arms) {
    const before = this.whole();
    const isAllTime = this.from <= before.from && this.to >= before.to;
    const isAllLatencies = this.low <= before.low && this.high >= before.high;
    this.arms = arms;
    const { from, to, low, high } = this.whole();
    this.set({ ...(isAllTime ? { from, to } : {}), ...(isAllLatencies ? { low, high } : {}) });
  }

  // `factor` below 1 shows less; `at` is what stays in its place, as a share of the width or height.
  zoomTime(factor, at = 0.5) {
    const width = this.to - this.from;
    const fixed = this.from + width * at;
    this.set({ from: fixed - width * factor * at, to: fixed + width * factor * (1 - at) });
  }

  zoomLatency(factor, at = 0.5) {
    const height = this.high - this.low;
    const fixed = this.low + height * at;
    this.set({ low: fixed - height * factor * at, high: fixed + height * factor * (1 - at) });
  }

  pan(timeShare, latencyShare) {
    const [x, y] = [(this.to - this.from) * timeShare, (this.high - this.low) * latencyShare];
    this.set({ from: this.from + x, to: this.to + x, low: this.low + y, high: this.high + y });
  }

  // Show an attempt in the middle of a hundredth of the storm, or less where that is shown already.
  showAttempt(storm, number) {
    const record = this.attempts.recordAt(storm, number);
    const start = (record.exact ? record.start_ns : this.attempts.likelyStart(storm, number)) - this.shiftOf(storm);
    const log = Math.log2(Math.max(record.exact ? record.latency_ns : record.latency_4_percent_ns, 1));
    this.arms[storm.arm] = true;
    const whole = this.whole();
    const width = Math.min(this.to - this.from, (whole.to - whole.from) / 100);
    const isHidden = this.ports && !(record.local_port >= this.ports[0] && record.local_port <= this.ports[1]);
    const change = { from: start - width / 2, to: start + width / 2, pin: { storm: storm.index, number }, ports: isHidden ? null : this.ports };
    this.set(log < this.low || log > this.high ? { ...change, low: whole.low, high: whole.high } : change);
  }

  holds(start_ns, log, port) {
    if (start_ns < this.from || start_ns > this.to || log < this.low || log > this.high) return false;
    return !this.ports || (port >= this.ports[0] && port <= this.ports[1]);
  }

  toText() {
    const parts = new URLSearchParams({ t: `${Math.round(this.from)}..${Math.round(this.to)}` });
    parts.set("latency", `${(2 ** this.low).toPrecision(6)}..${(2 ** this.high).toPrecision(6)}`);
    parts.set("arms", this.arms.flatMap((on, arm) => (on ? [arm] : [])).join("."));
    if (this.ports) parts.set("ports", this.ports.join(".."));
    if (this.isOver) parts.set("layout", "over");
    if (this.attempts.model.canAlign) parts.set("aligned", Number(this.isAligned));
    if (this.pin) parts.set("attempt", `${this.pin.storm}.${this.pin.number}`);
    return `timeline?${parts}`;
  }

  // Whatever a link says that is no number, or names what is not there, is left out.
  fromText(text) {
    if (!text) return;
    const parts = new URLSearchParams(text.slice("timeline?".length));
    const pair = (name, mark) => {
      const values = (parts.get(name) ?? "").split(mark).map(Number);
      return values.length === 2 && values.every(Number.isFinite) ? values : null;
    };
    const arms = (parts.get("arms") ?? "").split(".").filter(Boolean).map(Number);
    if (arms.length) this.arms = this.arms.map((_, arm) => arms.includes(arm));
    this.isOver = parts.get("layout") === "over";
    this.isAligned = this.attempts.model.canAlign && parts.get("aligned") !== "0";
    this.ports = pair("ports", "..");
    const [times, latencies, pin] = [pair("t", ".."), pair("latency", ".."), pair("attempt", ".")];
    const storm = pin && this.attempts.storms[pin[0]];
    const isThere = storm && Number.isInteger(pin[1]) && pin[1] >= 0 && pin[1] < storm.count;
    const span = times && times[1] > times[0] ? { from: times[0], to: times[1] } : {};
    const heights = latencies && latencies[1] > latencies[0] && latencies[0] > 0 ? latencies.map(Math.log2) : null;
    const height = heights ? { low: heights[0], high: heights[1] } : {};
    this.set({ ...this.whole(), ...span, ...height, pin: isThere ? { storm: pin[0], number: pin[1] } : null });
  }
}
