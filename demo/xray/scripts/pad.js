// The drawing pad: pointer events become strokes on two canvases, the visible one and a small one
// whose ink is sent to the server. `changed` is called whenever the ink changes.

import { drawAll, drawStroke, rounded } from "./strokes.js";

const PRIMARY = 0; // pointer button: left mouse button, finger or pen tip
const ERASER = 5; // pointer button: eraser end of a pen

export function makePad(canvas, changed) {
  const visible = canvas.getContext("2d");
  const small = document.createElement("canvas");
  const sent = small.getContext("2d", { willReadFrequently: true });
  const pad = { size: 0.08, erase: false, isSample: false };
  const history = [[]]; // drawings that undo returns to; the current one is the last
  let stroke = null; // being drawn
  let pointer = null; // ID of the pointer that draws it
  let box; // the pad's position, read once a stroke because reading it forces a layout

  pad.strokes = () => history[history.length - 1];

  function paint() {
    drawAll(visible, pad.strokes());
    drawAll(sent, pad.strokes());
  }

  function redraw() {
    paint();
    changed();
  }

  pad.set = (drawing, isSample = false) => {
    stroke = null;
    pad.isSample = isSample;
    if (drawing.length || pad.strokes().length) history.push(drawing);
    redraw();
  };

  pad.undo = () => {
    stroke = null;
    if (history.length > 1) history.pop();
    pad.isSample = false;
    redraw();
  };

  pad.isDown = () => stroke !== null;

  // The ink that is sent: Uint8Array [side × side], 0 = paper, 255 = ink.
  pad.content = () => {
    const side = small.width;
    const rgba = sent.getImageData(0, 0, side, side).data;
    const ink = new Uint8Array(side * side);
    for (let i = 0; i < ink.length; i++) ink[i] = rgba[4 * i + 3];
    return ink;
  };

  // Fits the visible canvas to the screen's pixels and the theme's colour, and the small one to
  // `side` pixels.
  pad.fit = (side = small.width) => {
    if (small.width !== side) small.width = small.height = side;
    drawAll(sent, pad.strokes());
    const pixels = Math.round(canvas.clientWidth * devicePixelRatio);
    if (!pixels) return;
    canvas.width = canvas.height = pixels;
    visible.strokeStyle = getComputedStyle(canvas).color;
    drawAll(visible, pad.strokes());
  };

  function position(event) {
    const x = event.clientX - box.left - canvas.clientLeft; // inside the border
    const y = event.clientY - box.top - canvas.clientTop;
    return [rounded(x / canvas.clientWidth), rounded(y / canvas.clientHeight)];
  }

  function extend(events) {
    const first = stroke.points.length;
    stroke.points.push(...events.map(position));
    drawStroke(visible, stroke, first);
    drawStroke(sent, stroke, first);
    changed();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (stroke || ![PRIMARY, ERASER].includes(event.button)) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    const erase = pad.erase || event.button === ERASER;
    if (pad.isSample && !erase) {
      history.push([]); // undo can bring the sample back
      paint();
    }
    pad.isSample = false;
    stroke = { size: pad.size, erase, points: [] };
    pointer = event.pointerId;
    box = canvas.getBoundingClientRect();
    history.push([...pad.strokes(), stroke]);
    extend([event]);
  });

  // pointermove waits for the next frame; pointerrawupdate does not, but not all browsers have it.
  const move = "onpointerrawupdate" in canvas ? "pointerrawupdate" : "pointermove";
  canvas.addEventListener(move, (event) => {
    if (!stroke || event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    extend(events.length ? events : [event]);
  });

  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (!stroke || event.pointerId !== pointer) return;
      stroke = null;
      redraw(); // as a whole: where pieces overlap, their antialiased edges are too dark
    });
  }

  new ResizeObserver(() => pad.fit()).observe(canvas);
  new MutationObserver(() => pad.fit()).observe(document.body, { attributeFilter: ["class"] }); // theme
  return pad;
}
