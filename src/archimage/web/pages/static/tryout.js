// Sends a request that only reads, and shows what comes back: not more than fits, nor longer than somebody waits.
import { element } from "./api.js";

const MAX_BYTES = 1 << 18, WAIT_MS = 5000;

/** Make the button that sends what request() tells, and shows the answer at the end of the form. */
export function tryOut(form, request) {
  const button = element("button", { type: "button", className: "button small primary" }, "Try it");
  const told = element("div", { className: "answer", role: "status" });
  button.addEventListener("click", async () => {
    if (!form.reportValidity()) return;
    button.disabled = true;
    told.replaceChildren("asking …");
    form.append(told);
    try {
      told.replaceChildren(...await sent(request()));
    } catch {
      told.replaceChildren(element("p", { className: "bad" }, "The server does not answer."));
    }
    button.disabled = false;
  });
  return button;
}

async function sent({ address, headers, accept }) {
  const control = new AbortController(), started = performance.now();
  const timer = setTimeout(() => control.abort(), WAIT_MS);
  try {
    const answer = await fetch(address, { headers: { ...headers, ...(accept && { Accept: accept }) }, signal: control.signal });
    const { pieces, size, whole } = await taken(answer);
    const type = answer.headers.get("Content-Type") ?? "no body";
    const elapsed = Math.round(performance.now() - started);
    const line = element("p", {}, element("strong", { className: answer.ok ? "good" : "bad" }, `${answer.status} ${answer.statusText}`), ` · ${type} · ${size.toLocaleString("en")} bytes${whole ? "" : " so far, and more"} · ${elapsed} ms`);
    return [line, await shown(new Blob(pieces, { type }), whole)].filter(Boolean);
  } finally {
    clearTimeout(timer);
    control.abort();
  }
}

/** Take the beginning of an answer; a stream that never ends is left when the time is over. */
async function taken(answer) {
  const reader = answer.body?.getReader(), pieces = [];
  let size = 0;
  try {
    while (reader && size < MAX_BYTES) {
      const { done, value } = await reader.read();
      if (done) return { pieces, size, whole: true };
      pieces.push(value);
      size += value.length;
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
  return { pieces, size, whole: !reader };
}

async function shown(blob, whole) {
  if (!blob.size) return null;
  if (blob.type.startsWith("image/") && whole) {
    const picture = await createImageBitmap(blob);
    const canvas = element("canvas", { width: picture.width, height: picture.height, role: "img", ariaLabel: "The picture that came" });
    canvas.getContext("2d").drawImage(picture, 0, 0);
    return canvas;
  }
  if (!/json|xml|text/.test(blob.type) || blob.type.startsWith("multipart")) return element("p", { className: "sub" }, "Not text: fetch it with curl.");
  const text = await blob.text();
  const pretty = blob.type.includes("json") && whole ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return element("pre", { tabIndex: 0, ariaLabel: "Answer" }, pretty);
}
