// Numbers as text, and steps of scales.
"use strict";

const UNITS = [["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]];
const whole = (number) => Math.round(number).toLocaleString("en-US");

// Three digits unless fewer are known: 16.3 ms.
function durationText(ns, digits = 3) {
  const [unit, factor] = UNITS.find(([, size]) => Math.abs(ns) >= size * 0.9995) ?? UNITS[3];
  return `${Number((ns / factor).toPrecision(digits)).toLocaleString("en-US")} ${unit}`;
}

function niceStep(span, most) {
  const raw = span / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
}
