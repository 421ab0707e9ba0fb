// Why this digit: which ink speaks for it and which against, over the drawing, live.

const NEUTRAL = "#8b8b94"; // ink that says nothing

function makeWhy(element, galleries, padCanvas, askWhy) {
  const find = (selector) => element.querySelector(selector);
  const canvas = find(".overlay");
  const because = find(".because");
  const cannot = find(".cannot");
  const button = find(".why");
  const why = { digit: null }; // that is asked about; null is the one that is read
  let isOn = false;

  const ask = makeAsker(askWhy, async (_, told) => {
    cannot.hidden = !told.error;
    if (told.error) return setText(cannot, `Why cannot be told. ${told.error}`);
    const picture = new Image();
    picture.src = told.picture;
    await picture.decode();
    if (isOn) paint(picture, told);
  });

  function paint(picture, { digit, field: [top, left, side] }) {
    const context = canvas.getContext("2d");
    canvas.width = padCanvas.width;
    canvas.height = padCanvas.height;
    context.drawImage(padCanvas, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = NEUTRAL;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "source-atop"; // on the ink alone
    const [x, y, size] = [left, top, side].map((fraction) => fraction * canvas.width);
    context.drawImage(picture, x, y, size, size);
    for (const node of because.querySelectorAll("b")) setText(node, String(digit));
    because.hidden = false;
    canvas.hidden = false;
  }

  function update() {
    button.setAttribute("aria-pressed", isOn);
    element.classList.toggle("explained", isOn);
    element.querySelectorAll(".score").forEach((score, digit) => {
      score.setAttribute("aria-pressed", isOn && digit === why.digit);
    });
    if (!isOn) {
      canvas.hidden = because.hidden = cannot.hidden = true;
      return;
    }
    look();
    element.dispatchEvent(new CustomEvent("explained", { detail: {} }));
  }

  function look() {
    const { digit } = galleries.answer ?? {};
    if (digit === null || digit === undefined) canvas.hidden = because.hidden = true; // no ink
    else ask({ digit: why.digit });
  }

  why.toggle = () => {
    isOn = !isOn;
    why.digit = null;
    update();
  };

  // The same once more ends it.
  why.choose = (digit) => {
    isOn = !(isOn && why.digit === digit);
    why.digit = isOn ? digit : null;
    update();
  };

  button.addEventListener("click", why.toggle);
  element.querySelectorAll(".score").forEach((score, digit) => {
    score.addEventListener("click", () => why.choose(digit));
  });
  element.addEventListener("shown", () => isOn && look());
  new ResizeObserver(() => isOn && look()).observe(padCanvas);
  return why;
}
