// The exact records in view as a table, and all attempts in view as CSV.
"use strict";

const PAGE_ROWS = 100;
const CSV_MAX = 2_000_000; // attempts: a file of some 200 MB
const NUMBERS = [["start_ns", "start, ns"], ["latency_ns", "latency, ns"], ["close_ns", "close, ns"], ["lag_us", "lag, µs"], ["local_port", "port"]];

class ExactTable {
  constructor(attempts, view, jump) {
    Object.assign(this, { attempts, view, jump, page: 0, order: null, isAscending: true, rows: [] });
    this.place = document.getElementById("timeline-records");
    this.withBody = document.getElementById("timeline-with-body");
    this.withBody?.addEventListener("change", () => this.update());
    this.addHead();
    for (const [id, step] of [["timeline-page-back", -1], ["timeline-page-on", 1]])
      document.getElementById(id).addEventListener("click", () => this.turn(step));
    this.body = this.place.tBodies[0];
    this.body.addEventListener("keydown", (event) => this.walk(event));
  }

  columns() {
    const { columns, model, storms } = this.attempts;
    const storm = storms.length > 1 ? [{ name: "storm", value: (row) => this.attempts.stormOfRow(row).index, text: (row) => this.attempts.stormOfRow(row).label }] : [];
    return [
      { name: "attempt", value: (row) => this.attempts.stormOfRow(row).first + columns.number[row], isNumber: true },
      ...NUMBERS.map(([field, name]) => ({ name, value: (row) => columns[field][row], isNumber: true, isPort: field === "local_port" })),
      { name: "errno", value: (row) => columns.error[row], text: (row) => this.attempts.errorName(columns.error[row]) || "–" },
      { name: "resends", value: (row) => columns.retransmits[row], isNumber: true },
      { name: "cause", value: (row) => columns.cause[row], text: (row) => model.causes[columns.cause[row]].name },
      { name: "proof", value: (row) => columns.proof[row], text: (row) => model.proofs[columns.proof[row]] || "–" },
      ...storm,
    ];
  }

  addHead() {
    const heads = this.columns().map((column, index) => {
      const head = document.createElement("th");
      head.scope = "col";
      if (column.isNumber) head.className = "number";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.name;
      button.addEventListener("click", () => {
        this.isAscending = this.order === index ? !this.isAscending : true;
        this.order = index;
        this.update();
      });
      head.append(button);
      return head;
    });
    this.place.tHead.rows[0].replaceChildren(...heads);
  }

