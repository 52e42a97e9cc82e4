// Columns of whole numbers and texts, unpacked as stress/view/page/columns.py packed them.
"use strict";

async function inflateBlock(id) {
  const text = document.getElementById(id).textContent;
  const packed = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function inflateColumn(id, { count, width, form }) {
  const bytes = await inflateBlock(id);
  if (bytes.length !== count * width) throw new Error(`the column ${id} is damaged`);
  if (form === "plain" && width === 1) return bytes;
  // A double holds whole numbers up to 2 ** 53, which is more than any column has.
  const values = form === "plain" && width === 2 ? new Uint16Array(count) : new Float64Array(count);
  for (let place = 0, factor = 1; place < width; place++, factor *= 256)
    for (let i = 0, from = place * count; i < count; i++) values[i] += bytes[from + i] * factor;
  if (form === "plain") return values;
  for (let i = 0, sum = 0; i < count; i++) {
    const value = values[i] % 2 ? -(values[i] + 1) / 2 : values[i] / 2;
    values[i] = form === "steps" ? (sum += value) : value;
  }
  return values;
}
