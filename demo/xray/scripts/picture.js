// The picture that goes into a network: a file, pasted or dropped, a ready one, or the live camera,
// whose frames are drawn one over the other and kept nowhere. `changed` is called when it has.

import { make } from "./dom.js";
import { SAMPLES } from "./sample_pictures.js";
import { setText } from "./text.js";

const MAX_SIDE = 512; // pixels of what is sent; a network's own size if that is smaller
const STILL = { type: "image/png" };
const FRAME = { type: "image/jpeg", quality: 0.85 };
const CAMERA = { video: { width: { ideal: 640 }, facingMode: "environment" } };
const UNREADABLE = "This is no picture that the browser can read. PNG, JPEG and WebP are.";
const NO_CAMERA = {
  NotAllowedError:
    "The camera is not allowed. Allow it in the browser's address bar, and try again.",
  NotFoundError: "There is no camera here.",
  NotReadableError: "The camera is in use by another program.",
};
const NOT_SECURE = "A browser gives its camera to pages over https or on localhost alone.";

export function makePicture(element, changed) {
  const find = (selector) => element.querySelector(selector);
  const canvas = find(".picture");
  const context = canvas.getContext("2d");
  const video = find(".video");
  const cameraButton = find(".camera");
  const picture = { canvas };
  let encoded = null; // a promise of the bytes of what is on the canvas
  let stream = null; // of the camera
  let turn = 0; // counts uses of the camera

  // The middle of a source, as large as it goes.
  function paint(source, width, height) {
    const scale = Math.max(canvas.width / width, canvas.height / height);
    const [w, h] = [width * scale, height * scale];
    context.drawImage(source, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
    encoded = null;
    changed();
  }

  async function encode() {
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    copy.getContext("2d").drawImage(canvas, 0, 0);
    const file = await copy.convertToBlob(stream ? FRAME : STILL);
    return new Uint8Array(await file.arrayBuffer());
  }

  // The bytes of a file of what is on the canvas now.
  picture.content = () => (encoded ??= encode());

  picture.isLive = () => stream !== null;

  function complain(sentence) {
    const line = find(".picture-problem");
    setText(line, sentence ?? "");
    line.hidden = !sentence;
  }

  async function show(file) {
    if (!file) return;
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      return complain(UNREADABLE);
    }
    stop();
    complain(null);
    paint(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
  }

  function showSample(draw) {
    stop();
    complain(null);
    const drawn = new OffscreenCanvas(MAX_SIDE, MAX_SIDE);
    draw(drawn.getContext("2d"), MAX_SIDE);
    paint(drawn, MAX_SIDE, MAX_SIDE);
  }

  async function start() {
    const mine = ++turn;
    complain(null);
    if (!navigator.mediaDevices) return complain(NOT_SECURE);
    cameraButton.setAttribute("aria-pressed", "true");
    try {
      const given = await navigator.mediaDevices.getUserMedia(CAMERA);
      if (mine !== turn) return given.getTracks().forEach((track) => track.stop());
      stream = given;
      video.srcObject = stream;
      await video.play();
      stream.getVideoTracks()[0].addEventListener("ended", stop);
      follow(mine);
    } catch (error) {
      if (mine !== turn) return;
      stop();
      complain(NO_CAMERA[error.name] ?? `The camera cannot be used: ${error.message}`);
    }
  }

  function follow(mine) {
    if (mine !== turn) return;
    if (video.videoWidth) paint(video, video.videoWidth, video.videoHeight);
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(() => follow(mine));
    else requestAnimationFrame(() => follow(mine));
  }

  // What was seen last stays.
  function stop() {
    turn++;
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    encoded = null;
    video.srcObject = null;
    cameraButton.setAttribute("aria-pressed", "false");
  }

  element.addEventListener("described", ({ detail: { input } }) => {
    stop();
    if (input.kind !== "picture") return;
    const scale = Math.min(1, MAX_SIDE / Math.max(input.width, input.height));
    canvas.width = Math.round(input.width * scale);
    canvas.height = Math.round(input.height * scale);
    element.style.setProperty("--input", input.width / input.height);
    showSample(SAMPLES[0].draw);
  });

  find(".ready").replaceChildren(
    ...SAMPLES.map(({ name, draw }) => {
      const button = make("button", { className: "tool sample", title: `Look at ${name}` }, name);
      button.addEventListener("click", () => showSample(draw));
      return button;
    }),
  );
  cameraButton.addEventListener("click", () => (stream ? stop() : start()));
  find(".file").addEventListener("change", ({ target }) => {
    show(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  const stage = find(".stage-picture");
  stage.addEventListener("dragover", (event) => event.preventDefault());
  stage.addEventListener("drop", (event) => {
    event.preventDefault();
    show([...event.dataTransfer.files][0]);
  });
  document.addEventListener("paste", (event) => {
    const isHere = element.classList.contains("for-picture") && element.offsetParent;
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (!isHere || !file) return;
    event.preventDefault();
    show(file);
  });
  addEventListener("pagehide", stop);
  return picture;
}
