// Options of de-identification (PS3.15 Annex E): what is kept of objects, cleaned or as it is.
import { element } from "./api.js";

const DATES = [["", "removed"], ["retain-modified-dates", "moved back, all of a patient alike"], ["retain-full-dates", "kept"]];
const KEPT = [
  ["clean-descriptors", "Descriptions and comments", "known words alone"],
  ["clean-structured-content", "Content of reports", "without persons and places"],
  ["clean-graphics", "Overlays and graphics", "where no text is found in them"],
  ["retain-patient-characteristics", "Sex, age, size and weight", ""],
  ["retain-device-identity", "Station and device", ""],
  ["retain-institution-identity", "Institution", ""],
  ["retain-safe-private", "Private attributes", "those that are thought to be safe"],
];
const UIDS = ["retain-uids", "UIDs", "links to the originals stay"];

/** Make the field of a project; properties are those of its input. */
export const project = (name, properties) => element("label", { className: "field" }, `${name} `,
  element("input", { name: "project", maxLength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9_\\-]*", title: "letters, digits, - and _", spellcheck: false, autocomplete: "off", ...properties }));

/** Make the field of one option. */
export const box = (value, text, checked = false) => element("label", { className: "check" },
  element("input", { type: "checkbox", name: "option", value, checked }), text);

/** Make the fields of options, of which some are chosen; uids offers to keep those too. */
export function fields(chosen = [], { uids = false } = {}) {
  const dates = element("select", { name: "dates" }, ...DATES.map(([value, text]) => element("option", { value }, text)));
  dates.value = DATES.find(([value]) => value && chosen.includes(value))?.[0] ?? "";
  const boxes = (uids ? [...KEPT, UIDS] : KEPT).map(([value, text, more]) => box(value, `${text}${more ? `: ${more}` : ""}`, chosen.includes(value)));
  return [element("label", { className: "field" }, "Dates ", dates), element("fieldset", { className: "kept" }, element("legend", {}, "Keep"), ...boxes)];
}

/** Return the options that are chosen in a form. */
export function chosen(form) {
  const found = new FormData(form);
  return [found.get("dates"), ...found.getAll("option")].filter(Boolean);
}
