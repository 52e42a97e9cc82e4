// The timeline itself: start against latency, the body as a density, everything else as marks.
"use strict";

const CELL = 2; // CSS pixels: side of a cell of the raster
const MARGIN = { left: 68, right: 14, top: 24, bottom: 42 };
const REACH = 9; // CSS pixels from the pointer to an attempt

class Painter {
  constructor(context, colours, attempts) {
    Object.assign(this, { context, colours, attempts, sprites: new Map() });
  }

  armColour(arm) {
    return this.colours[`arm-${(arm % 8) + 1}`];
  }

  // Shade: the logarithm of the number of attempts in a cell, by opacity, so that arms over each other both show.
  density(raster, columns, rows, most, colour, left, top) {
    const { context } = this;
    const image = new ImageData(columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    context.fillStyle = colour;
    const [red, green, blue] = [1, 3, 5].map((i) => parseInt(context.fillStyle.slice(i, i + 2), 16));
    const scale = most > 1 ? 190 / Math.log(most) : 0;
    for (let y = 0; y < rows; y++)
      for (let x = 0, from = y * columns, to = (rows - 1 - y) * columns; x < columns; x++) {
        const count = raster[from + x];
        if (count) pixels[to + x] = (((65 + Math.log(count) * scale) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
      }
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [columns, rows];
    sheet.getContext("2d").putImageData(image, 0, 0);
    context.save();
    context.imageSmoothingEnabled = false;
    context.globalCompositeOperation = this.colours.isDark ? "screen" : "multiply";
    context.drawImage(sheet, left, top, columns * CELL, rows * CELL);
    context.restore();
  }

  mark(shape, colour, radius, x, y) {
    const key = `${shape} ${colour} ${radius}`;
    const [ratio, size] = [window.devicePixelRatio || 1, Math.ceil(radius * 1.3 + 1.5) * 2];
    if (!this.sprites.has(key)) {
      const sheet = document.createElement("canvas");
      sheet.width = sheet.height = Math.ceil(size * ratio);
      const context = sheet.getContext("2d");
      context.setTransform(radius * ratio, 0, 0, radius * ratio, (size * ratio) / 2, (size * ratio) / 2);
      const path = new Path2D(SHAPES[shape]);
      [context.strokeStyle, context.lineWidth, context.fillStyle] = [this.colours.paper, radius > 2 ? 0.4 : 0, colour];
      if (radius > 2) context.stroke(path);
      context.fill(path);
      this.sprites.set(key, sheet);
    }
    this.context.drawImage(this.sprites.get(key), x - size / 2, y - size / 2, size, size);
  }

  // Ten times as fast as a mark.
  dot(colour, size, x, y) {
    if (this.context.fillStyle !== colour) this.context.fillStyle = colour;
    this.context.fillRect(x - size / 2, y - size / 2, size, size);
  }

  // Marks of one cause in the same pixels are drawn once.
  marks(rows, placeOf, lookOf, radius) {
    const { cause } = this.attempts.columns;
    const { width, height } = this.context.canvas;
    const taken = new Uint8Array((width + 2) * (height + 2));
    for (const row of rows) {
      const [x, y] = placeOf(row);
      const cell = (y >> 1) * width + (x >> 1);
      if (taken[cell] === cause[row] + 1) continue;
      taken[cell] = cause[row] + 1;
      this.mark(...lookOf(cause[row]), radius, x, y);
    }
  }

  text(text, x, y, align = "left", baseline = "alphabetic", colour = this.colours.muted) {
    Object.assign(this.context, { fillStyle: colour, textAlign: align, textBaseline: baseline });
    this.context.fillText(text, x, y);
  }

  line(x0, y0, x1, y1, colour) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
    context.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
    context.stroke();
  }

  timeAxis(view, area, name) {
    const { ticks, unit } = timeTicks(view.from, view.to, Math.min(area.width / 110, 9));
    for (const { at, text } of ticks) {
      const x = area.left + ((at - view.from) / (view.to - view.from)) * area.width;
      this.line(x, area.top + area.height, x, area.top + area.height + 4, this.colours.muted);
      if (name) this.text(text, x, area.top + area.height + 7, "center", "top");
    }
    if (name) this.text(`${name}, ${unit}`, area.left + area.width, area.top + area.height + 24, "right", "top");
  }

  clip(area) {
    this.context.save();
    this.context.beginPath();
    this.context.rect(area.left, area.top, area.width, area.height);
    this.context.clip();
  }
}

const radiusFor = (count) => (count > 5_000 ? 2 : count > 300 ? 3 : 4.5);
const lookByCause = (attempts, colours) => attempts.model.causes.map(({ shape, hue }) => [shape, colours[`cause-${hue}`]]);

class TimelineCanvas {
  constructor(canvas, attempts, view) {
    Object.assign(this, { canvas, attempts, view, panels: [] });
  }

  draw() {
    const { attempts, view } = this;
    const shown = attempts.arms.flatMap((_, arm) => (view.arms[arm] ? [arm] : []));
    const groups = view.isOver || shown.length < 2 ? [shown] : shown.map((arm) => [arm]);
    const height = Math.floor(Math.max(groups.length > 1 ? 130 : 340, 420 / groups.length) / CELL) * CELL;
    const { context, width } = fitCanvas(this.canvas, groups.length * (height + MARGIN.top) + MARGIN.bottom);
    const [columns, rows] = [Math.floor((width - MARGIN.left - MARGIN.right) / CELL), height / CELL];
    this.counts = countView(attempts, view, columns, rows);
    this.panels = groups.map((arms, i) => {
      const top = MARGIN.top + i * (height + MARGIN.top);
      return { arms, left: MARGIN.left, top, width: columns * CELL, height };
    });
    this.colours = readColours();
    context.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    const painter = new Painter(context, this.colours, attempts);
    const most = Math.max(1, ...this.counts.map((counts) => counts?.mostPerCell ?? 0));
    this.isDense = isDense(this.counts);
    this.panels.forEach((panel, i) => this.drawPanel(painter, panel, columns, rows, most, i === this.panels.length - 1));
    return this.counts;
  }

  drawPanel(painter, panel, columns, rows, most, isLast) {
    const { attempts, view, colours } = this;
    for (const { at, text } of latencyTicks(view.low, view.high)) {
      const y = this.yOf(panel, at);
      if (text) painter.text(text, panel.left - 8, y, "right", "middle");
      painter.line(panel.left - (text ? 5 : 3), y, text ? panel.left + panel.width : panel.left, y, text ? colours.line : colours.muted);
    }
    painter.timeAxis(view, panel, isLast ? (view.isAligned ? "start, from the storm's first" : "start") : "");
    painter.clip(panel);
    for (const arm of panel.arms) {
      const [counts, colour] = [this.counts[arm], painter.armColour(arm)];
      if (this.isDense) painter.density(counts.raster, columns, rows, most, colour, panel.left, panel.top);
      else {
        const size = counts.body > 3_000 ? 2 : 3;
        for (const row of counts.bodyRows) painter.dot(colour, size, ...this.placeOf(panel, row));
        for (const [start, log] of counts.bodyNumbers) painter.dot(colour, size, this.xOf(panel, start), this.yOf(panel, log));
      }
    }
    const byCause = lookByCause(attempts, colours);
    for (const arm of panel.arms) {
      const { rows: others } = this.counts[arm];
      const lookOf = panel.arms.length > 1 ? (cause) => [byCause[cause][0], painter.armColour(arm)] : (cause) => byCause[cause];
      painter.marks(others, (row) => this.placeOf(panel, row), lookOf, radiusFor(others.length));
    }
    this.drawPin(painter, panel);
    painter.context.restore();
    painter.line(panel.left, panel.top, panel.left, panel.top + panel.height, colours.muted);
    painter.line(panel.left, panel.top + panel.height, panel.left + panel.width, panel.top + panel.height, colours.muted);
    const names = panel.arms.length > 3 ? `${panel.arms.length} arms over each other` : panel.arms.map((arm) => attempts.arms[arm].name).join("  ·  ");
    painter.text(names || "no arm is switched on", panel.left, panel.top - 8, "left", "alphabetic", colours.ink);
    if (this.isDense && panel === this.panels[0])
      painter.text(`shade: 1 to ${whole(most)} attempts per cell`, panel.left + panel.width, panel.top - 8, "right");
    if (isLast) painter.text("latency", 4, panel.top + panel.height + 24, "left", "top");
  }

  drawPin(painter, panel) {
    const { pin } = this.view;
    const storm = pin && this.attempts.storms[pin.storm];
    if (!storm || !panel.arms.includes(storm.arm)) return;
    const [start, log] = this.spotOf(storm, pin.number);
    const { context } = painter;
    context.strokeStyle = this.colours.accent;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(this.xOf(panel, start), this.yOf(panel, log), 9, 0, 2 * Math.PI);
    context.stroke();
  }

  spotOf(storm, number) {
    const { attempts, view } = this;
    const row = attempts.rowOf(storm, number);
    if (row >= 0) return [attempts.columns.start_ns[row] - view.shiftOf(storm), attempts.log[row]];
    const code = attempts.columns.code[storm.code + number];
    return [attempts.likelyStart(storm, number) - view.shiftOf(storm), attempts.logOfCode[code]];
  }

  xOf(panel, start) {
    return panel.left + ((start - this.view.from) / (this.view.to - this.view.from)) * panel.width;
  }

  yOf(panel, log) {
    return panel.top + panel.height - ((log - this.view.low) / (this.view.high - this.view.low)) * panel.height;
  }

  placeOf(panel, row) {
    const shift = this.view.isAligned ? this.view.shiftOf(this.attempts.stormOfRow(row)) : 0;
    return [this.xOf(panel, this.attempts.columns.start_ns[row] - shift), this.yOf(panel, this.attempts.log[row])];
  }

  panelAt(y) {
    return this.panels.find((panel) => y >= panel.top - 4 && y <= panel.top + panel.height + 4);
  }

  // The attempt nearest to a point, one that is not body before others; nothing if none is within reach.
  nearest(x, y) {
    const { attempts, view } = this;
    const panel = this.panelAt(y);
    if (!panel) return null;
    const perNs = panel.width / (view.to - view.from);
    const at = view.from + (x - panel.left) / perNs;
    let [best, least] = [null, REACH];
    const consider = (storm, number, start, log, isBody) => {
      const distance = Math.hypot((start - at) * perNs, this.yOf(panel, log) - y) + (isBody ? 4 : 0);
      if (distance < least) [best, least] = [{ storm, number }, distance];
    };
    for (const storm of attempts.storms) {
      if (!panel.arms.includes(storm.arm)) continue;
      const shift = view.shiftOf(storm);
      const [from, to] = [at - REACH / perNs + shift, at + REACH / perNs + shift];
      const { start_ns, number, body, local_port } = attempts.columns;
      for (let row = storm.row; row < storm.rowEnd; row++)
        if (start_ns[row] >= from && start_ns[row] <= to && view.holds(start_ns[row] - shift, attempts.log[row], local_port[row]))
          consider(storm, number[row], start_ns[row] - shift, attempts.log[row], body[row]);
      if (!view.ports)
        attempts.forEachCode(storm, from, to, (place, start, code) => consider(storm, place, start - shift, attempts.logOfCode[code], true));
    }
    return best;
  }
}
