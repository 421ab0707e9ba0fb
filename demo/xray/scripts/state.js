// The state of the page, shared by its modules. The module in parentheses is the one that changes it.

export const makeState = () => ({
  model: null, // name of the model; null is the first (network.js)
  network: null, // its description, see demo/browser_description.py (network.js)
  answer: null, // to the last prediction (galleries.js)
  style: { colours: "inferno", scale: "layer", curve: "root", held: null, shown: "B" }, // (colour_settings.js, compare.js)
  version: null, // requested version; null is the newest (history.js)
  versions: [], // served versions, oldest first (history.js)
  answerVersion: null, // version of the last answer (history.js)
  reference: null, // {content, version, layers} of A in a comparison (compare.js)
  cached: null, // {content, version} of the picture in the page server's cache (requests.js)
  explanation: { isOn: false, label: null }, // label: null is the predicted class (explanation.js)
  openMap: null, // {layer, map, unit, openedFrom}; unit: null is the strongest (zoom.js)
});
