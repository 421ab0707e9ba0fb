// The colour scale: colour map, what its brightest colour stands for, and the brightness curve.

import { t } from "./language.js";

const MIDPOINTS = { root: t("midpoint ¼ max"), linear: t("midpoint ½ max") };

// `getMaxima` returns the largest shown activation by layer; `changed` repaints the activations.
export function makeColourSettings(element, state, getMaxima, changed) {
  const colours = element.querySelector(".colours");
  const scale = element.querySelector(".scale");
  const curve = element.querySelector(".curve");
  const { style } = state;
  Object.assign(style, { colours: colours.value, scale: scale.value, curve: curve.value });

  colours.addEventListener("change", () => {
    style.colours = colours.value;
    element.style.setProperty("--ramp", colours.selectedOptions[0].dataset.ramp);
    changed();
  });

  scale.addEventListener("change", () => {
    if (!state.answer) return (scale.value = style.scale); // no maxima yet
    style.scale = scale.value;
    style.held = scale.value === "held" ? getMaxima() : null;
    return changed();
  });

  curve.addEventListener("change", () => {
    style.curve = curve.value;
    element.querySelector(".midpoint").textContent = MIDPOINTS[curve.value];
    changed();
  });

  element.addEventListener("network-loaded", ({ detail: { layers, scores } }) => {
    const hasNegative = layers.some((layer) =>
      layer.isSigned && layer.index > 0 && layer.index !== scores?.layer
    );
    element.classList.toggle("has-negative", hasNegative);
    if (style.scale === "held") style.scale = scale.value = "layer"; // the maxima were another's
    style.held = null;
  });
}
