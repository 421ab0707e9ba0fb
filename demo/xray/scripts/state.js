// What a page knows: one object for all its parts. Behind each field, who changes it.

export const makeState = () => ({
  model: null, // the name of the one that is shown; null is the first (network.js)
  network: null, // its outline, as demo/browser_description.py makes it (network.js)
  answer: null, // to the picture that is shown (galleries.js)
  style: { colours: "inferno", scale: "layer", curve: "root", held: null, shown: "B" }, // (colour_settings.js, compare.js)
  version: null, // to ask for; null is the newest, whichever that is then (history.js)
  versions: [], // that are served, the first one first (history.js)
  answeredBy: null, // the version that answered last (history.js)
  a: null, // {content, version, layers}, what pictures are compared with (compare.js)
  cached: null, // {content, version}, whose activations the page's server keeps (requests.js)
  why: { isOn: false, label: null }, // asked about; null is the class that is read (why.js)
  open: null, // {layer, map, unit, from}: the map over the galleries (zoom.js)
});
