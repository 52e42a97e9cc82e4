// The attempts of the page: columns of stress/view/page/attempt_columns.py, unpacked, and what they say of one attempt.
"use strict";

class Attempts {
  static async unpack() {
    const model = JSON.parse(document.getElementById("timeline-model").textContent);
    const names = Object.keys(model.columns);
    const values = await Promise.all(names.map((name) => inflateColumn(`timeline-${name}`, model.columns[name])));
    return new Attempts(model, Object.fromEntries(names.map((name, i) => [name, values[i]])));
  }

  constructor(model, columns) {
    Object.assign(this, { model, columns, arms: model.arms });
    let [row, code, block, counted] = [0, 0, 0, 0];
    this.storms = model.storms.map((given, index) => {
      const blocks = model.hasCodes ? Math.ceil(given.count / model.block) : 0;
      const storm = { ...given, index, row, code, block, blocks, counted, countedEnd: counted + given.counted, rowEnd: row + given.exact };
      [row, code, block, counted] = [storm.rowEnd, code + given.count, block + blocks, storm.countedEnd];
      return storm;
    });
    this.stormIndex = new Uint16Array(row);
    for (const storm of this.storms) this.stormIndex.fill(storm.index, storm.row, storm.rowEnd);
    this.stormsOfArm = this.arms.map((_, arm) => this.storms.filter((storm) => storm.arm === arm));
    this.log = Float32Array.from(columns.latency_ns, (ns) => Math.log2(Math.max(ns, 1)));
    this.logOfCode = Float32Array.from({ length: 1 << 11 }, (_, code) => (code - 1 + model.lowestCode) / model.stepsPerOctave);
  }

  // Number of attempts in a block, and between which starts they lie.
  blockOf(storm, block) {
    const { block_low: low, block_high: high } = this.columns;
    const place = storm.block + block;
    const last = block === storm.blocks - 1;
    const end = high ? high[place] : last ? storm.end_ns : low[place + 1];
    return [low[place], end, last ? storm.count - block * this.model.block : this.model.block];
  }

  // Where the attempts of a block lie between its ends is not in the page: they are drawn evenly.
  likelyStart(storm, number) {
    const [low, high, count] = this.blockOf(storm, Math.floor(number / this.model.block));
    return low + ((high - low) * (number % this.model.block)) / count;
  }

  forEachCode(storm, from_ns, to_ns, visit) {
    if (!this.model.hasCodes) return;
    const { code } = this.columns;
    for (let block = 0; block < storm.blocks; block++) {
      const [low, high, count] = this.blockOf(storm, block);
      if (high < from_ns || low > to_ns) continue;
      const step = (high - low) / count;
      for (let i = 0, number = block * this.model.block; i < count; i++, number++) {
        const start = low + step * i;
        if (code[storm.code + number] && start >= from_ns && start <= to_ns) visit(number, start, code[storm.code + number]);
      }
    }
  }

  rowOf(storm, number) {
    let [low, high] = [storm.row, storm.rowEnd];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.columns.number[middle] < number) low = middle + 1;
      else high = middle;
    }
    return low < storm.rowEnd && this.columns.number[low] === number ? low : -1;
  }

  stormOfRow(row) {
    return this.storms[this.stormIndex[row]];
  }

  // All that the page has of an attempt; `number` counts from 0 in its storm, `attempt` in the run's attempts.npy.
  recordAt(storm, number) {
    const about = { storm: storm.index, number, attempt: storm.first + number, run: storm.run, act: storm.act };
    const row = this.rowOf(storm, number);
    if (row < 0) {
      const [start_from_ns, start_to_ns] = this.blockOf(storm, Math.floor(number / this.model.block));
      const latency = 2 ** this.logOfCode[this.columns.code[storm.code + number]];
      return { ...about, exact: false, start_from_ns, start_to_ns, latency_4_percent_ns: Math.round(latency) };
    }
    const fields = this.model.fields.map((name) => [name, this.columns[name][row]]);
    const [cause, proof] = [this.model.causes[this.columns.cause[row]].name, this.model.proofs[this.columns.proof[row]]];
    return { ...about, exact: true, ...Object.fromEntries(fields), body: this.columns.body[row], cause, proof };
  }

  errorName(number) {
    return number === 0 ? "" : (this.model.errnos[number] ?? `errno ${number}`);
  }
}
