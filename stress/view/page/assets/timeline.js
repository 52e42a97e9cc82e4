// The timeline's part of the page: puts data, view, pictures, table and controls together.
"use strict";

(() => {
  const part = (name) => document.getElementById(`timeline-${name}`);
  const later = (action, ms, timer = 0) => () => {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  };

  class Page {
    constructor(attempts) {
      this.attempts = attempts;
      this.view = new View(attempts);
      this.canvas = new TimelineCanvas(part("canvas"), attempts, this.view);
      this.ports = new PortMap(part("ports"), attempts, this.view);
      this.ccdf = new Ccdf(part("ccdf"), attempts, this.view);
      this.table = new ExactTable(attempts, this.view, (storm, number) => this.show(storm, number));
      this.linked = later(() => this.drawLinked(), 70);
      this.view.addEventListener("change", () => {
        this.isChanged = true;
        this.redraw();
      });
      this.addSwitches();
      this.addForms();
      this.addPointer();
      part("canvas").addEventListener("keydown", (event) => this.press(event));
      addEventListener("hashchange", () => this.view.fromText(readState("timeline")));
      new ResizeObserver(() => this.redraw()).observe(part("frame"));
      for (const query of ["(prefers-color-scheme: dark)", "print"])
        matchMedia(query).addEventListener("change", () => {
          this.draw();
          this.drawLinked();
        });
    }

    redraw() {
      part("view").setAttribute("aria-busy", "true");
      if (this.isDue) return;
      this.isDue = true;
      requestAnimationFrame(() => {
        this.isDue = false;
        this.draw();
        this.linked();
      });
    }

    draw() {
      performance.mark("timeline-begin");
      this.counts = this.canvas.draw();
      performance.measure("timeline-redraw", "timeline-begin");
    }

    // What need not follow every step of the mouse.
    drawLinked() {
      const { view, canvas, counts } = this;
      const texts = [["canvas", this.sentence()], ["ports", this.ports.draw(canvas.colours)], ["ccdf", this.ccdf.draw(counts, canvas.colours)]];
      for (const [name, text] of texts) {
        part(name).setAttribute("aria-label", text);
        part(`${name}-text`).textContent = text;
      }
      this.table.update();
      this.updateLegend();
      this.updateControls();
      this.showRecord();
      // Links to other parts of the page stay in the address until the view is changed.
      if (this.isChanged) writeState("timeline", view.toText());
      this.isChanged = false;
      part("view").setAttribute("aria-busy", "false");
    }

    sum(pick) {
      return this.counts.reduce((sum, counts) => sum + (counts ? pick(counts) : 0), 0);
    }

    sentence() {
      const { view, attempts } = this;
      const { causes } = attempts.model;
      const named = causes.map(({ name }, i) => [name, this.sum((counts) => counts.causes[i] + counts.counted[i])]);
      const marked = named.filter(([, count]) => count).sort((a, b) => b[1] - a[1]);
      const [total, others] = [this.sum((counts) => counts.total), this.sum((counts) => counts.others)];
      const digits = Math.min(Math.max(Math.ceil(2.5 - Math.log10((view.to - view.from) / 1e9)), 0), 9);
      const seconds = (ns) => `${(ns / 1e9).toFixed(digits)} s`;
      const all = view.span();
      const [from, to, low, high] = [Math.max(view.from, all.from), Math.min(view.to, all.to), Math.max(view.low, all.low), Math.min(view.high, all.high)];
      const span = `Starts from ${seconds(from)} to ${seconds(to)}, latencies from ${durationText(2 ** low)} to ${durationText(2 ** high)}`;
      const ports = view.ports ? `, ports ${view.ports[0]} to ${view.ports[1]}` : "";
      const about = attempts.model.hasCodes && !view.ports ? "about " : "";
      const isWhole = total === attempts.model.total;
      const list = marked.length ? `: ${marked.map(([name, count]) => `${whole(count)} ${name}`).join(", ")}` : "";
      return `${span}${ports}: ${isWhole ? "all " : about}${whole(total)} attempts, ${whole(others)} of them marked${list}.`;
    }

    updateLegend() {
      const { causes } = this.attempts.model;
      const entries = this.attempts.model.present.map((i) => {
        const { name, shape, hue } = causes[i];
        const entry = document.createElement("li");
        const seen = this.sum((counts) => counts.causes[i] + counts.counted[i]);
        const isByArm = this.view.isOver && this.view.arms.filter(Boolean).length > 1;
        entry.append(shapeIcon(shape, isByArm ? "" : `timeline-hue-${hue}`), ` ${name}: ${whole(seen)} of ${whole(this.attempts.model.totals[i])}`);
        return entry;
      });
      part("legend").replaceChildren(...entries);
    }

    addSwitches() {
      const { view } = this;
      this.switches = [...document.querySelectorAll("[data-arm]")];
      for (const input of this.switches)
        input.addEventListener("change", () => view.switchArms(this.switches.map((other) => other.checked)));
      for (const [id, field] of [["over", "isOver"], ["aligned", "isAligned"]])
        part(id)?.addEventListener("change", (event) => {
          view[field] = event.target.checked;
          view.set(field === "isAligned" ? view.whole() : {});
        });
      const actions = {
        in: () => view.zoomTime(0.5), out: () => view.zoomTime(2), left: () => view.pan(-0.25, 0), right: () => view.pan(0.25, 0),
        all: () => view.showAll(), csv: () => downloadCsv(this.attempts, view), before: () => this.step(-1), after: () => this.step(1),
      };
      for (const [name, action] of Object.entries(actions)) part(name).addEventListener("click", action);
    }

    updateControls() {
      const { view } = this;
      this.switches.forEach((input, arm) => (input.checked = view.arms[arm]));
      if (part("over")) part("over").checked = view.isOver;
      if (part("aligned")) part("aligned").checked = view.isAligned;
      const values = { from: view.from / 1e9, to: view.to / 1e9, low: 2 ** view.low / 1e3, high: 2 ** view.high / 1e3 };
      const form = part("numbers");
      for (const [name, value] of Object.entries(values)) form.elements[name].value = Number(value.toPrecision(name === "from" || name === "to" ? 12 : 6));
      for (const [i, name] of ["lowest-port", "highest-port"].entries()) form.elements[name].value = view.ports?.[i] ?? "";
      const total = this.sum((counts) => counts.total);
      part("csv").disabled = total > CSV_MAX;
      part("csv").textContent = total > CSV_MAX ? `Zoom in for CSV: at most ${whole(CSV_MAX)} attempts` : `Download ${whole(total)} attempts as CSV`;
    }

    addForms() {
      const { view, attempts } = this;
      part("numbers").addEventListener("submit", (event) => {
        event.preventDefault();
        const value = (name) => event.target.elements[name].valueAsNumber;
        const ports = ["lowest-port", "highest-port"].map(value);
        const hasPorts = ports.some(Number.isFinite);
        view.set({
          from: value("from") * 1e9, to: value("to") * 1e9, low: Math.log2(value("low") * 1e3), high: Math.log2(value("high") * 1e3),
          ports: hasPorts ? [ports[0] || 1, ports[1] || 65_535] : null,
        });
      });
      part("find").addEventListener("submit", (event) => {
        event.preventDefault();
        const storm = attempts.storms[Number(event.target.elements.storm.value)];
        const number = event.target.elements.attempt.valueAsNumber - storm.first;
        if (number >= 0 && number < storm.count) this.show(storm, number);
        else part("record-head").textContent = `${storm.label} has the attempts ${whole(storm.first)} to ${whole(storm.first + storm.count - 1)}.`;
      });
    }

    addPointer() {
      const [element, box, { view, canvas }] = [part("canvas"), part("box"), this];
      let drag = null;
      const share = (event) => {
        const panel = drag?.panel ?? canvas.panelAt(event.offsetY) ?? canvas.panels[0];
        return [(event.offsetX - panel.left) / panel.width, 1 - (event.offsetY - panel.top) / panel.height].map((value) => Math.min(Math.max(value, 0), 1));
      };
      element.addEventListener("pointerdown", (event) => {
        if (event.button || event.pointerType === "touch") return;
        const panel = canvas.panelAt(event.offsetY);
        if (!panel) return;
        drag = { panel, x: event.offsetX, y: event.offsetY, isPan: event.shiftKey };
        drag.from = share(event);
        element.setPointerCapture(event.pointerId);
      });
      element.addEventListener("pointermove", (event) => {
        if (!drag) return this.hover(event);
        part("hover").hidden = true;
        if (drag.isPan) {
          const to = share(event);
          view.pan(drag.from[0] - to[0], drag.from[1] - to[1]);
          drag.from = to;
          return;
        }
        const [left, top] = [Math.min(drag.x, event.offsetX), Math.min(drag.y, event.offsetY)];
        Object.assign(box.style, { left: `${left}px`, top: `${top}px`, width: `${Math.abs(event.offsetX - drag.x)}px`, height: `${Math.abs(event.offsetY - drag.y)}px` });
        box.hidden = false;
      });
      element.addEventListener("pointerup", (event) => {
        if (!drag) return this.pin(event);
        const [from, to, { isPan, x, y }] = [drag.from, share(event), drag];
        const [width, height] = [Math.abs(event.offsetX - x), Math.abs(event.offsetY - y)];
        drag = null;
        box.hidden = true;
        if (isPan) return;
        if (width < 5 && height < 5) return this.pin(event);
        // A box that is flat or narrow is a span of one axis.
        const at = (share, low, high) => low + share * (high - low);
        const times = width < 5 ? {} : { from: at(Math.min(from[0], to[0]), view.from, view.to), to: at(Math.max(from[0], to[0]), view.from, view.to) };
        const latencies = height < 12 ? {} : { low: at(Math.min(from[1], to[1]), view.low, view.high), high: at(Math.max(from[1], to[1]), view.low, view.high) };
        view.set({ ...times, ...latencies });
      });
      element.addEventListener("pointerleave", () => (part("hover").hidden = true));
      element.addEventListener("dblclick", (event) => {
        view.zoomTime(3, share(event)[0]);
        view.zoomLatency(3, share(event)[1]);
      });
      // The wheel scrolls the page until the timeline has been clicked or chosen by the keyboard.
      element.addEventListener("wheel", (event) => {
          if (document.activeElement !== element && !event.ctrlKey) return;
          event.preventDefault();
          if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) view.pan((event.deltaX || event.deltaY) / 1000, 0);
          else if (event.altKey) view.zoomLatency(1.0015 ** event.deltaY, share(event)[1]);
          else view.zoomTime(1.0015 ** event.deltaY, share(event)[0]);
        }, { passive: false });
    }

    press(event) {
      const { view } = this;
      const actions = {
        ArrowLeft: () => view.pan(-0.1, 0), ArrowRight: () => view.pan(0.1, 0), ArrowUp: () => view.pan(0, 0.1), ArrowDown: () => view.pan(0, -0.1),
        "+": () => view.zoomTime(0.5), "=": () => view.zoomTime(0.5), "-": () => view.zoomTime(2), 0: () => view.showAll(),
        "*": () => view.zoomLatency(0.5), "/": () => view.zoomLatency(2), n: () => this.step(1), p: () => this.step(-1),
        Home: () => view.pan(-1e9, 0), End: () => view.pan(1e9, 0), Escape: () => view.set({ pin: null }),
      };
      if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
      event.preventDefault();
      actions[event.key]();
    }

    hover(event) {
      const box = part("hover");
      const nearest = this.canvas.nearest(event.offsetX, event.offsetY);
      box.hidden = !nearest;
      if (!nearest) return;
      box.replaceChildren(...this.recordLines(nearest.storm, nearest.number).map(([name, text]) => line(name, text)));
      const [width, height] = [box.offsetWidth, box.offsetHeight];
      const left = event.offsetX + 16 + width > box.parentElement.clientWidth ? event.offsetX - 16 - width : event.offsetX + 16;
      const top = event.offsetY + 16 + height > box.parentElement.clientHeight ? event.offsetY - 16 - height : event.offsetY + 16;
      Object.assign(box.style, { left: `${Math.max(left, 0)}px`, top: `${Math.max(top, 0)}px` });
    }

    pin(event) {
      const nearest = this.canvas.nearest(event.offsetX, event.offsetY);
      part("canvas").focus();
      this.view.set({ pin: nearest && { storm: nearest.storm.index, number: nearest.number } });
    }

    show(storm, number) {
      this.view.showAttempt(storm, number);
      part("canvas").focus({ preventScroll: true });
      part("frame").scrollIntoView({ block: "nearest" });
    }

    // To the next marked attempt in view, in the order of starts.
    step(direction) {
      const { attempts, view } = this;
      const startOf = (row) => attempts.columns.start_ns[row] - view.shiftOf(attempts.stormOfRow(row));
      const rows = exactRows(attempts, view, false).sort((a, b) => startOf(a) - startOf(b) || a - b);
      if (!rows.length) return;
      const now = view.pin ? rows.indexOf(attempts.rowOf(attempts.storms[view.pin.storm], view.pin.number)) : -1;
      const next = now < 0 ? (direction > 0 ? 0 : rows.length - 1) : (now + direction + rows.length) % rows.length;
      const storm = attempts.stormOfRow(rows[next]);
      view.set({ pin: { storm: storm.index, number: attempts.columns.number[rows[next]] } });
    }

    recordLines(storm, number) {
      const record = this.attempts.recordAt(storm, number);
      const exactly = (ns) => `${whole(ns)} ns (${durationText(ns)})`;
      const lines = [["attempt", `${whole(record.attempt)} of ${storm.label}`]];
      if (record.exact) {
        lines.push(["start", `${whole(record.start_ns)} ns`], ["latency", exactly(record.latency_ns)], ["close()", record.close_ns ? exactly(record.close_ns) : "–"]);
        lines.push(["lag", `${whole(record.lag_us)} µs`], ["port", record.local_port ? String(record.local_port) : "–"], ["address", String(record.address)]);
        lines.push(["errno", record.error ? `${record.error} ${this.attempts.errorName(record.error)}` : "0, connected"], ["resends", String(record.retransmits)]);
        lines.push(["phase", record.phase ? "storm" : "warm-up"], ["worker", String(record.worker)], ["cause", record.cause], ["proof", record.proof || "–"]);
      } else {
        lines.push(["latency", `${durationText(record.latency_4_percent_ns)}, to 4 %`]);
        lines.push(["start", `between ${whole(record.start_from_ns)} and ${whole(record.start_to_ns)} ns`]);
        lines.push(["port", "is not in the page: ask the run"]);
      }
      lines.push(["command", `connstorm show ${record.run} --attempt ${record.attempt}`]);
      return lines;
    }

    showRecord() {
      const { pin } = this.view;
      part("record").hidden = !pin;
      part("record-head").textContent = pin ? "" : "Click a mark, or press n and p, for its record.";
      if (!pin) part("record").replaceChildren();
      if (!pin) return;
      const lines = this.recordLines(this.attempts.storms[pin.storm], pin.number);
      const text = lines.map(([, value]) => value).join("");
      const shown = [...part("record").querySelectorAll("dd")].map((value) => value.textContent).join("");
      if (shown === text) return; // so that a screen reader does not say it again at every zoom
      part("record").replaceChildren(...lines.map(([name, value]) => line(name, value)));
    }
  }

  function line(name, text) {
    const [row, term, value] = ["div", "dt", "dd"].map((kind) => document.createElement(kind));
    term.textContent = name;
    value.append(name === "command" ? Object.assign(document.createElement("code"), { textContent: text }) : text);
    row.append(term, value);
    return row;
  }

  async function open() {
    try {
      const attempts = await Attempts.unpack();
      part("wait").hidden = true;
      part("view").hidden = false;
      const page = new Page(attempts);
      page.view.fromText(readState("timeline"));
      page.isChanged = false;
      if (isFirstState("timeline")) part("view").scrollIntoView();
      page.draw();
      page.drawLinked();
      // For tests: what the hover shows of an attempt, by the number of its storm in the page and its own.
      window.connstormTimeline = { recordAt: (storm, number) => attempts.recordAt(attempts.storms[storm], number) };
    } catch (error) {
      part("wait").textContent = `The timeline cannot be shown in this browser: ${error.message}`;
      throw error;
    }
  }

  open();
})();
