// The pad: pointer events become strokes on two canvases, the large one that is seen and a small
// one whose ink is what the network gets. `changed` is called whenever the ink has.

import { drawAll, drawStroke, rounded } from "./strokes.js";

const PRIMARY = 0; // button of a mouse, a finger or a pen's tip
const ERASER = 5; // a pen's other end

export function makePad(canvas, changed) {
  const seen = canvas.getContext("2d");
  const small = document.createElement("canvas");
  const sent = small.getContext("2d", { willReadFrequently: true });
  const pad = { size: 0.08, erase: false, isSample: false };
  const history = [[]]; // every state of the drawing that undo can go back to, the present one last
  let stroke = null; // the one being drawn
  let pointer = null; // what draws it

  pad.strokes = () => history[history.length - 1];

  function paint() {
    drawAll(seen, pad.strokes());
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

  // Uint8Array of side x side, 0 = paper, 255 = ink.
  pad.content = () => {
    const side = small.width;
    const rgba = sent.getImageData(0, 0, side, side).data;
    const ink = new Uint8Array(side * side);
    for (let i = 0; i < ink.length; i++) ink[i] = rgba[4 * i + 3];
    return ink;
  };

  // The canvas has as many pixels as the screen gives it, and what is sent as many as is wanted; ink
  // has the theme's colour.
  pad.fit = (side = small.width) => {
    if (small.width !== side) small.width = small.height = side;
    drawAll(sent, pad.strokes());
    const pixels = Math.round(canvas.clientWidth * devicePixelRatio);
    if (!pixels) return;
    canvas.width = canvas.height = pixels;
    seen.strokeStyle = getComputedStyle(canvas).color;
    drawAll(seen, pad.strokes());
  };

  let box; // where the pad is, asked once a stroke: each asking makes the browser lay out the page
  function position(event) {
    const x = event.clientX - box.left - canvas.clientLeft; // inside the border
    const y = event.clientY - box.top - canvas.clientTop;
    return [rounded(x / canvas.clientWidth), rounded(y / canvas.clientHeight)];
  }

  function extend(events) {
    const first = stroke.points.length;
    stroke.points.push(...events.map(position));
    drawStroke(seen, stroke, first);
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
      history.push([]); // the sample can be had back
      paint();
    }
    pad.isSample = false;
    stroke = { size: pad.size, erase, points: [] };
    pointer = event.pointerId;
    box = canvas.getBoundingClientRect();
    history.push([...pad.strokes(), stroke]);
    extend([event]);
  });

  // Raw updates come at once, moves only with the next frame; not every browser has them.
  const move = "onpointerrawupdate" in canvas ? "pointerrawupdate" : "pointermove";
  canvas.addEventListener(move, (event) => {
    if (!stroke || event.pointerId !== pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    extend(all.length ? all : [event]);
  });

  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (!stroke || event.pointerId !== pointer) return;
      stroke = null;
      redraw(); // in one piece: where pieces meet, their soft edges add up
    });
  }

  new ResizeObserver(() => pad.fit()).observe(canvas);
  new MutationObserver(() => pad.fit()).observe(document.body, { attributeFilter: ["class"] }); // theme
  return pad;
}