  update() {
    const { attempts } = this;
    this.rows = exactRows(attempts, this.view, this.withBody?.checked ?? false);
    const column = this.order === null ? null : this.columns()[this.order];
    if (column) {
      const keys = new Map(this.rows.map((row) => [row, column.value(row)]));
      const sign = this.isAscending ? 1 : -1;
      this.rows.sort((a, b) => sign * (keys.get(a) - keys.get(b)) || a - b);
    }
    [...this.place.tHead.rows[0].cells].forEach((head, index) => {
      if (index === this.order) head.setAttribute("aria-sort", this.isAscending ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    this.page = 0;
    this.show();
  }

  turn(step, focus = null) {
    const pages = Math.max(1, Math.ceil(this.rows.length / PAGE_ROWS));
    const page = Math.min(Math.max(this.page + step, 0), pages - 1);
    if (page === this.page) return;
    this.page = page;
    this.show();
    if (focus !== null) this.body.rows[focus < 0 ? this.body.rows.length - 1 : focus]?.querySelector("button").focus();
  }

  show() {
    const columns = this.columns();
    const from = this.page * PAGE_ROWS;
    const shown = this.rows.slice(from, from + PAGE_ROWS);
    this.body.replaceChildren(...shown.map((row) => this.rowElement(row, columns)));
    const { model } = this.attempts;
    const which = this.withBody?.checked ? "" : "marked ";
    const total = this.withBody?.checked ? model.exact : model.exactOthers;
    const counted = model.counted ? `; ${whole(model.counted)} more are only counted` : "";
    const pages = shown.length ? `Rows ${whole(from + 1)} to ${whole(from + shown.length)} of ` : "";
    document.getElementById("timeline-records-count").textContent =
      `${pages}${whole(this.rows.length)} exact records of ${which}attempts in view, of ${whole(total)} in the page${counted}.`;
    document.getElementById("timeline-page-back").disabled = this.page === 0;
    document.getElementById("timeline-page-on").disabled = from + PAGE_ROWS >= this.rows.length;
  }

  rowElement(row, columns) {
    const element = document.createElement("tr");
    const storm = this.attempts.stormOfRow(row);
    columns.forEach((column, index) => {
      const cell = document.createElement(index ? "td" : "th");
      const text = column.text ? column.text(row) : column.isPort ? String(column.value(row) || "–") : column.value(row).toLocaleString("en-US");
      if (column.isNumber) cell.className = "number";
      if (index) cell.textContent = text;
      else {
        cell.scope = "row";
        const button = document.createElement("button");
        button.type = "button";
        button.className = "timeline-link";
        button.textContent = text;
        button.title = "show it in the timeline";
        button.addEventListener("click", () => this.jump(storm, this.attempts.columns.number[row]));
        cell.append(button);
      }
      element.append(cell);
    });
    return element;
  }

  // Arrows go from row to row, and on to the next page.
  walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = event.target.closest("tr");
    if (!step || !row) return;
    event.preventDefault();
    const next = step > 0 ? row.nextElementSibling : row.previousElementSibling;
    if (next) next.querySelector("button").focus();
    else this.turn(step, step > 0 ? 0 : -1);
  }
}

// Names say what is exact: what is rounded has columns of its own, which are empty for exact records.
function csvOf(attempts, view) {
  const { columns, model } = attempts;
  const rounded = model.hasCodes ? ["start_from_ns", "start_to_ns", "latency_4_percent_ns"] : [];
  const heads = ["run", "act", "attempt", ...model.fields, "errno", "body", "cause", "proof", ...rounded];
  const quote = (text) => (/[",\r\n]|^[=+\-@]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [heads.join(",")];
  for (const storm of attempts.storms) {
    if (!view.arms[storm.arm]) continue;
    const [about, shift] = [`${quote(storm.run)},${quote(storm.act)}`, view.shiftOf(storm)];
    for (let row = storm.row; row < storm.rowEnd; row++) {
      if (!view.holds(columns.start_ns[row] - shift, attempts.log[row], columns.local_port[row])) continue;
      const fields = model.fields.map((name) => columns[name][row]);
      const names = [attempts.errorName(columns.error[row]), columns.body[row], model.causes[columns.cause[row]].id, quote(model.proofs[columns.proof[row]])];
      lines.push([about, storm.first + columns.number[row], ...fields, ...names, ...rounded.map(() => "")].join(","));
    }
    if (view.ports) continue;
    const counted = new Map();
    for (let i = storm.counted; i < storm.countedEnd; i++) counted.set(columns.counted_number[i], columns.counted_cause[i]);
    const none = model.causes.findIndex(({ id }) => id === "none");
    const empty = ",".repeat(model.fields.length + 1); // also of errno
    attempts.forEachCode(storm, view.from + shift, view.to + shift, (number, _, code) => {
      if (!view.holds(view.from, attempts.logOfCode[code])) return;
      const { start_from_ns, start_to_ns, latency_4_percent_ns } = attempts.recordAt(storm, number);
      const names = `${Number(!counted.has(number))},${model.causes[counted.get(number) ?? none].id},`;
      lines.push(`${about},${storm.first + number}${empty},${names},${start_from_ns},${start_to_ns},${latency_4_percent_ns}`);
    });
  }
  return lines;
}

function downloadCsv(attempts, view) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csvOf(attempts, view).join("\n"), "\n"], { type: "text/csv" }));
  link.download = "connstorm-attempts.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
