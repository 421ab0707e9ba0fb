// How a unit adds up, as Python has taken it apart.

import { make } from "./dom.js";
import { plain, setText, signed } from "./text.js";

const SIGNS = [" × ", " = "]; // between what it sees, its kernel, and what that gives

function makeGrid({ title, numbers, picture, winner }) {
  const cell = (number, row, column) => {
    const wins = winner && winner[0] === row && winner[1] === column;
    return make("td", { className: wins ? "wins" : "" }, plain(number, 2));
  };
  const rows = numbers.map((row, y) => make("tr", {}, ...row.map((n, x) => cell(n, y, x))));
  const table = make("table", { className: "grid" }, make("tbody", {}, ...rows));
  table.style.backgroundImage = `url(${picture})`;
  return make("figure", {}, table, make("figcaption", {}, title));
}

function makeTerm({ name, at, contribution, input, weight, pictures = [] }, largest) {
  const product = input === undefined ? "" : `${plain(input, 3)} × ${plain(weight, 3)}`;
  const share = make("i", { className: contribution < 0 ? "against" : "for" });
  share.style.width = `${((100 * Math.abs(contribution)) / largest).toFixed(1)}%`;
  const heading = at
    ? make("button", { className: "tool at", data: { at: JSON.stringify(at) } }, name)
    : name;
  const row = make("th", { scope: "row" }, heading);
  const images = pictures.map((src) => make("img", { src, alt: "" }));
  return make(
    "tr",
    {},
    row,
    make("td", { className: "pictures" }, ...images, product),
    make("td", { className: "share" }, share),
    make("td", { className: "number" }, signed(contribution)),
  );
}

const NAMES = { relu: "ReLU", relu6: "ReLU6", silu: "SiLU", softmax: "softmax", tanh: "tanh" };

// The last line, in which everything adds up.
function makeSum({ bias, sum, value, activation }) {
  // Of rounded numbers, so that the line adds up to its last decimal.
  const inputs = `what comes in ${plain(Number(sum.toFixed(4)) - Number(bias.toFixed(4)))}`;
  const isLinear = activation === "linear";
  const total = isLinear ? make("b", {}, plain(sum)) : plain(sum);
  const end = isLinear ? "" : ` → ${NAMES[activation] ?? activation} → `;
  return make(
    "p",
    { className: "total" },
    `${inputs} ${bias < 0 ? "−" : "+"} bias ${Math.abs(bias).toFixed(4)} = `,
    total,
    end,
    isLinear ? null : make("b", {}, value.toFixed(4)),
  );
}

export function makeArithmetic(element) {
  const feature = element.querySelector(".feature");
  const examples = element.querySelector(".examples");
  const heading = element.querySelector(".unit");
  const body = element.querySelector(".sum");
  const follow = element.querySelector(".follow");
  const anatomy = { unit: null }; // the one that is shown

  function showPicture(figure, url) {
    figure.hidden = !url;
    const picture = figure.querySelector("img");
    if (url && picture.src !== url) picture.src = url;
  }

  anatomy.clear = () => {
    anatomy.unit = null;
    body.replaceChildren();
    heading.textContent = "";
    follow.hidden = true;
  };

  // `isScore` of a class, which has no place among maps.
  anatomy.show = (layer, told, { of, isChosen, isScore }) => {
    if (told.error) {
      anatomy.clear();
      body.textContent = `How it adds up cannot be told: ${told.error}`;
      return;
    }
    const { row, column, value, grids, terms } = told;
    anatomy.unit = { row, column };
    const place = layer.units === null
      ? `row ${row}, column ${column}`
      : `unit ${row * layer.size[1] + column}`;
    const which = isChosen ? "chosen unit" : "strongest unit";
    const what = isScore ? "what weighs most" : `${which}: ${place}, ${value.toFixed(4)}`;
    setText(heading, of + what);
    follow.hidden = !isChosen || layer.units !== null;
    const contributions = [...terms.map(({ contribution }) => contribution), told.rest ?? 0];
    const largest = Math.max(...contributions.map(Math.abs), 1e-9); // one scale for all of them
    const parts = [
      make(
        "div",
        { className: "grids" },
        ...grids.flatMap((grid, i) => [
          makeGrid(grid),
          i + 1 < grids.length ? make("span", {}, SIGNS[i]) : null,
        ]),
      ),
    ];
    if (terms.length) {
      const rest = told.others
        ? [{ name: `the other ${told.others.toLocaleString("en")}`, contribution: told.rest }]
        : [];
      const rows = [...terms, ...rest].map((term) => makeTerm(term, largest));
      parts.push(make("table", { className: "terms" }, make("tbody", {}, ...rows)));
    }
    if (told.bias !== undefined) parts.push(makeSum(told));
    body.replaceChildren(...parts);
  };

  anatomy.like = (told) => {
    showPicture(feature, told.feature);
    showPicture(examples, told.examples);
  };

  return anatomy;
}
