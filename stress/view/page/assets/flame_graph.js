// Flames: trees of frames as stress/view/page/flame_part.py packed them, what a frame costs, and what can be said of it.
"use strict";

const [DISPLACED, COMPARED, SURE, NAMED] = [1, 2, 4, 8];
const STRENGTHS = [0.05, 0.2, 0.5]; // of the largest sure difference: where a colour becomes stronger
const WHOLE_NAME = /^"(.+)"$/;
// Halves are rounded as the tables round them.
const nsFormat = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0, roundingMode: "halfEven" });
const nsText = (ns) => nsFormat.format(Math.abs(ns) < 0.5 ? 0 : ns).replace("-", "−");
const signed = (ns) => `${ns < 0 ? "" : "+"}${nsText(ns)}`;

class Flame {
  static async unpackAll() {
    const model = JSON.parse(document.getElementById("flame-model").textContent);
    const kinds = Object.keys(model.columns);
    const values = await Promise.all(kinds.map((kind) => inflateColumn(`flame-${kind}`, model.columns[kind])));
    const names = new TextDecoder().decode(await inflateBlock("flame-names")).split("\n");
    let from = 0;
    return model.graphs.map((given) => {
      const own = kinds.map((kind, i) => [kind, values[i].subarray(from, from + given.count)]);
      from += given.count;
      return new Flame(given, Object.fromEntries(own), names);
    });
  }

  constructor(given, columns, names) {
    Object.assign(this, given, { columns, bits: columns.bits, depths: columns.depth });
    this.names = Array.from(columns.name, (number) => names[number]);
    this.isCompared = given.sides.length > 1;
    this.last = this.isCompared ? 1 : 0; // the new side, or the only one
    const places = this.isCompared ? [0, 1] : [0];
    const inNs = (name) => Float64Array.from(columns[name], (ps) => ps / 1000);
    this.ns = places.map((place) => inNs(`ns${place}`));
    this.own = places.map((place) => inNs(`own_ns${place}`));
    this.error = places.map((place) => inNs(`error_ns${place}`));
    this.samples = places.map((place) => columns[`samples${place}`]);
    if (this.isCompared) this.ends = [inNs("low_ns"), inNs("high_ns")];
    this.parents = new Int32Array(this.count);
    this.after = new Int32Array(this.count); // the first frame that is not below it
    this.after.fill(this.count);
    const open = [];
    for (let frame = 0; frame < this.count; frame++) {
      while (open.length > this.depths[frame]) this.after[open.pop()] = frame;
      this.parents[frame] = open.at(-1) ?? 0;
      open.push(frame);
    }
    this.lefts = this.ns.map((ns) => this.leftOf(ns));
    const sure = Array.from(this.bits, (bits, frame) => (bits & SURE ? Math.abs(this.difference(frame)) : 0));
    this.largest = Math.max(...sure, 0);
  }

  // Where frames begin, in ns: those of one caller follow one another.
  leftOf(ns) {
    const [left, next] = [new Float64Array(this.count), new Float64Array(this.count)];
    for (let frame = 1; frame < this.count; frame++) {
      const parent = this.parents[frame];
      left[frame] = next[frame] = next[parent];
      next[parent] += ns[frame];
    }
    return left;
  }

  difference(frame) {
    return this.isCompared ? this.ns[1][frame] - this.ns[0][frame] : 0;
  }

  mark(frame) {
    return this.bits[frame] & DISPLACED ? "*" : "";
  }

  isBelow(frame, caller) {
    return frame >= caller && frame < this.after[caller];
  }

  // The frames from the outermost one to this one.
  path(frame) {
    const path = [frame];
    while (path[0]) path.unshift(this.parents[path[0]]);
    return path;
  }

  widestChild(frame, side) {
    let widest = -1;
    for (let child = frame + 1; child < this.after[frame]; child = this.after[child])
      if (this.ns[side][child] > (widest < 0 ? 0 : this.ns[side][widest])) widest = child;
    return widest;
  }

  // The next frame as deep as this one that has a width, to the right or to the left, below the one that is zoomed to.
  neighbour(frame, step, zoom, side) {
    for (let next = frame + step; next > 0 && next < this.count && this.isBelow(next, zoom); next += step)
      if (this.depths[next] === this.depths[frame] && this.ns[side][next] > 0) return next;
    return -1;
  }

