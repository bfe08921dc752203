// The trail: what was corrected, merged and moved, by whom, when and why.
import { ask, attempt, element } from "./api.js";
import { values } from "./changed.js";

const PAGE = 25;
const NAMES = {
  "correct-patient": "Patient corrected", "correct-study": "Study corrected", "correct-series": "Series corrected",
  merge: "Patients merged", move: "Study moved",
};
const asked = new URLSearchParams(location.search);
const study = asked.get("study") ?? "", only = asked.get("number") ?? "";
const rows = document.getElementById("rows"), more = document.getElementById("more");
const when = (seconds) => element("time", { dateTime: new Date(seconds * 1000).toISOString() }, new Date(seconds * 1000).toLocaleString());
const cell = (...inside) => element("td", {}, ...inside);
const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

function row(one) {
  const below = element("td", { colSpan: 6 });
  const details = element("tr", { className: "below", hidden: true }, below);
  const open = element("button", { type: "button", className: "button small", ariaExpanded: "false", ariaLabel: `Details of change ${one.number}` }, "Details");
  const toggle = () => attempt(async () => {
    details.hidden = !details.hidden;
    open.setAttribute("aria-expanded", String(!details.hidden));
    if (!details.hidden) below.replaceChildren(...told(await ask(`/changes/${one.number}`)));
  });
  open.addEventListener("click", toggle);
  const who = [one.asker.address || "not known", element("span", { className: "sub" }, one.asker.user_agent)];
  const state = element("span", { className: one.state === "failed" ? "bad" : one.state === "done" ? "good" : "" }, one.state);
  const bar = one.state === "running" ? element("progress", { max: one.objects || 1, value: one.done, ariaLabel: `Progress of change ${one.number}` }) : null;
  const far = `${one.done} of ${count(one.objects, "object")}${one.failed ? `, ${one.failed} failed` : ""}`;
  return [element("tr", {}, element("td", { className: "when" }, when(one.asked_at), element("span", { className: "sub" }, `no. ${one.number}`)),
    cell(element("strong", {}, NAMES[one.kind]), element("span", { className: "sub" }, count(one.studies, "study", "studies"))),
    cell(one.reason), cell(...who), cell(state, bar, element("span", { className: "sub" }, far)),
    element("td", { className: "go" }, element("span", { className: "deeds" }, ...deeds(one), open))), details];
}

function deeds(one) {
  const deed = { running: ["cancel", "Cancel"], cancelled: ["resume", "Resume"], failed: ["resume", "Resume"] }[one.state];
  if (!deed) return [];
  const [path, name] = deed;
  const made = element("button", { type: "button", className: "button small", ariaLabel: `${name} change ${one.number}` }, name);
  made.addEventListener("click", () => attempt(async () => {
    await ask(`/changes/${one.number}/${path}`, { method: "POST" });
    await show();
  }));
  return [made];
}

function told({ change, studies }) {
  const { patient } = change;
  const whose = patient.patient_id ? [patient.patient_id, patient.issuer_of_patient_id].filter(Boolean).join(", ") : "without an ID";
  const problems = studies.flatMap((one) => Object.entries(one.problems));
  return [
    change.error ? element("p", { className: "bad" }, change.error) : null,
    element("p", {}, `Patient ${whose}${change.ended_at ? ". Ended " : ""}`, change.ended_at ? when(change.ended_at) : null, "."),
    values(change.new_values, studies),
    element("ul", { className: "changed" }, ...studies.map((one) => element("li", {},
      element("a", { href: `/studies/${one.study_instance_uid}`, className: "uid" }, one.study_instance_uid), ` ${one.done} of ${count(one.objects, "object")}`))),
    problems.length ? element("ul", { className: "problems" }, ...problems.map(([uid, why]) => element("li", {}, `${why} `, element("span", { className: "uid" }, uid)))) : null,
  ].filter(Boolean);
}

async function page(offset) {
  if (only) return { items: [(await ask(`/changes/${encodeURIComponent(only)}`)).change], total: 1 };
  return ask(`/changes?limit=${PAGE}&offset=${offset}${study ? `&study=${encodeURIComponent(study)}` : ""}`);
}

async function show() {
  const found = await page(0);
  rows.replaceChildren(...found.items.flatMap(row));
  document.getElementById("none").hidden = found.total > 0;
  rows.closest(".sheet").hidden = !found.total;
  more.hidden = found.items.length >= found.total;
  if (only) rows.querySelector("[aria-expanded]").click();
}

more.addEventListener("click", () => attempt(async () => {
  const there = rows.querySelectorAll("tr:not(.below)").length;
  const found = await page(there);
  rows.append(...found.items.flatMap(row));
  more.hidden = there + found.items.length >= found.total;
}));
const all = document.getElementById("all");
all.hidden = !(study || only);
attempt(show);
setInterval(() => {
  const busy = rows.querySelector("progress"), open = rows.querySelector("[aria-expanded=true]");
  if (busy && !open && !document.hidden) show().catch(() => {});
}, 2000);
