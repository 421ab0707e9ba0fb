// How a unit adds up, as decomposed by demo/arithmetic.py.

import { make } from "./dom.js";
import { errorText, t } from "./language.js";
import { plain, setText, signed } from "./text.js";

const OPERATORS = [" × ", " = "]; // between the input patch, the kernel and their product
const ACTIVATIONS = {
  relu: "ReLU",
  relu6: "ReLU6",
  silu: "SiLU",
  softmax: "softmax",
  tanh: "tanh",
};

// Headings of a unit at a position of a map, and of a unit of a layer without maps.
const OF_MAP = {
  chosen: "chosen unit: row {row}, column {column}, {value}",
  strongest: "strongest unit: row {row}, column {column}, {value}",
};
const OF_LAYER = {
  chosen: "chosen unit: {unit}, {value}",
  strongest: "strongest unit: {unit}, {value}",
};

function makeGrid({ title, numbers, picture, winner }) {
  const cell = (number, row, column) => {
    const isStrongest = winner && winner[0] === row && winner[1] === column;
    return make("td", { className: isStrongest ? "strongest" : "" }, plain(number, 2));
  };
  const rows = numbers.map((row, y) => make("tr", {}, ...row.map((n, x) => cell(n, y, x))));
  const table = make("table", { className: "grid" }, make("tbody", {}, ...rows));
  table.style.backgroundImage = `url(${picture})`;
  return make("figure", {}, table, make("figcaption", {}, t(title.text, title.values)));
}

function makeTerm({ name, at, contribution, input, weight, pictures = [] }, largest) {
  const product = input === undefined ? "" : `${plain(input, 3)} × ${plain(weight, 3)}`;
  const bar = make("i", { className: contribution < 0 ? "against" : "for" });
  bar.style.width = `${((100 * Math.abs(contribution)) / largest).toFixed(1)}%`;
  const label = t(name.text, name.values);
  const heading = at
    ? make("button", { className: "tool term-link", data: { unit: JSON.stringify(at) } }, label)
    : label;
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, heading),
    make("td", {}, ...pictures.map((src) => make("img", { src, alt: "" })), product),
    make("td", { className: "share" }, bar),
    make("td", { className: "number" }, signed(contribution)),
  );
}

// The last line: inputs + bias = sum → activation → value.
function makeTotal({ bias, sum, value, activation }) {
  // The difference of rounded numbers, so that the line adds up to its last decimal.
  const inputs = plain(Number(sum.toFixed(4)) - Number(bias.toFixed(4)));
  const template = bias < 0 ? "inputs {inputs} − bias {bias}" : "inputs {inputs} + bias {bias}";
  const isLinear = activation === "linear";
  const total = isLinear ? make("b", {}, plain(sum)) : plain(sum);
  return make(
    "p",
    { className: "total" },
    make("bdi", {}, t(template, { inputs, bias: plain(Math.abs(bias)) })),
    " = ",
    total,
    isLinear ? null : ` → ${ACTIVATIONS[activation] ?? activation} → `,
    isLinear ? null : make("b", {}, plain(value)),
  );
}

export function makeArithmetic(element) {
  const heading = element.querySelector(".unit");
  const tag = element.querySelector(".of-picture");
  const body = element.querySelector(".sum");
  const follow = element.querySelector(".follow");
  const arithmetic = { unit: null }; // {row, column} on display

  arithmetic.clear = () => {
    arithmetic.unit = null;
    body.replaceChildren();
    heading.textContent = tag.textContent = "";
    follow.hidden = true;
  };

  // `picture` is A or B in a comparison; a class score (`isScore`) has no row and column.
  arithmetic.show = (layer, answer, { picture, isChosen, isScore }) => {
    if (answer.error) {
      arithmetic.clear();
      body.textContent = t("The arithmetic is not available: {reason}", {
        reason: errorText(answer),
      });
      return;
    }
    const { row, column, value, grids, terms, rest, others } = answer;
    arithmetic.unit = { row, column };
    const unit = row * layer.size[1] + column;
    const { chosen, strongest } = layer.units === null ? OF_MAP : OF_LAYER;
    const title = t(isChosen ? chosen : strongest, { row, column, unit, value: plain(value) });
    setText(heading, isScore ? t("largest contributions") : title);
    setText(tag, picture ?? "");
    follow.hidden = !isChosen || layer.units !== null;
    const gridParts = grids.flatMap((grid, i) => [
      makeGrid(grid),
      i + 1 < grids.length ? make("span", {}, OPERATORS[i]) : null,
    ]);
    const parts = [make("div", { className: "grids" }, ...gridParts)];
    if (terms.length) {
      const all = [...terms];
      if (others) {
        all.push({
          name: { text: "{count} smaller terms", values: { count: others } },
          contribution: rest,
        });
      }
      const sizes = all.map(({ contribution }) => Math.abs(contribution));
      const largest = Math.max(...sizes, 1e-9); // one scale for all bars
      const rows = all.map((term) => makeTerm(term, largest));
      parts.push(make("table", { className: "terms" }, make("tbody", {}, ...rows)));
    }
    if (answer.bias !== undefined) parts.push(makeTotal(answer));
    body.replaceChildren(...parts);
  };

  // The map's feature visualization and dataset examples; both are optional data URLs.
  arithmetic.showFeatures = ({ feature, examples }) => {
    for (const [name, url] of Object.entries({ feature, examples })) {
      const figure = element.querySelector(`.${name}`);
      const image = figure.querySelector("img");
      figure.hidden = !url;
      if (url && image.src !== url) image.src = url;
    }
  };

  return arithmetic;
}