  // Frames whose names contain the words, or are what stands in quotes; and those of them that are in no other.
  matches(words) {
    const text = words.trim().toLowerCase();
    const name = WHOLE_NAME.exec(text)?.[1];
    const all = [];
    for (let frame = 1; frame < this.count && text; frame++) {
      const own = this.names[frame].toLowerCase();
      if (name ? own === name : own.includes(text)) all.push(frame);
    }
    let end = 0;
    const outer = all.filter((frame) => frame >= end && (end = this.after[frame]));
    return { all, outer };
  }

  // 0 where a frame is not surely different; 1 to 4 for more than before, -1 to -4 for less.
  strength(frame) {
    if (!(this.bits[frame] & SURE)) return 0;
    const difference = this.difference(frame);
    const level = 1 + STRENGTHS.filter((share) => Math.abs(difference) >= share * this.largest).length;
    return difference < 0 ? -level : level;
  }

  // What stands in a frame behind its name.
  shortText(frame, side) {
    return this.isCompared ? signed(this.difference(frame)) : nsText(this.ns[side][frame]);
  }

  // A frame in words: what it is, and what it costs.
  sentence(frame) {
    const [, whose, call, ...functions] = this.path(frame).map((one) => this.names[one]);
    const place = functions.length ? ` in ${call} of the ${whose}` : call ? ` of the ${whose}` : "";
    const caller = functions.length > 1 ? `, called by ${functions.at(-2)}` : "";
    const note = this.mark(frame) ? " * It turns interrupts on, and has the time of what ran before while they were off." : "";
    return `${this.names[frame]}${this.mark(frame)}${place}${caller}: ${this.isCompared ? this.changeText(frame) : this.costText(frame)}.${note}`;
  }

  costText(frame) {
    const [ns, error, own] = [this.ns[0][frame], this.error[0][frame], this.own[0][frame]].map(nsText);
    const share = frame ? `, ${shareOf(this.ns[0][frame], this.ns[0][0])} of it` : "";
    return `${ns} ± ${error} ns for an attempt${share}; ${own} ns alone; ${countText(this.samples[0][frame], "sample")}`;
  }

  changeText(frame) {
    const [before, after] = this.ns.map((ns) => nsText(ns[frame]));
    const [bits, samples] = [this.bits[frame], this.samples.map((counts) => whole(counts[frame])).join(" and ")];
    const kind = this.hasTrials ? "95 % interval" : "95 % interval of sampling alone";
    const [low, high] = bits & COMPARED ? this.ends.map((ends) => signed(ends[frame])) : [];
    const interval = low ? ` (${kind} ${low} to ${high})` : "";
    const sure = this.verdict(frame, bits);
    const named = bits & NAMED ? "; the function is named as the reason" : "";
    return `before ${before} ns, after ${after} ns for an attempt: ${signed(this.difference(frame))} ns${interval}, ${sure}${named}; ${samples} samples`;
  }

  verdict(frame, bits) {
    if (!(bits & COMPARED)) return "too few samples to compare";
    if (!(bits & SURE)) return this.hasTrials ? "not surely different" : "no more than the chance of sampling";
    const direction = this.difference(frame) > 0 ? "more" : "less";
    return this.hasTrials ? `surely ${direction}` : `${direction}, beyond the chance of sampling`;
  }

  // What frames cost together, none of which is in another one.
  sumText(frames) {
    const sums = this.ns.map((ns) => frames.reduce((sum, frame) => sum + ns[frame], 0));
    if (this.isCompared) return `before ${nsText(sums[0])} ns, after ${nsText(sums[1])} ns: ${signed(sums[1] - sums[0])} ns`;
    const error = Math.hypot(...frames.map((frame) => this.error[0][frame]));
    return `${nsText(sums[0])} ± ${nsText(error)} ns, ${shareOf(sums[0], this.ns[0][0])}`;
  }

  // Frames that have no width on one side, but on the other one, below a frame; only those in no other such frame.
  absent(side, zoom) {
    const frames = [];
    if (!this.isCompared) return frames;
    for (let frame = zoom; frame < this.after[zoom]; frame++)
      if (this.ns[side][frame] === 0 && this.ns[1 - side][frame] > 0) {
        frames.push(frame);
        frame = this.after[frame] - 1;
      }
    return frames;
  }
}

const shareOf = (part, all) => `${all ? Number(((100 * part) / all).toPrecision(2)) : 0} %`;
const countText = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
