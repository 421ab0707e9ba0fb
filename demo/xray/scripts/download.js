// Take it with you: the view as a link, the galleries as a picture, the activations as numbers, and
// the present drawing as a request that runs when pasted.

import { short } from "./text.js";

const SCALE = 2; // of the galleries in the picture
const MARGIN = 24; // pixels of the picture
const SAID_MS = 2000; // that a button says what it has done
const FAILED_MS = 6000; // that it says why it could not
const KEPT_MS = 60_000; // that a browser may take to save a file

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}

// Not every page may copy: then the text is there to be copied by hand.
export async function copy(text, area) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    area.value = text;
    area.hidden = false;
    area.select();
    return "Copy it from below";
  }
}

// All galleries that are in sight one under the other, with their names, on the page's dark ground.
export function drawPicture(element, state, galleries) {
  const style = getComputedStyle(element);
  const [ground, ink] = ["--ground", "--on-ground"].map((name) => style.getPropertyValue(name));
  const shown = galleries.each().filter(({ layer }) => state.answer.layers.includes(layer.index));
  const canvas = document.createElement("canvas");
  const heightOf = ({ layer }) => SCALE * layer.height + 3 * MARGIN;
  canvas.width = SCALE * Math.max(...shown.map(({ layer }) => layer.width)) + 2 * MARGIN;
  canvas.height = shown.reduce((sum, gallery) => sum + heightOf(gallery), MARGIN);
  const context = canvas.getContext("2d");
  context.fillStyle = ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = ink;
  context.font = `20px ${style.fontFamily}`;
  context.imageSmoothingEnabled = false;
  let top = MARGIN;
  for (const gallery of shown) {
    const { layer, most } = gallery;
    const of = { A: "A, ", difference: "B − A, " }[state.style.shown] ?? "";
    context.fillText(
      `${layer.title}  ${layer.name}, ${of}largest ${short(most)}`,
      MARGIN,
      top + 20,
    );
    const [width, height] = [SCALE * layer.width, SCALE * layer.height];
    context.drawImage(gallery.canvas, MARGIN, top + 36, width, height);
    top += heightOf(gallery);
  }
  return new Promise((resolve) => canvas.toBlob(resolve));
}

// `ways` by the names of the menu's buttons; each does its work and returns what to say of it.
export function makeDownloads(menu, ways) {
  const area = menu.querySelector(".copied");
  for (const button of menu.querySelectorAll("button")) {
    const label = button.textContent;
    button.addEventListener("click", async () => {
      area.hidden = true;
      let shownFor = SAID_MS;
      button.textContent = await ways[button.value]().catch((error) => {
        shownFor = FAILED_MS;
        return error.message;
      });
      setTimeout(() => (button.textContent = label), shownFor);
    });
  }
  menu.addEventListener("toggle", () => (area.hidden = true));
  // A click elsewhere and Escape close it, as with any menu.
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!menu.contains(target)) menu.open = false;
  });
}
