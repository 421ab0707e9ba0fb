// A view as part of an address: model, strokes, version, open map and its chosen unit. What a teacher
// sends is what the class sees; a picture stays where it is.
//
// Strokes are whole units, each point as its distance from the one before, in bytes of variable
// number (the low bit is the sign; seven bits a byte, the eighth says that more follow), in the
// base64 of addresses: three characters or so a point.

import { UNITS } from "./strokes.js";

const FARTHEST = 100 * UNITS; // that a link may lead a stroke: what is sent to people can be anything

export function packStrokes(strokes) {
  const bytes = [];
  function put(number) {
    let rest = number < 0 ? -2 * number - 1 : 2 * number;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push(128 | rest % 128);
    bytes.push(rest);
  }
  for (const { size, erase, points } of strokes) {
    put(Math.round(size * UNITS));
    put(erase ? 1 : 0);
    put(points.length);
    let from = [0, 0];
    for (const [x, y] of points) {
      const to = [Math.round(x * UNITS), Math.round(y * UNITS)];
      put(to[0] - from[0]);
      put(to[1] - from[1]);
      from = to;
    }
  }
  const base64 = btoa(bytes.map((byte) => String.fromCharCode(byte)).join(""));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// Throws what is no packed drawing.
export function unpackStrokes(text) {
  const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  let at = 0;
  function take() {
    let number = 0;
    for (let unit = 1;; unit *= 128) {
      if (at >= bytes.length) throw new RangeError("the drawing breaks off");
      const byte = bytes.charCodeAt(at++);
      number += unit * (byte & 127);
      if (number > FARTHEST) throw new RangeError("a point far from the pad");
      if (byte < 128) return number % 2 ? -(number + 1) / 2 : number / 2;
    }
  }
  const strokes = [];
  while (at < bytes.length) {
    const stroke = { size: take() / UNITS, erase: take() === 1, points: [] };
    let [x, y] = [0, 0];
    for (let left = take(); left > 0; left--) {
      x += take();
      y += take();
      if (Math.abs(x) > FARTHEST || Math.abs(y) > FARTHEST) {
        throw new RangeError("a point far from the pad");
      }
      stroke.points.push([x / UNITS, y / UNITS]);
    }
    if (!stroke.points.length) throw new RangeError("a stroke without points");
    strokes.push(stroke);
  }
  return strokes;
}

export function writeLink({ model, strokes, version, layer, map, unit }) {
  const view = new URLSearchParams();
  if (model) view.set("model", model);
  if (strokes) view.set("drawing", packStrokes(strokes));
  if (version !== null) view.set("version", version);
  if (layer !== undefined) {
    view.set("map", [layer, map, ...(unit ? [unit.row, unit.column] : [])].join("."));
  }
  const address = new URL(location.href);
  address.search = ""; // the visitor's own settings and keys
  address.hash = view;
  return address.href;
}

// The view that an address holds; null if it has none that can be read. A layer is named by its
// number, or in older links by its name.
export function readLink(hash) {
  const view = new URLSearchParams(hash.slice(1));
  if (!view.has("drawing") && !view.has("model")) return null;
  try {
    const strokes = view.has("drawing") ? unpackStrokes(view.get("drawing")) : null;
    const number = Number(view.get("version") ?? NaN);
    const version = Number.isSafeInteger(number) && number >= 0 ? number : null;
    const [layer = null, ...numbers] = view.get("map")?.split(".") ?? [];
    const [map = 0, row, column] = numbers.map(Number);
    const unit = column === undefined ? null : { row, column };
    return { model: view.get("model"), strokes, version, layer, map, unit };
  } catch {
    return null;
  }
}
