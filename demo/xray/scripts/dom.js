// Helpers for elements, canvases and events.

// Creates an element. `fields` are properties, `data` attributes and `style` properties; `children`
// are elements, strings or null. Strings become text nodes: a model's names are never HTML.
export function make(tag, fields = {}, ...children) {
  const { data = {}, style = {}, ...properties } = fields;
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

// Sends an event from the component's element. The events and their `detail`:
//   network-loaded: the description   picture-changed: none   answer-shown: {answer, askedAt}
//   unit-hovered: {layer, map, row, column}, or null   unit-selected: {layer, map, row, column}
//   version-selected: none   explanation-requested: none
//   view-closed: none (the visitor closed the challenge, or stopped following)
export const emit = (element, name, detail = null) =>
  element.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));

export async function loadImage(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

// Returns a function that copies a part of an image to a canvas, pixel by pixel.
export function makeCopy(canvas) {
  const context = canvas.getContext("2d");
  return (image, x, y, width, height) => {
    // Setting a size, even the same, makes the browser lay out the whole page again.
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    context.globalCompositeOperation = "copy";
    context.drawImage(image, x, y, width, height, 0, 0, width, height);
  };
}
