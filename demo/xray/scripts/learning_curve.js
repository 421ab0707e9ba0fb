// The learning curve: training loss and validation accuracy over the training steps, on a
// logarithmic axis. Pointing at it shows the nearest version, and a click chooses it.

import { make } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const SIDE = 100; // units of the drawing's own coordinates, which fill its box

// `preview` and `choose` get the step of the version nearest to the pointer. `endPreview` is called
// when the pointer leaves.
export function makeLearningCurve(element, { preview, choose, endPreview }) {
  const plot = element.querySelector(".plot");
  const lines = plot.querySelector("svg");
  const dots = plot.querySelector(".dots");
  const marker = plot.querySelector(".marker");
  const curve = {};
  let steps = []; // of the versions
  let last = 1; // step at the right end

  const x = (step) => (last > 1 ? (SIDE * Math.log(Math.max(1, step))) / Math.log(last) : 0);

  function makeLine(name, points) {
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("class", name);
    line.setAttribute(
      "points",
      points.map(([step, y]) => `${x(step)},${SIDE * (1 - y)}`).join(" "),
    );
    return line;
  }

  // `points` are [step, loss, accuracy] in order; what is unknown is null. `versionSteps` are those
  // of the versions that can be picked.
  curve.show = (points, versionSteps) => {
    element.hidden = points.length < 2;
    steps = versionSteps;
    last = Math.max(1, ...steps, ...points.map(([step]) => step));
    const losses = points.flatMap(([step, loss]) => loss === null ? [] : [[step, loss]]);
    const highest = Math.max(...losses.map(([, loss]) => loss), 1e-9);
    const accuracies = points.flatMap(([step, , accuracy]) =>
      accuracy === null ? [] : [[step, accuracy]]
    );
    element.classList.toggle("has-loss", losses.length > 1);
    lines.replaceChildren(
      makeLine("loss", losses.map(([step, loss]) => [step, loss / highest])),
      makeLine("accuracy", accuracies),
    );
    dots.replaceChildren(
      ...steps.map((step) => make("i", { style: { left: `${x(step)}%` } })),
    );
  };

  curve.mark = (step) => {
    marker.hidden = step === null;
    if (step !== null) marker.style.left = `${x(step)}%`;
  };

  function nearest(event) {
    const box = plot.getBoundingClientRect();
    const position = (SIDE * (event.clientX - box.left)) / box.width;
    const distance = (step) => Math.abs(x(step) - position);
    return steps.reduce((best, step) => (distance(step) < distance(best) ? step : best));
  }

  for (const type of ["pointermove", "pointerdown"]) {
    plot.addEventListener(type, (event) => {
      if (steps.length) (event.buttons ? choose : preview)(nearest(event));
    });
  }
  plot.addEventListener("pointerleave", endPreview);
  return curve;
}

// What is known of a step: its accuracy, and the loss of the last point up to it; null if unknown.
export function valuesAt(points, step) {
  const upTo = points.filter((point) => point[0] <= step);
  return {
    loss: upTo.findLast(([, loss]) => loss !== null)?.[1] ?? null,
    accuracy: upTo.findLast(([at, , accuracy]) => at === step && accuracy !== null)?.[2] ?? null,
  };
}
