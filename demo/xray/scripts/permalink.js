// Encodes a view in a URL: model, strokes, version, open map and its chosen unit, challenge, and
// whether new versions are followed. Picture files and camera frames are never part of it.
//
// Strokes are base64url of variable-length integers: the lowest bit is the sign, seven bits a byte,
// and the eighth bit says that more bytes follow. Each point is stored as its distance from the
// previous one, which takes about three characters.

import { UNITS } from "./strokes.js";

const MAX_COORDINATE = 100 * UNITS; // links come from strangers and may hold any number

export function packStrokes(strokes) {
  const bytes = [];
  function write(number) {
    let rest = number < 0 ? -2 * number - 1 : 2 * number;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push(128 | rest % 128);
    bytes.push(rest);
  }
  for (const { size, erase, points } of strokes) {
    write(Math.round(size * UNITS));
    write(erase ? 1 : 0);
    write(points.length);
    let previous = [0, 0];
    for (const point of points) {
      const [x, y] = point.map((fraction) => Math.round(fraction * UNITS));
      write(x - previous[0]);
      write(y - previous[1]);
      previous = [x, y];
    }
  }
  const base64 = btoa(bytes.map((byte) => String.fromCharCode(byte)).join(""));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// Throws if the text is not a packed drawing.
export function unpackStrokes(text) {
  const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  let index = 0;
  function read() {
    let number = 0;
    for (let unit = 1;; unit *= 128) {
      if (index >= bytes.length) throw new RangeError("the drawing is incomplete");
      const byte = bytes.charCodeAt(index++);
      number += unit * (byte & 127);
      if (number > MAX_COORDINATE) throw new RangeError("a number is too large");
      if (byte < 128) return number % 2 ? -(number + 1) / 2 : number / 2;
    }
  }
  const strokes = [];
  while (index < bytes.length) {
    const stroke = { size: read() / UNITS, erase: read() === 1, points: [] };
    let [x, y] = [0, 0];
    for (let count = read(); count > 0; count--) {
      x += read();
      y += read();
      if (Math.abs(x) > MAX_COORDINATE || Math.abs(y) > MAX_COORDINATE) {
        throw new RangeError("a point is too far from the pad");
      }
      stroke.points.push([x / UNITS, y / UNITS]);
    }
    if (!stroke.points.length) throw new RangeError("a stroke has no points");
    strokes.push(stroke);
  }
  return strokes;
}

const PARTS = ["drawing", "model", "version", "challenge", "follow"]; // any of them makes a view

export function writeLink(parts) {
  const { model, strokes, version, layer, map, unit, challenge, follow, language } = parts;
  const view = new URLSearchParams();
  if (model) view.set("model", model);
  if (strokes) view.set("drawing", packStrokes(strokes));
  if (version !== null && !follow) view.set("version", version);
  if (layer !== undefined) {
    view.set("map", [layer, map, ...(unit ? [unit.row, unit.column] : [])].join("."));
  }
  if (challenge) view.set("challenge", challenge);
  if (follow) view.set("follow", 1);
  if (language) view.set("language", language);
  const url = new URL(location.href);
  url.search = ""; // the visitor's settings and tokens
  url.hash = view;
  return url.href;
}

// The view in a URL's fragment; null if it holds none or is malformed. `layer` is the layer's index,
// or its name in older links.
export function readLink(hash) {
  const view = new URLSearchParams(hash.slice(1));
  if (!PARTS.some((name) => view.has(name))) return null;
  try {
    const strokes = view.has("drawing") ? unpackStrokes(view.get("drawing")) : null;
    const number = Number(view.get("version") ?? NaN);
    const version = Number.isSafeInteger(number) && number >= 0 ? number : null;
    const [layer = null, ...numbers] = view.get("map")?.split(".") ?? [];
    const [map = 0, row, column] = numbers.map(Number);
    const unit = column === undefined ? null : { row, column };
    const rest = { challenge: view.get("challenge"), follow: view.has("follow") };
    return { model: view.get("model"), strokes, version, layer, map, unit, ...rest };
  } catch {
    return null;
  }
}
