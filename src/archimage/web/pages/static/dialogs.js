// Dialogs: what somebody chooses, and whether they are sure.
import { element } from "./api.js";

const button = (text, kind, value) => element("button", { type: "submit", className: `button ${kind}`, value }, text);

/** Make a dialog and show it; it goes with its closing. Returns its form, to which content belongs. */
export function show(title, ...content) {
  const heading = element("h2", { id: "dialog-title" }, title);
  const form = element("form", { method: "dialog", className: "plain-form" }, ...content);
  const dialog = element("dialog", {}, heading, form);
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, form };
}

/** Ask whether somebody is sure; words says what will happen, and deed what the button that does it is called. */
export function sure(title, words, deed, { keep = "Keep it" } = {}) {
  const no = button(keep, "", "no");
  no.autofocus = true;
  const { dialog } = show(title, ...[words].flat().map((one) => (typeof one === "string" ? element("p", {}, one) : one)),
    element("div", { className: "answers" }, no, button(deed, "danger", "yes")));
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes")));
}

/** Have one text entered; null where somebody thinks better of it. */
export function entered(title, name, deed, { list, ...properties } = {}) {
  const input = element("input", { required: true, autofocus: true, autocomplete: "off", ...properties });
  if (list) input.setAttribute("list", list);
  const no = element("button", { type: "button", className: "button" }, "Cancel");
  const { dialog } = show(title, element("label", { className: "field" }, `${name} `, input),
    element("div", { className: "answers" }, no, button(deed, "primary", "yes")));
  no.addEventListener("click", () => dialog.close("no"));
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? input.value.trim() : null)));
}
