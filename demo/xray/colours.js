// What colours stand for: which colour map, and what its brightest is. Chosen anew, the visitor's last
// activations are painted again, without a prediction.

function makeColours(element, galleries, repaint, show, changed) {
  const colours = element.querySelector(".colours");
  const scale = element.querySelector(".scale");
  const style = { colours: colours.value, scale: scale.value, held: null };

  async function choose() {
    style.colours = colours.value;
    style.scale = scale.value;
    style.held = style.scale === "held" ? { ...galleries.answer?.largest } : null;
    element.dataset.colours = style.colours;
    galleries.held = style.held;
    const answer = await repaint(style).catch(() => null);
    if (answer?.sheet) show(answer, performance.now());
    else changed();
  }

  colours.addEventListener("change", choose);
  scale.addEventListener("change", choose);
  return style;
}
