// Labels of a study: shown as chips, given and taken.
import { ask, attempt, element } from "./api.js";

const chip = (label, turns) =>
  element("span", { className: "label" },
    element("a", { href: `/?label=${encodeURIComponent(label)}`, dataset: turns ? { turn: "" } : {} }, label),
    element("button", { type: "button", className: "remove", dataset: { label }, ariaLabel: `Remove label ${label}` }, "×"));
const adder = (name) => element("button", { type: "button", className: "add", ariaLabel: `Add a label to ${name}` }, "+ label");

/** Give a study a label (PUT) or take it (DELETE); returns what it has then. */
export const setLabel = (study, label, method) => ask(`/studies/${study}/labels/${encodeURIComponent(label)}`, { method });

async function change(place, label, method) {
  const left = await attempt(() => setLabel(place.dataset.study, label, method));
  if (!left) return;
  showLabels(place, left);
  place.querySelector(".add").focus();
}

/** Show the labels of a study in the place for them. */
export function showLabels(place, labels) {
  place.replaceChildren(...labels.map((label) => chip(label, "turns" in place.dataset)), adder(place.dataset.name));
}

/** Let somebody type a label. */
function enter(place, button) {
  const input = element("input", { className: "entry", maxLength: 64, ariaLabel: "New label", placeholder: "label" });
  input.setAttribute("list", "labels");
  let over = false;
  const done = (focus) => {
    if (over) return; // taking the field away makes it lose the focus, which ends it too
    over = true;
    input.replaceWith(button);
    if (focus) button.focus();
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") done(true);
    if (event.key !== "Enter") return;
    const label = input.value.trim();
    done(true);
    if (label) change(place, label, "PUT");
  });
  input.addEventListener("blur", () => done(false));
  button.replaceWith(input);
  input.focus();
}

/** Do what a click in a place for labels asks for. */
export function onLabelClick({ target }) {
  const place = target.closest(".labels");
  if (!place) return;
  if (target.matches(".remove")) change(place, target.dataset.label, "DELETE");
  else if (target.matches(".add")) enter(place, target);
}
