// The two pictures linked with the timeline: source ports by start, and the share of attempts that took longer.
"use strict";

class PortMap {
  constructor(canvas, attempts, view) {
    Object.assign(this, { canvas, attempts, view });
    const ports = attempts.columns.local_port;
    [this.low, this.high] = [65_536, 0];
    for (const port of ports)
      if (port) [this.low, this.high] = [Math.min(this.low, port), Math.max(this.high, port)];
    this.hasPorts = this.high > 0;
    addBrush(canvas, "y", (from, to) => {
      const [low, high] = [from, to].map((y) => this.portAt(y)).sort((a, b) => a - b);
      view.set({ ports: [Math.max(Math.ceil(low), 1), Math.floor(high)] });
    });
  }

  portAt(y) {
    const { top, height, from, to } = this.area;
    return to - ((y - top) / height) * (to - from);
  }

  draw(colours) {
    if (!this.hasPorts) return "No port of an attempt is in the page.";
    const { attempts, view } = this;
    const { context, width } = fitCanvas(this.canvas, 240);
    const [from, to] = view.ports ?? [this.low, this.high];
    const columns = Math.floor((width - MARGIN.left - MARGIN.right) / CELL);
    const area = { left: MARGIN.left, top: 10, width: columns * CELL, height: 188, from: from - 0.5, to: to + 0.5 };
    this.area = area;
    context.font = "12px system-ui, 'DejaVu Sans', sans-serif";
    const painter = new Painter(context, colours, attempts);
    const step = Math.max(1, niceStep(area.to - area.from, 5));
    const yOf = (port) => area.top + area.height * (1 - (port - area.from) / (area.to - area.from));
    for (let port = Math.ceil(area.from / step) * step; port <= area.to; port += step) {
      painter.text(String(port), area.left - 8, yOf(port), "right", "middle");
      painter.line(area.left - 5, yOf(port), area.left + area.width, yOf(port), colours.line);
    }
    painter.timeAxis(view, area, "start");
    painter.text("source port", 4, area.top + area.height + 24, "left", "top");
    painter.clip(area);
    const { start_ns, local_port, body } = attempts.columns;
    const rows = exactRows(attempts, view, true).filter((row) => local_port[row]);
    const ports = new Set();
    const placeOf = (row) => {
      const shift = view.isAligned ? view.shiftOf(attempts.stormOfRow(row)) : 0;
      return [area.left + ((start_ns[row] - shift - view.from) / (view.to - view.from)) * area.width, yOf(local_port[row])];
    };
    this.drawBody(painter, rows, columns, placeOf);
    const others = rows.filter((row) => !body[row]);
    painter.marks(others, placeOf, (cause) => lookByCause(attempts, colours)[cause], radiusFor(others.length));
    context.restore();
    painter.line(area.left, area.top, area.left, area.top + area.height, colours.muted);
    painter.line(area.left, area.top + area.height, area.left + area.width, area.top + area.height, colours.muted);
    for (const row of rows) ports.add(local_port[row]);
    const left = attempts.model.hasCodes ? " The ports of the body are not in the page." : "";
    return `${whole(rows.length)} attempts with a port in view, on ${whole(ports.size)} ports, ${from} to ${to}.${left}`;
  }

  drawBody(painter, rows, columns, placeOf) {
    const { area, attempts } = this;
    const height = area.height / CELL;
    const rasters = new Map();
    const own = rows.filter((row) => attempts.columns.body[row]);
    let most = 1;
    if (own.length <= 3_000) {
      for (const row of own) painter.dot(painter.armColour(attempts.stormOfRow(row).arm), 2, ...placeOf(row));
      return;
    }
    for (const row of own) {
      const { arm } = attempts.stormOfRow(row);
      if (!rasters.has(arm)) rasters.set(arm, new Uint32Array(columns * height));
      const [x, y] = placeOf(row);
      const line = Math.min(Math.max(height - 1 - Math.floor((y - area.top) / CELL), 0), height - 1);
      const cell = line * columns + Math.min(Math.floor((x - area.left) / CELL), columns - 1);
      most = Math.max(most, ++rasters.get(arm)[cell]);
    }
    for (const [arm, raster] of rasters) painter.density(raster, columns, height, most, painter.armColour(arm), area.left, area.top);
  }
}

