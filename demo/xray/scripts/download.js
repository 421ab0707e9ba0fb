// The menu "Share & download": a link to the view, the galleries as a PNG, the activations as
// numbers, and requests that send the current picture.

import { t } from "./language.js";
import { short } from "./text.js";

const SCALE = 2; // screen pixels per unit in the PNG
const MARGIN = 24; // pixels
const CAPTIONS = {
  A: "{title} {layer}, A, max {value}",
  B: "{title} {layer}, max {value}",
  difference: "{title} {layer}, B − A, max {value}",
};
const DONE_MS = 2000; // how long a button says what it did
const FAILED_MS = 6000; // how long it shows an error
const SAVE_MS = 60_000; // time for the browser to save a file

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SAVE_MS);
}

// Copies a text, or shows it to be copied by hand if the browser forbids it.
export async function copy(text, area) {
  try {
    await navigator.clipboard.writeText(text);
    return t("Copied");
  } catch {
    area.value = text;
    area.hidden = false;
    area.select();
    return t("Copy the text below");
  }
}

// Draws all galleries in view under each other, with their names; resolves to a PNG.
export function drawGalleries(element, state, galleries) {
  const style = getComputedStyle(element);
  const [ground, ink] = ["--ground", "--on-ground"].map((name) => style.getPropertyValue(name));
  const shown = galleries.all().filter(({ layer }) => state.answer.layers.includes(layer.index));
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
  const caption = CAPTIONS[state.style.shown];
  let top = MARGIN;
  for (const gallery of shown) {
    const { layer, maximum } = gallery;
    const values = { title: t(layer.title), layer: layer.name, value: short(maximum) };
    context.fillText(t(caption, values), MARGIN, top + 20);
    const [width, height] = [SCALE * layer.width, SCALE * layer.height];
    context.drawImage(gallery.canvas, MARGIN, top + 36, width, height);
    top += heightOf(gallery);
  }
  return new Promise((resolve) => canvas.toBlob(resolve));
}

// `actions` by the values of the menu's buttons; each resolves to the text that its button shows.
export function makeDownloads(menu, actions) {
  const area = menu.querySelector(".copy-text");
  for (const button of menu.querySelectorAll("button")) {
    const label = button.textContent;
    button.addEventListener("click", async () => {
      area.hidden = true;
      let duration = DONE_MS;
      button.textContent = await actions[button.value]().catch((error) => {
        duration = FAILED_MS;
        return error.message;
      });
      setTimeout(() => (button.textContent = label), duration);
    });
  }
  menu.addEventListener("toggle", () => (area.hidden = true));
  // Like any menu, it closes on Escape and on a click elsewhere.
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
