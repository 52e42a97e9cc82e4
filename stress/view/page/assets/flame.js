// The flame graphs' part of the page: puts data, picture, search, keys and the address together.
"use strict";

(() => {
  const part = (name) => document.getElementById(`flame-${name}`);

  class Page {
    constructor(flames) {
      this.flames = flames;
      this.picture = new FlamePicture(part("picture"));
      this.words = "";
      this.choose(0);
      this.addControls();
      this.addLinks();
      this.addPointer();
      part("frame").addEventListener("keydown", (event) => this.press(event));
      addEventListener("hashchange", () => this.fromText(readState("flame")) && this.draw());
      new ResizeObserver(() => this.draw()).observe(part("frame"));
      matchMedia("print").addEventListener("change", () => this.draw());
    }

    choose(number) {
      this.number = number;
      this.flame = this.flames[number];
      Object.assign(this, { side: this.flame.last, zoom: 0, at: 0 });
      this.search(this.words);
    }

    search(words) {
      this.words = words;
      this.hits = this.flame.matches(words);
      this.matches = new Set(this.hits.all);
    }

    draw() {
      this.picture.draw(this);
      const text = this.sentence();
      part("text").textContent = text;
      part("frame").setAttribute("aria-label", `Flame graph. ${text}`);
      this.say("matches", this.matchText());
      this.show();
    }

    // A screen reader says what is new, and says nothing again.
    say(name, text) {
      if (part(name).textContent !== text) part(name).textContent = text;
    }

    show() {
      this.say("at", this.flame.sentence(this.at));
      part("search").value = this.words;
      if (part("graph")) part("graph").value = this.number;
      if (part("side")) part("side").value = this.side;
      if (part("graph") && this.flame.isCompared)
        this.flame.sides.forEach((name, side) => (part("side").options[1 - side].textContent = name));
      for (const name of ["before", "after"]) part(name).disabled = !this.hits.all.length;
      part("zoom").disabled = this.at === this.zoom;
      if (part("legend-sizes")) part("legend-sizes").textContent = this.sizesText();
    }

    change(more) {
      Object.assign(this, more);
      this.draw();
      writeState("flame", this.toText());
    }

    select(frame, isFocused = true) {
      this.at = frame;
      this.picture.select(frame);
      this.show();
      writeState("flame", this.toText());
      if (isFocused) this.reveal();
    }

    // What is said of a frame stays at the upper edge of the window, and must not cover it.
    reveal() {
      const [box, covered] = [this.picture.outline.getBoundingClientRect(), part("said").getBoundingClientRect().bottom];
      if (box.top < covered + 2) scrollBy({ top: box.top - covered - 4, behavior: "instant" });
      else if (box.bottom > innerHeight) scrollBy({ top: box.bottom - innerHeight + 4, behavior: "instant" });
    }

    sentence() {
      const { flame, zoom, side } = this;
      const name = flame.isCompared ? ` Widths are those of ${flame.sides[side]}.` : "";
      const where = `${flame.titleText}${zoom ? `Zoomed to ${flame.names[zoom]}` : "The whole attempt"}, ${nsText(flame.ns[side][zoom])} ns.${name}`;
      const inside = [];
      for (let child = zoom + 1; child < flame.after[zoom]; child = flame.after[child])
        if (flame.ns[side][child] > 0) inside.push(`${flame.names[child]} ${nsText(flame.ns[side][child])}`);
      const list = inside.length ? ` In it: ${inside.slice(0, 6).join(", ")}${inside.length > 6 ? ", …" : ""}.` : "";
      const narrow = this.picture.narrow ? ` ${countText(this.picture.narrow, "frame")} too narrow to be drawn: zoom in.` : "";
      const absent = flame.absent(side, zoom);
      const only = absent.length
        ? ` ${flame.sides[1 - side]} alone has ${countText(absent.length, "more frame")} with ${nsText(absent.reduce((sum, frame) => sum + flame.ns[1 - side][frame], 0))} ns, which have no width here: switch to its widths.`
        : "";
      const left = flame.leftOut ? ` ${countText(flame.leftOut, "frame")} with the fewest samples are not in the page: their time is their callers' own.` : "";
      return where + list + only + narrow + left;
    }

    matchText() {
      const [{ all, outer }, words] = [this.hits, this.words.trim()];
      if (!words) return "";
      const which = WHOLE_NAME.test(words) ? `of ${words.slice(1, -1)}` : `with “${words}” in the name`;
      if (!all.length) return `There is no frame ${which}.`;
      const inside = all.length > outer.length ? ", what is inside another one counted once" : "";
      return `${countText(all.length, "frame")} ${which}: ${this.flame.sumText(outer)} for an attempt${inside}.`;
    }

    sizesText() {
      const ends = STRENGTHS.map((share) => nsText(share * this.flame.largest));
      return this.flame.largest ? `; stronger from ${ends.join(", ")} ns` : "; no frame is surely different";
    }

    addControls() {
      part("graph")?.addEventListener("change", (event) => {
        this.choose(Number(event.target.value));
        this.change({});
      });
      part("side")?.addEventListener("change", (event) => this.change({ side: Number(event.target.value) }));
      part("zoom").addEventListener("click", () => this.change({ zoom: this.at }));
      part("whole").addEventListener("click", () => this.change({ zoom: 0, at: 0 }));
      part("search").addEventListener("input", (event) => {
        this.search(event.target.value);
        this.change({});
      });
      part("search").addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || !this.hits.all.length) return;
        event.preventDefault();
        part("frame").focus({ preventScroll: true });
        this.step(1, true);
      });
      part("before").addEventListener("click", () => this.step(-1));
      part("after").addEventListener("click", () => this.step(1));
    }

    // The names of functions in the tables of a profile lead to the frame that costs most.
    addLinks() {
      this.flames.forEach((flame, number) => {
        const known = new Set(flame.names);
        for (const kind of ["functions", "difference"])
          for (const head of document.querySelectorAll(`#table-${kind}-${flame.part} tbody th`)) {
            const name = head.textContent.trim();
            if (!known.has(name)) continue;
            const button = Object.assign(document.createElement("button"), { type: "button", className: "flame-link", textContent: name });
            button.title = "show it in the flame graph";
            button.addEventListener("click", () => this.jump(number, name));
            head.lastChild.replaceWith(head.textContent.slice(0, head.textContent.indexOf(name)), button);
          }
      });
    }

    jump(number, name) {
      if (number !== this.number) this.choose(number);
      this.search(`"${name}"`);
      part("frame").focus({ preventScroll: true });
      this.draw();
      this.step(1, true);
    }

    // To the next match by what it costs, the most expensive first.
    step(direction, isFirst = false) {
      const { flame } = this;
      const cost = (frame) => Math.max(...flame.ns.map((ns) => ns[frame]));
      const frames = this.hits.all.toSorted((a, b) => cost(b) - cost(a) || a - b);
      if (!frames.length) return;
      const now = isFirst ? -1 : frames.indexOf(this.at);
      const next = frames[now < 0 ? (direction > 0 ? 0 : frames.length - 1) : (now + direction + frames.length) % frames.length];
      const side = flame.ns[this.side][next] > 0 ? this.side : 1 - this.side;
      const isSeen = side === this.side && flame.isBelow(next, this.zoom);
      this.at = next;
      if (!isSeen) this.change({ side, zoom: flame.isBelow(next, this.zoom) ? this.zoom : 0 });
      this.select(next);
    }

    press(event) {
      const { flame, at, zoom, side } = this;
      const to = (frame) => frame >= 0 && this.select(frame);
      const actions = {
        ArrowDown: () => to(this.isAbove(at) ? this.towardsZoom(at) : flame.widestChild(at, side)),
        ArrowUp: () => to(at ? flame.parents[at] : -1),
        ArrowRight: () => to(flame.neighbour(at, 1, zoom, side)),
        ArrowLeft: () => to(flame.neighbour(at, -1, zoom, side)),
        Enter: () => this.change({ zoom: at }),
        Home: () => this.change({ zoom: 0, at: 0 }),
        Escape: () => this.change({ zoom: 0 }),
        "/": () => part("search").focus(),
        n: () => this.step(1),
        p: () => this.step(-1),
      };
      if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
      event.preventDefault();
      actions[event.key]();
    }

    isAbove(frame) {
      return frame < this.zoom && this.flame.isBelow(this.zoom, frame);
    }

    towardsZoom(frame) {
      return this.flame.path(this.zoom)[this.flame.depths[frame] + 1];
    }

    addPointer() {
      const frame = part("frame");
      frame.addEventListener("pointermove", (event) => this.hover(event));
      frame.addEventListener("pointerleave", () => (part("hover").hidden = true));
      frame.addEventListener("click", (event) => {
        const clicked = this.picture.frameAt(event.target);
        if (clicked >= 0) this.select(clicked, false);
      });
      frame.addEventListener("dblclick", () => this.change({ zoom: this.at }));
    }

    hover(event) {
      const [box, frame] = [part("hover"), this.picture.frameAt(event.target)];
      box.hidden = frame < 0;
      if (frame < 0) return;
      this.say("hover", this.flame.sentence(frame));
      const place = part("frame").getBoundingClientRect();
      const [x, y] = [event.clientX - place.left, event.clientY - place.top];
      const left = x + 16 + box.offsetWidth > place.width ? x - 16 - box.offsetWidth : x + 16;
      const top = event.clientY + 16 + box.offsetHeight > innerHeight ? y - 16 - box.offsetHeight : y + 16;
      Object.assign(box.style, { left: `${Math.max(left, 0)}px`, top: `${top}px` });
    }

    toText() {
      const parts = new URLSearchParams({ graph: this.number, zoom: this.zoom, at: this.at });
      if (this.flame.isCompared) parts.set("side", this.side);
      if (this.words) parts.set("search", this.words);
      return `flame?${parts}`;
    }

    // Whatever a link says that is not there is left out.
    fromText(text) {
      if (!text) return false;
      const parts = new URLSearchParams(text.slice("flame?".length));
      const number = (name, count) => {
        const value = Number(parts.get(name) ?? NaN);
        return Number.isInteger(value) && value >= 0 && value < count ? value : null;
      };
      this.choose(number("graph", this.flames.length) ?? 0);
      this.search(parts.get("search") ?? "");
      this.side = number("side", this.flame.ns.length) ?? this.flame.last;
      this.zoom = number("zoom", this.flame.count) ?? 0;
      this.at = number("at", this.flame.count) ?? this.zoom;
      if (!this.flame.isBelow(this.at, this.zoom) && !this.isAbove(this.at)) this.at = this.zoom;
      return true;
    }
  }

  async function open() {
    try {
      const flames = await Flame.unpackAll();
      flames.forEach((flame) => (flame.titleText = flames.length > 1 ? `${flame.title}: ` : ""));
      part("wait").hidden = true;
      part("view").hidden = false;
      const page = new Page(flames);
      page.fromText(readState("flame"));
      if (isFirstState("flame")) part("view").scrollIntoView();
      page.draw();
    } catch (error) {
      part("wait").textContent = `The flame graph cannot be shown in this browser: ${error.message}`;
      throw error;
    }
  }

  open();
})();