// Drag along one axis of a picture; `apply` gets both ends in CSS pixels.
function addBrush(canvas, axis, apply) {
  const box = document.createElement("div");
  box.className = "timeline-box";
  box.hidden = true;
  canvas.after(box);
  let from = null;
  const place = (event) => (axis === "y" ? event.offsetY : event.offsetX);
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    from = place(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const [top, height] = [Math.min(from, place(event)), Math.abs(place(event) - from)];
    Object.assign(box.style, { left: `${MARGIN.left}px`, right: `${MARGIN.right}px`, top: `${top}px`, height: `${height}px` });
    box.hidden = false;
  });
  canvas.addEventListener("pointerup", (event) => {
    if (from !== null && Math.abs(place(event) - from) > 4) apply(from, place(event));
    from = null;
    box.hidden = true;
  });
}

class Ccdf {
  constructor(place, attempts, view) {
    Object.assign(this, { place, attempts, view });
  }

  // Return for each arm that is shown how many attempts took at least 2 ** (bin / BINS_PER_OCTAVE) ns.
  curves(counts) {
    return counts.flatMap((own, arm) => {
      if (!own || !own.total) return [];
      const atLeast = new Float64Array(own.bins.length + 1);
      for (let bin = own.bins.length - 1; bin >= 0; bin--) atLeast[bin] = atLeast[bin + 1] + own.bins[bin];
      return [{ arm, atLeast, total: atLeast[0], lowest: own.bins.findIndex(Boolean), highest: own.bins.findLastIndex(Boolean) }];
    });
  }

  draw(counts, colours) {
    const curves = this.curves(counts);
    this.plot?.destroy();
    this.plot = null;
    if (!curves.length) return "No attempt is in view.";
    const [low, high] = [Math.min(...curves.map((curve) => curve.lowest)), Math.max(...curves.map((curve) => curve.highest))];
    const bins = Array.from({ length: high - low + 2 }, (_, i) => low + i);
    const data = [bins.map((bin) => 2 ** (bin / BINS_PER_OCTAVE))];
    for (const curve of curves) data.push(bins.map((bin) => curve.atLeast[bin] / curve.total || null));
    this.plot = new uPlot(this.options(curves, colours), data, this.place);
    const others = curves.length > 4 ? ` ${curves.length - 4} more arms are drawn.` : "";
    return curves.slice(0, 4).map((curve) => this.sentence(curve)).join(" ") + others;
  }

  sentence({ arm, atLeast, total }) {
    const [about, digits] = this.attempts.model.hasCodes ? ["about ", 2] : ["", 3];
    const exceededBy = (share) => about + durationText(2 ** (atLeast.findIndex((count) => count <= total * share) / BINS_PER_OCTAVE), digits);
    const rare = [0.01, 0.0001].filter((share) => total * share >= 1);
    const parts = rare.map((share) => `one in ${whole(1 / share)} longer than ${exceededBy(share)}`);
    return `${this.attempts.arms[arm].name}: ${["half took longer than " + exceededBy(0.5), ...parts].join(", ")}.`;
  }

  options(curves, colours) {
    const font = "12px system-ui, 'DejaVu Sans', sans-serif";
    const isDecade = (value) => value > 0 && Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;
    // Of one decade or two every line is wanted, of more only whole ones.
    const filter = (_, splits) => splits.map((value) => (isDecade(value) || splits.length < 15 ? value : null));
    const lines = (stroke) => ({ stroke, width: 1, filter });
    const axis = { stroke: colours.muted, grid: lines(colours.line), ticks: lines(colours.muted), font, labelFont: font, filter };
    const hasRoom = (value) => ["1", "2", "5"].includes(value.toExponential()[0]);
    const texts = (text) => (_, splits) => splits.map((value) => (value && hasRoom(value) ? text(value) : ""));
    const dashes = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
    return {
      width: Math.max(this.place.clientWidth, 280),
      height: 240,
      legend: { show: false },
      scales: { x: { time: false, distr: 3 }, y: { distr: 3 } },
      cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false } },
      axes: [
        { ...axis, label: "latency", labelSize: 20, values: texts(durationText) },
        { ...axis, label: "share that took longer", labelSize: 20, size: 78, values: texts(shareText) },
      ],
      series: [{}, ...curves.map(({ arm }, i) => ({ stroke: colours[`arm-${(arm % 8) + 1}`], width: 2, dash: dashes[i % 4], points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) }))],
      hooks: {
        setSelect: [
          (plot) => {
            if (plot.select.width < 4) return;
            const [from, to] = [plot.select.left, plot.select.left + plot.select.width].map((x) => plot.posToVal(x, "x"));
            this.view.set({ low: Math.log2(from), high: Math.log2(to) });
          },
        ],
      },
    };
  }
}

function shareText(share) {
  if (share > 0.009) return `${Number((share * 100).toPrecision(3))} %`;
  const often = Math.round(1 / share);
  return `1 in ${often >= 999_999 ? `${whole(often / 1e6)} M` : often >= 9_999 ? `${whole(often / 1e3)} k` : whole(often)}`;
}
