// The picture for networks that take pictures: a file (opened, pasted or dropped), a sample, or the
// live camera, whose frames are never stored. `changed` is called whenever the picture changes.

import { make } from "./dom.js";
import { t } from "./language.js";
import { SAMPLES } from "./sample_pictures.js";
import { setText } from "./text.js";

const MAX_SIDE = 512; // pixels per side that are sent, or the network's input size if smaller
const FILE = { type: "image/png" };
const FRAME = { type: "image/jpeg", quality: 0.85 };
const CAMERA = { video: { width: { ideal: 640 }, facingMode: "environment" } };
const UNREADABLE = "The browser cannot read this picture. Use a PNG, JPEG or WebP file.";
const CAMERA_ERRORS = {
  NotAllowedError: "The camera is not allowed. Allow it in the address bar, then try again.",
  NotFoundError: "No camera was found.",
  NotReadableError: "Another program is using the camera.",
};
const NOT_SECURE = "Browsers allow the camera only on https pages and on localhost.";

export function makePicture(element, changed) {
  const find = (selector) => element.querySelector(selector);
  const canvas = find(".picture");
  const context = canvas.getContext("2d");
  const video = find(".video");
  const cameraButton = find(".camera");
  const picture = { canvas };
  let encoded = null; // promise of the canvas as a file's bytes
  let stream = null; // of the camera
  let session = 0; // number of the camera session; late results of an earlier session are ignored

  // Fills the canvas with the middle of a source.
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
    const file = await copy.convertToBlob(stream ? FRAME : FILE);
    return new Uint8Array(await file.arrayBuffer());
  }

  // The current picture as a file's bytes.
  picture.content = () => (encoded ??= encode());

  picture.isLive = () => stream !== null;

  function showProblem(text) {
    const line = find(".picture-problem");
    setText(line, text ? t(text) : "");
    line.hidden = !text;
  }

  async function showFile(file) {
    if (!file) return;
    let bitmap;
    try {
      bitmap = await createImageBitmap(file);
    } catch {
      return showProblem(UNREADABLE);
    }
    stopCamera();
    showProblem(null);
    paint(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
  }

  function showSample(draw) {
    stopCamera();
    showProblem(null);
    const sample = new OffscreenCanvas(MAX_SIDE, MAX_SIDE);
    draw(sample.getContext("2d"), MAX_SIDE);
    paint(sample, MAX_SIDE, MAX_SIDE);
  }

  async function startCamera() {
    const current = ++session;
    showProblem(null);
    if (!navigator.mediaDevices) return showProblem(NOT_SECURE);
    cameraButton.setAttribute("aria-pressed", "true");
    try {
      const opened = await navigator.mediaDevices.getUserMedia(CAMERA);
      if (current !== session) return opened.getTracks().forEach((track) => track.stop());
      stream = opened;
      video.srcObject = stream;
      await video.play();
      stream.getVideoTracks()[0].addEventListener("ended", stopCamera);
      paintFrames(current);
    } catch (error) {
      if (current !== session) return;
      stopCamera();
      showProblem(
        CAMERA_ERRORS[error.name] ??
          t("The camera cannot be used: {reason}", { reason: error.message }),
      );
    }
  }

  function paintFrames(current) {
    if (current !== session) return;
    if (video.videoWidth) paint(video, video.videoWidth, video.videoHeight);
    const next = () => paintFrames(current);
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }

  // The last frame stays.
  function stopCamera() {
    session++;
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    encoded = null;
    video.srcObject = null;
    cameraButton.setAttribute("aria-pressed", "false");
  }

  element.addEventListener("network-loaded", ({ detail: { input } }) => {
    stopCamera();
    if (input.kind !== "picture") return;
    const scale = Math.min(1, MAX_SIDE / Math.max(input.width, input.height));
    canvas.width = Math.round(input.width * scale);
    canvas.height = Math.round(input.height * scale);
    element.style.setProperty("--input-aspect", input.width / input.height);
    showSample(SAMPLES[0].draw);
  });

  find(".sample-pictures").replaceChildren(
    ...SAMPLES.map(({ name, draw }) => {
      const button = make(
        "button",
        { className: "tool sample", title: t("Sample picture") },
        t(name),
      );
      button.addEventListener("click", () => showSample(draw));
      return button;
    }),
  );
  cameraButton.addEventListener("click", () => (stream ? stopCamera() : startCamera()));
  find(".file").addEventListener("change", ({ target }) => {
    showFile(target.files[0]);
    target.value = ""; // so that the same file can be opened again
  });
  const frame = find(".picture-frame");
  frame.addEventListener("dragover", (event) => event.preventDefault());
  frame.addEventListener("drop", (event) => {
    event.preventDefault();
    showFile([...event.dataTransfer.files][0]);
  });
  document.addEventListener("paste", (event) => {
    const isVisible = element.classList.contains("for-picture") && element.offsetParent;
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (!isVisible || !file) return;
    event.preventDefault();
    showFile(file);
  });
  addEventListener("pagehide", stopCamera);
  return picture;
}
