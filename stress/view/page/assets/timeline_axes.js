// Ticks and shapes of the timeline's pictures.
"use strict";

// Starts in the unit in which the steps between ticks are whole or have one decimal.
function timeTicks(from, to, most) {
  const step = niceStep(to - from, most);
  const [unit, factor] = UNITS.find(([, size]) => step >= size / 10) ?? UNITS[3];
  const digits = Math.max(0, -Math.floor(Math.log10(step / factor) + 1e-9));
  const ticks = [];
  for (let i = Math.ceil(from / step) + 0; i * step <= to; i++) {
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    ticks.push({ at: i * step, text: ((i * step) / factor + 0).toLocaleString("en-US", options) });
  }
  return { ticks, unit };
}

// Latencies on a logarithmic axis, as logarithms of ns to base 2; minor ticks have no text.
function latencyTicks(low, high) {
  const [from, to] = [2 ** low, 2 ** high];
  if (to / from < 6) {
    const step = niceStep(to - from, 6);
    const ticks = [];
    for (let i = Math.ceil(from / step); i * step <= to; i++) ticks.push({ at: Math.log2(i * step), text: tickText(i * step, step) });
    return ticks;
  }
  const named = to / from < 300 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = 10 ** Math.floor(Math.log10(from)); power <= to; power *= 10)
    for (let digit = 1; digit < 10; digit++) {
      const ns = power * digit;
      if (ns >= from && ns <= to) ticks.push({ at: Math.log2(ns), text: named.includes(digit) ? durationText(ns) : "" });
    }
  return ticks;
}

function tickText(ns, step) {
  const [unit, factor] = UNITS.find(([, size]) => ns >= size) ?? UNITS[3];
  const digits = Math.max(0, Math.ceil(-Math.log10(step / factor) - 1e-9));
  return `${(ns / factor).toFixed(digits)} ${unit}`;
}

// Outlines within a circle of radius 1, for marks on the canvas and in the legend.
const SHAPES = {
  circle: "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z",
  square: "M-.85-.85H.85V.85H-.85Z",
  diamond: "M0-1.15L1 0 0 1.15-1 0Z",
  up: "M0-1L1 .8H-1Z",
  down: "M0 1L1-.8H-1Z",
  left: "M-1 0L.8-1V1Z",
  right: "M1 0L-.8-1V1Z",
  cross: "M-1-.6L-.6-1 0-.4.6-1 1-.6.4 0 1 .6.6 1 0 .4-.6 1-1 .6-.4 0Z",
  plus: "M-.35-1H.35V-.35H1V.35H.35V1H-.35V.35H-1V-.35H-.35Z",
  star: "M0-1.1L.3-.35 1.1-.3.5.2.7 1 0 .55-.7 1-.5.2-1.1-.3-.3-.35Z",
  bar: "M-.35-1.1H.35V1.1H-.35Z",
  flat: "M-1.1-.4H1.1V.4H-1.1Z",
  pentagon: "M0-1.05L1-.3.6.9H-.6L-1-.3Z",
  ring: "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0ZM.5 0A.5.5 0 1 0-.5 0A.5.5 0 1 0 .5 0Z",
};

function shapeIcon(shape, className) {
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const attributes = { viewBox: "-1.3 -1.3 2.6 2.6", width: 14, height: 14, class: className, "aria-hidden": "true" };
  for (const [name, value] of Object.entries(attributes)) icon.setAttribute(name, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[shape]);
  path.setAttribute("fill", "currentColor");
  icon.append(path);
  return icon;
}

// The colours of the page's style, which differ in light, in dark and on paper.
function readColours() {
  const style = getComputedStyle(document.getElementById("timeline-view"));
  const names = ["ink", "paper", "muted", "line", "accent", ...Array.from({ length: 8 }, (_, i) => `cause-${i + 1}`)];
  names.push(...Array.from({ length: 8 }, (_, i) => `arm-${i + 1}`));
  const colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  return { ...colours, isDark: matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches };
}

// A canvas as wide as its place, sharp on any screen; return its context in units of CSS pixels.
function fitCanvas(canvas, height) {
  const [width, ratio] = [Math.max(canvas.parentElement.clientWidth, 280), window.devicePixelRatio || 1];
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
