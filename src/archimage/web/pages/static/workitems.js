// Work items: what is to be done, by whom, and how far it is. What is asked of one goes by UPS-RS, as other systems do it.
import { ask, attempt, element, later, notice } from "./api.js";
import { entered, show as dialog } from "./dialogs.js";

const PAGE = 50;
const UPS = { root: "/dicom-web" };
const LOOKS = { COMPLETED: "good", CANCELED: "bad" };
const rows = document.getElementById("rows"), filter = document.getElementById("filter"), more = document.getElementById("more");
const unmatched = document.getElementById("unmatched");
const cell = (...inside) => element("td", {}, ...inside);
const sub = (text) => (text ? element("span", { className: "sub" }, text) : null);
const person = (name) => name.split("=")[0].split("^").filter(Boolean).join(", ");
const moment = (text) => text.replace(/^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d))?.*$/, (_, year, month, day, hour, minute) => `${year}-${month}-${day}${hour ? ` ${hour}:${minute}` : ""}`);
const percent = (one) => (/^\s*\d+(\.\d*)?\s*$/.test(one.progress) ? Math.min(100, Number(one.progress)) : null);
const button = (text, about, does, kind = "") => {
  const made = element("button", { type: "button", className: `button small ${kind}`, ariaLabel: `${text} of ${about}` }, text);
  made.addEventListener("click", () => attempt(does));
  return made;
};
let next = null;

function state(one) {
  const known = percent(one);
  return [element("span", { className: LOOKS[one.state] ?? "" }, one.state.toLowerCase()),
    known === null ? null : element("progress", { max: 100, value: known, ariaLabel: `Progress of ${one.label}` }),
    sub([known === null ? "" : `${known} %`, one.progress_description].filter(Boolean).join(" · "))];
}

function row(one) {
  return element("tr", {}, element("td", { className: "when" }, moment(one.start)),
    cell(element("strong", {}, one.label), sub(one.worklist)),
    cell(person(one.patient_name) || "without a name", sub(one.patient_id)),
    cell(...state(one)), cell(one.priority.toLowerCase()), cell(one.performers.map(person).join("; ")),
    element("td", { className: "go" }, element("span", { className: "deeds" }, button("Details", one.label, () => details(one)))));
}

/** Show all of a work item; UPS-RS never tells the Transaction UID. */
async function details(one) {
  const [dataset] = await ask(`/workitems/${one.uid}`, UPS);
  const study = one.study_instance_uid ? element("a", { href: `/studies/${one.study_instance_uid}`, className: "uid" }, one.study_instance_uid) : null;
  const known = percent(one);
  const facts = [["State", one.state.toLowerCase()], ["Transaction", transaction(one.state)],
    ["Progress", [known === null ? "" : `${known} %`, one.progress_description].filter(Boolean).join(" · ")],
    ["Priority", one.priority.toLowerCase()], ["Start", moment(one.start)], ["Patient", [person(one.patient_name), one.patient_id].filter(Boolean).join(" · ")],
    ["Who", one.performers.map(person).join("; ")], ["Worklist", one.worklist], ["Study", study], ["UID", element("span", { className: "uid" }, one.uid)]];
  const close = element("button", { type: "submit", className: "button" }, "Close");
  close.autofocus = true;
  const opened = dialog(one.label,
    element("dl", { className: "facts" }, ...facts.filter(([, value]) => value).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
    element("details", { className: "inside" }, element("summary", {}, "Data set"), element("pre", { tabIndex: 0, ariaLabel: "Data set" }, JSON.stringify(dataset, null, 1))),
    element("div", { className: "answers" }, ...deeds(one, () => opened.dialog.close()), close));
}

function transaction(state) {
  if (state === "SCHEDULED") return "nobody has claimed it";
  return state === "IN PROGRESS" ? "claimed: only who has its Transaction UID may change it" : "over: nobody may change it";
}

function deeds(one, leave) {
  if (one.state !== "SCHEDULED" && one.state !== "IN PROGRESS") return [];
  return [button("Request cancellation", one.label, async () => {
    leave();
    const reason = await entered(`Request cancellation of ${one.label}?`, "Reason", "Request", { maxLength: 1024 });
    if (reason === null) return;
    const body = [{ "00741238": { vr: "LT", Value: [reason] } }];
    await ask(`/workitems/${one.uid}/cancelrequest`, { ...UPS, method: "POST", body });
    notice(one.state === "SCHEDULED" ? `${one.label} is canceled.` : "Those who follow it are asked to cancel it.");
    await show();
  }, "danger")];
}

async function page(before) {
  const asked = new URLSearchParams({ limit: PAGE });
  for (const [name, value] of new FormData(filter)) if (value) asked.set(name, value);
  const narrowed = asked.size > 1;
  if (before) asked.set("before", before);
  const found = await ask(`/workitems?${asked}`);
  next = found.next;
  more.hidden = next === null;
  return { items: found.items, narrowed };
}

function tell(narrowed) {
  const empty = !rows.children.length;
  rows.closest(".sheet").hidden = empty;
  document.getElementById("none").hidden = !empty || narrowed;
  unmatched.hidden = !empty || !narrowed;
  unmatched.textContent = next === null ? "No work item fits." : "None of those looked at so far fits; there are older ones.";
}

async function show() {
  const { items, narrowed } = await page(null);
  rows.replaceChildren(...items.map(row));
  tell(narrowed);
}

more.addEventListener("click", () => attempt(async () => {
  const { items, narrowed } = await page(next);
  rows.append(...items.map(row));
  tell(narrowed);
}));
filter.addEventListener("input", later(() => attempt(show), 250));
filter.addEventListener("submit", (event) => event.preventDefault());
attempt(show);
