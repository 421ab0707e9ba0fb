// What a page knows: one object for all its parts. Behind each field, who changes it.

export const makeState = () => ({
  answer: null, // to the drawing that is shown (galleries.js)
  sheet: null, // its picture of all layers, an ImageBitmap (galleries.js)
  style: { colours: "inferno", scale: "layer", held: null, shown: "B" }, // (colours.js, compare.js)
  version: null, // to ask for; null is the newest, whichever that is then (history.js)
  versions: [], // that are served, the first one first (history.js)
  answeredBy: null, // the version that answered last (history.js)
  a: null, // {pixels, version}, what drawings are compared with (compare.js)
  kept: null, // {pixels, version}, whose activations the page's server keeps (look.js)
  why: { isOn: false, digit: null }, // asked about; null is the digit that is read (why.js)
  open: null, // {layer, map, unit, from}: the map over the galleries (zoom.js)
});
