// What modalities do and have done, and which of the images they have made are here.
import { ask, attempt, element } from "./api.js";
import { sure } from "./dialogs.js";

const PAGE = 50, SHOWN_MISSING = 10;
const rows = document.getElementById("rows"), more = document.getElementById("more"), filter = document.getElementById("filter");
const cell = (...inside) => element("td", {}, ...inside);
const sub = (text) => element("span", { className: "sub" }, text);
const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
const moment = (date, time) => [date.replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3"), time.replace(/^(\d\d)(\d\d).*$/, "$1:$2")].filter(Boolean).join(" ");
const STATES = { COMPLETED: "good", DISCONTINUED: "bad" };
let last = null;

/** How many of the images that a step has made are here. */
function images(one) {
  if (!one.instances) return [sub("none told")];
  const whole = one.kept === one.instances;
  return [element("span", { className: whole ? "good" : one.state === "IN PROGRESS" ? "" : "bad" }, whole ? `all ${one.instances} here` : `${one.kept} of ${one.instances} here`)];
}

function row(one) {
  const below = element("td", { colSpan: 6 });
  const details = element("tr", { className: "below", hidden: true }, below);
  const open = element("button", { type: "button", className: "button small", ariaExpanded: "false", ariaLabel: `Details of step ${one.performed_procedure_step_id}` }, "Details");
  open.addEventListener("click", () => attempt(async () => {
    details.hidden = !details.hidden;
    open.setAttribute("aria-expanded", String(!details.hidden));
    if (!details.hidden) below.replaceChildren(...told(await ask(`/performed-steps/${one.sop_instance_uid}`)));
  }));
  return [element("tr", {}, element("td", { className: "when" }, moment(one.start_date, one.start_time), one.end_time ? sub(`to ${moment(one.end_date === one.start_date ? "" : one.end_date, one.end_time)}`) : null),
    cell(element("strong", {}, one.patient_name || "without a name"), sub(one.patient_id)),
    cell(`${one.modality} ${one.description}`.trim(), sub([one.performed_procedure_step_id, one.station_ae_title, one.accession_number].filter(Boolean).join(", "))),
    cell(element("span", { className: STATES[one.state] ?? "" }, one.state.toLowerCase())), cell(...images(one)),
    element("td", { className: "go" }, element("span", { className: "deeds" }, ...deeds(one), open))), details];
}

function deeds(one) {
  if (one.state !== "IN PROGRESS") return [];
  const made = element("button", { type: "button", className: "button small", ariaLabel: `Discontinue step ${one.performed_procedure_step_id}` }, "Discontinue");
  made.addEventListener("click", () => attempt(async () => {
    const words = "Its modality can then no longer say what it has made. This is for steps that were left open.";
    if (!await sure("Discontinue the step?", words, "Discontinue", { keep: "Leave it" })) return;
    await ask(`/performed-steps/${one.sop_instance_uid}/discontinue`, { method: "POST" });
    await show();
  }));
  return [made];
}

function told({ step, series }) {
  return [
    element("p", {}, "Study ", element("a", { href: `/studies/${step.study_instance_uid}`, className: "uid" }, step.study_instance_uid), ", step ", element("span", { className: "uid" }, step.sop_instance_uid)),
    element("ul", { className: "changed" }, ...series.map((one) => element("li", {},
      element("strong", {}, one.description || one.protocol_name), ` ${one.kept} of ${count(one.instances, "image")} here`,
      one.missing.length ? element("ul", { className: "problems" }, ...one.missing.slice(0, SHOWN_MISSING).map((uid) => element("li", {}, "missing: ", element("span", { className: "uid" }, uid)))) : null,
      one.missing.length > SHOWN_MISSING ? sub(`and ${one.missing.length - SHOWN_MISSING} more`) : null))),
    series.length ? null : element("p", {}, "It has not said yet what it has made."),
  ].filter(Boolean);
}

async function page(before) {
  const asked = new URLSearchParams({ limit: PAGE });
  for (const [name, value] of new FormData(filter)) if (value) asked.set(name, name === "date" ? value.replaceAll("-", "") : value);
  if (before) asked.set("before", before);
  const found = await ask(`/performed-steps?${asked}`);
  last = found.at(-1)?.id ?? null;
  more.hidden = found.length < PAGE;
  return found;
}

async function show() {
  const found = await page(null);
  rows.replaceChildren(...found.flatMap(row));
  document.getElementById("none").hidden = found.length > 0;
  rows.closest(".sheet").hidden = !found.length;
}

more.addEventListener("click", () => attempt(async () => rows.append(...(await page(last)).flatMap(row))));
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(show);
});
attempt(show);
