// The picture of a flame: a row for each depth, the whole attempt on top, drawn as SVG without any style attribute.
"use strict";

const ROW = 18; // CSS pixels
const AXIS = 22;
const NARROWEST = 0.5; // what is narrower is not drawn
const PAPER = 718; // a sheet of A4 between margins of a centimetre
const SVG = "http://www.w3.org/2000/svg";

function svgElement(kind, attributes, ...content) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...content);
  return element;
}

class FlamePicture {
  constructor(svg) {
    this.svg = svg;
    this.hatch = svgElement("pattern", { id: "flame-hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    this.hatch.append(svgElement("rect", { width: 2, height: 6, class: "flame-hatching" }));
  }

  // Frames from the whole attempt to the one that is zoomed to are as wide as the picture; below, widths are ns.
  draw(view) {
    const { flame, zoom, side } = view;
    this.view = view;
    this.width = matchMedia("print").matches ? PAPER : Math.max(this.svg.parentElement.clientWidth, 280);
    const full = Math.max(...flame.ns.map((ns) => ns[zoom])) || 1;
    this.scale = this.width / full;
    const above = flame.path(zoom).slice(0, -1);
    const boxes = above.map((frame) => this.box(frame, "flame-above"));
    let deepest = flame.depths[zoom];
    this.narrow = 0;
    for (let frame = zoom; frame < flame.after[zoom]; frame++) {
      const width = flame.ns[side][frame] * this.scale;
      if (width < NARROWEST) {
        for (let below = frame; below < flame.after[frame]; below++) this.narrow += flame.ns[side][below] > 0;
        frame = flame.after[frame] - 1;
        continue;
      }
      deepest = Math.max(deepest, flame.depths[frame]);
      boxes.push(this.box(frame));
    }
    const height = AXIS + (deepest + 1) * ROW + 1;
    this.outline = svgElement("rect", { class: "flame-outline", height: ROW, rx: 2 });
    this.svg.replaceChildren(svgElement("defs", {}, this.hatch), ...this.axis(full), ...boxes, this.outline);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
    this.svg.setAttribute("height", height);
    this.drawn = boxes.length;
    this.select(view.at);
  }

  place(frame) {
    const { flame, zoom, side } = this.view;
    const y = AXIS + flame.depths[frame] * ROW;
    if (frame < zoom && flame.isBelow(zoom, frame)) return { x: 0, y, width: this.width };
    const x = (flame.lefts[side][frame] - flame.lefts[side][zoom]) * this.scale;
    return { x, y, width: flame.ns[side][frame] * this.scale };
  }

  box(frame, more = "") {
    const { flame, side, matches } = this.view;
    const { x, y, width } = this.place(frame);
    const at = { x: x.toFixed(2), y, width: width.toFixed(2), height: ROW };
    const faded = matches.size && !matches.has(frame) ? "flame-faded" : matches.has(frame) ? "flame-match" : "";
    const named = flame.bits[frame] & NAMED ? "flame-named" : "";
    const looks = [this.look(frame), faded, named, more].filter(Boolean).join(" ");
    const box = svgElement("g", { class: looks, "data-frame": frame });
    box.append(svgElement("rect", { ...at, class: "flame-fill" }));
    if (flame.mark(frame)) box.append(svgElement("rect", { ...at, class: "flame-hatched", fill: "url(#flame-hatch)" }));
    const label = this.label(frame, width, flame, side);
    if (label) box.append(svgElement("text", { x: (x + 4).toFixed(2), y: y + 13 }, label));
    return box;
  }

  look(frame) {
    const { flame } = this.view;
    if (flame.isCompared) {
      const strength = flame.strength(frame);
      return strength ? `flame-${strength > 0 ? "more" : "less"}-${Math.abs(strength)}` : "flame-same";
    }
    const whose = flame.path(frame)[1];
    const hue = whose === undefined ? "whole" : flame.names[whose] === "server" ? "server" : "client";
    return `flame-${hue}-${(flame.depths[frame] % 2) + 1}`;
  }

  // Name and time where there is room, or as much of the name as fits.
  label(frame, width, flame, side) {
    const room = Math.floor((width - 7) / this.letter());
    const name = `${flame.names[frame]}${flame.mark(frame)}`;
    const text = `${name} ${flame.shortText(frame, side)}`;
    if (text.length <= room) return text;
    if (name.length <= room) return name;
    return room > 2 ? `${name.slice(0, room - 1)}…` : "";
  }

  // The width of a letter; they all have the same.
  letter() {
    if (!this.letterWidth) {
      const context = document.createElement("canvas").getContext("2d");
      const style = getComputedStyle(this.svg);
      context.font = `${style.fontSize} ${style.fontFamily}`;
      this.letterWidth = context.measureText("_".repeat(50)).width / 50;
    }
    return this.letterWidth;
  }

  axis(full) {
    const [step, ticks] = [niceStep(full, this.width / 110), []];
    for (let i = 0; i * step <= full * 1.0001; i++) {
      const x = i * step * this.scale;
      const anchor = i === 0 ? "start" : x > this.width - 60 ? "end" : "middle";
      ticks.push(svgElement("text", { x: x.toFixed(1), y: 12, "text-anchor": anchor, class: "flame-tick" }, i ? whole(i * step) : "0 ns"));
      ticks.push(svgElement("path", { d: `M${Math.min(x, this.width - 0.5).toFixed(1)} 15V${AXIS - 1}`, class: "flame-line" }));
    }
    return ticks;
  }

  select(frame) {
    const { x, y, width } = this.place(frame);
    const attributes = { x: Math.min(x, this.width - 2).toFixed(2), y, width: Math.max(width, 2).toFixed(2) };
    for (const [name, value] of Object.entries(attributes)) this.outline.setAttribute(name, value);
  }

  frameAt(target) {
    const box = target.closest?.("[data-frame]");
    return box ? Number(box.dataset.frame) : -1;
  }
}
