// All attempts of a view, counted again from the data at every zoom: cells of a raster, causes, latencies.
"use strict";

const MARKS_MAX = 20_000; // attempts of the body in view that are drawn one by one; more of them are a density
const BINS_PER_OCTAVE = 64; // of latencies for the CCDF

class ArmCounts {
  constructor(causes, columns, rows) {
    this.raster = new Uint32Array(columns * rows);
    this.body = 0;
    this.rows = []; // exact records that are not body
    this.bodyRows = []; // exact records of the body, as long as there are few
    this.bodyNumbers = []; // [start, logarithm] of others
    this.causes = new Uint32Array(causes);
    this.counted = new Uint32Array(causes); // of attempts that are not body and have no exact record
    this.bins = new Uint32Array(BINS_PER_OCTAVE * 64);
    this.mostPerCell = 0;
  }

  get others() {
    return this.rows.length + this.counted.reduce((sum, count) => sum + count, 0);
  }

  get total() {
    return this.body + this.others;
  }
}

// Return the counts of each arm that is switched on, null for the others.
function countView(attempts, view, columns, rows) {
  const every = attempts.arms.map((_, arm) => {
    if (!view.arms[arm]) return null;
    const counts = new ArmCounts(attempts.model.causes.length, columns, rows);
    const storms = attempts.stormsOfArm[arm];
    for (const storm of storms) countExact(attempts, view, storm, counts, columns, rows);
    // Ports are in exact records only: of all others none is known to be in a span of ports.
    if (attempts.model.hasCodes && !view.ports) {
      countCodes(attempts, view, storms, counts, columns, rows);
      for (const storm of storms) countOthers(attempts, view, storm, counts);
    }
    for (const count of counts.raster) if (count > counts.mostPerCell) counts.mostPerCell = count;
    return counts;
  });
  if (attempts.model.hasCodes && !view.ports && !isDense(every))
    every.forEach((counts, arm) => counts && listBody(attempts, view, attempts.stormsOfArm[arm], counts));
  return every;
}

// Whether there is more body in view than can be drawn one by one.
function isDense(every) {
  return every.reduce((sum, counts) => sum + (counts ? counts.body : 0), 0) > MARKS_MAX;
}

function countExact(attempts, view, storm, counts, columns, rows) {
  const { start_ns, local_port, body, cause } = attempts.columns;
  const shift = view.shiftOf(storm);
  const [perNs, perOctave] = [columns / (view.to - view.from), rows / (view.high - view.low)];
  for (let row = storm.row; row < storm.rowEnd; row++) {
    const [start, log] = [start_ns[row] - shift, attempts.log[row]];
    if (!view.holds(start, log, local_port[row])) continue;
    counts.bins[Math.floor(log * BINS_PER_OCTAVE)]++;
    if (!body[row]) {
      counts.rows.push(row);
      counts.causes[cause[row]]++;
      continue;
    }
    counts.body++;
    const x = Math.min(Math.floor((start - view.from) * perNs), columns - 1);
    const y = Math.min(Math.floor((log - view.low) * perOctave), rows - 1);
    counts.raster[y * columns + x]++;
    if (counts.bodyRows.length <= MARKS_MAX) counts.bodyRows.push(row);
  }
}

// The loops over ten million: one addition for each attempt, into a raster with a line for each code.
function countCodes(attempts, view, storms, counts, columns, rows) {
  const { code } = attempts.columns;
  const { highestCode, stepsPerOctave } = attempts.model;
  const lines = new Uint32Array((highestCode + 1) * columns);
  for (const storm of storms) {
    const [from, to] = [view.from + view.shiftOf(storm), view.to + view.shiftOf(storm)];
    const perNs = columns / (to - from);
    for (let block = 0; block < storm.blocks; block++) {
      const [low, high, count] = attempts.blockOf(storm, block);
      if (high < from || low > to) continue;
      const [x0, step] = [(low - from) * perNs, ((high - low) / count) * perNs];
      const first = storm.code + block * attempts.model.block;
      if (x0 >= 0 && x0 + step * count < columns) {
        for (let i = 0; i < count; i++) lines[code[first + i] * columns + ((x0 + step * i) | 0)]++;
        continue;
      }
      for (let i = 0; i < count; i++) {
        const x = x0 + step * i;
        if (x >= 0 && x < columns) lines[code[first + i] * columns + (x | 0)]++;
      }
    }
  }
  const perOctave = rows / (view.high - view.low);
  const half = 0.5 / stepsPerOctave;
  for (let line = 1; line <= highestCode; line++) {
    const log = attempts.logOfCode[line];
    if (log < view.low || log > view.high) continue;
    // A code stands for a band of latencies, which is higher than a row of cells when one zooms in.
    const bottom = Math.min(Math.max(Math.floor((log - half - view.low) * perOctave), 0), rows - 1);
    const top = Math.max(bottom, Math.min(Math.floor((log + half - view.low) * perOctave), rows) - 1);
    let sum = 0;
    for (let x = 0; x < columns; x++) {
      const count = lines[line * columns + x];
      if (!count) continue;
      sum += count;
      for (let y = bottom; y <= top; y++) counts.raster[y * columns + x] += count;
    }
    counts.body += sum;
    counts.bins[Math.floor(log * BINS_PER_OCTAVE)] += sum;
  }
}

// Attempts that are not body and have no exact record were counted with the body.
function countOthers(attempts, view, storm, counts) {
  const { code, counted_number, counted_cause } = attempts.columns;
  for (let i = storm.counted; i < storm.countedEnd; i++) {
    const number = counted_number[i];
    const log = attempts.logOfCode[code[storm.code + number]];
    if (!view.holds(attempts.likelyStart(storm, number) - view.shiftOf(storm), log)) continue;
    counts.counted[counted_cause[i]]++;
    counts.body--;
  }
}

function listBody(attempts, view, storms, counts) {
  for (const storm of storms) {
    const shift = view.shiftOf(storm);
    attempts.forEachCode(storm, view.from + shift, view.to + shift, (number, start, code) => {
      const log = attempts.logOfCode[code];
      if (log >= view.low && log <= view.high) counts.bodyNumbers.push([start - shift, log]);
    });
  }
}

// The rows of exact records in view; those of the body only if asked for.
function exactRows(attempts, view, withBody) {
  const { start_ns, local_port, body } = attempts.columns;
  const rows = [];
  for (const storm of attempts.storms) {
    if (!view.arms[storm.arm]) continue;
    const shift = view.shiftOf(storm);
    for (let row = storm.row; row < storm.rowEnd; row++)
      if ((withBody || !body[row]) && view.holds(start_ns[row] - shift, attempts.log[row], local_port[row])) rows.push(row);
  }
  return rows;
}
