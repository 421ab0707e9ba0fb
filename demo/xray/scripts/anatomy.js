// How a unit adds up, as Python has taken it apart.

import { plain, setText, signed } from "./text.js";

// The ten scores, as if they were a layer's maps.
export const LOGITS = { name: "logits", title: "Score", maps: 10, rows: 1, columns: 10, side: 1 };
const SIGNS = [" × ", " = "]; // between what it sees, its kernel, and what that gives

function writeGrid({ title, numbers, picture, winner }) {
  const cell = (number, row, column) => {
    const wins = winner && winner[0] === row && winner[1] === column;
    return `<td${wins ? ' class="wins"' : ""}>${plain(number, 2)}</td>`;
  };
  const rows = numbers.map((row, y) =>
    `<tr>${row.map((number, x) => cell(number, y, x)).join("")}</tr>`
  );
  return `<figure><table class="grid" style="background-image: url(${picture})"><tbody>${
    rows.join("")
  }</tbody></table><figcaption>${title}</figcaption></figure>`;
}

function writeTerm({ name, at, contribution, input, weight, pictures = [] }, largest) {
  const share = (100 * Math.abs(contribution)) / largest;
  const product = input === undefined ? "" : `${plain(input, 3)} × ${plain(weight, 3)}`;
  return `<tr>
    <th scope="row">${
    at ? `<button class="tool at" data-at='${JSON.stringify(at)}'>${name}</button>` : name
  }</th>
    <td class="pictures">${
    pictures.map((url) => `<img src="${url}" alt="">`).join("")
  }${product}</td>
    <td class="share"><i class="${contribution < 0 ? "against" : "for"}" style="width: ${
    share.toFixed(1)
  }%"></i></td>
    <td class="number">${signed(contribution)}</td>
  </tr>`;
}

// The last line, in which everything adds up.
function writeSum(layer, { bias, sum, value }) {
  // Of rounded numbers, so that the line adds up to its last digit.
  const inputs = `what comes in ${plain(Number(sum.toFixed(4)) - Number(bias.toFixed(4)))}`;
  const end = layer === LOGITS ? "" : ` → ReLU → <b>${value.toFixed(4)}</b>`;
  const total = layer === LOGITS ? `<b>${plain(sum)}</b>` : plain(sum);
  return `<p class="total">${inputs} ${bias < 0 ? "−" : "+"} bias ${
    Math.abs(bias).toFixed(4)
  } = ${total}${end}</p>`;
}

export function makeAnatomy(element) {
  const likes = element.querySelector(".likes");
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

  anatomy.show = (layer, told, of, isChosen) => {
    if (told.error) {
      anatomy.clear();
      body.textContent = `How it adds up cannot be told: ${told.error}`;
      return;
    }
    const { row, column, value, grids, terms } = told;
    anatomy.unit = { row, column };
    const place = layer.field
      ? `row ${row}, column ${column}`
      : `unit ${row * layer.side + column}`;
    const which = isChosen ? "chosen unit" : "strongest unit";
    const what = layer === LOGITS ? "what weighs most" : `${which}: ${place}, ${value.toFixed(4)}`;
    setText(heading, of + what);
    follow.hidden = !isChosen || !layer.field;
    const contributions = [...terms.map(({ contribution }) => contribution), told.rest ?? 0];
    const largest = Math.max(...contributions.map(Math.abs), 1e-9); // one scale for all of them
    const parts = [
      `<div class="grids">${
        grids.map((grid, i) =>
          writeGrid(grid) + (i + 1 < grids.length ? `<span>${SIGNS[i]}</span>` : "")
        ).join("")
      }</div>`,
    ];
    if (terms.length) {
      const rest = told.others
        ? [{ name: `the other ${told.others.toLocaleString("en")}`, contribution: told.rest }]
        : [];
      const rows = [...terms, ...rest].map((term) => writeTerm(term, largest));
      parts.push(`<table class="terms"><tbody>${rows.join("")}</tbody></table>`);
    }
    if (told.sum !== undefined) parts.push(writeSum(layer, told));
    body.innerHTML = parts.join("");
  };

  anatomy.like = (told) => {
    showPicture(likes, told.likes);
    showPicture(examples, told.examples);
  };

  return anatomy;
}
