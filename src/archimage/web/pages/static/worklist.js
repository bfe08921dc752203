// The worklist: what is scheduled, entered, changed, followed and removed.
import { ask, attempt, element, later, notice } from "./api.js";
import { show as dialog, sure } from "./dialogs.js";

const PAGE = 50;
const STATES = ["scheduled", "arrived", "started", "completed", "discontinued"];
const rows = document.getElementById("rows"), filters = document.getElementById("filters"), more = document.getElementById("more");
const cell = (...inside) => element("td", {}, ...inside);
const sub = (text) => (text ? element("span", { className: "sub" }, text) : null);
const person = (name) => name.split("=")[0].split("^").filter(Boolean).join(", ");
const day = (date) => (/^\d{8}$/.test(date) ? `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}` : date);
const hour = (time) => (/^\d{4}/.test(time) ? `${time.slice(0, 2)}:${time.slice(2, 4)}` : time);
const place = (key) => `/worklist/${encodeURIComponent(key)}`;
const button = (text, about, does, kind = "") => {
  const made = element("button", { type: "button", className: `button small ${kind}`, ariaLabel: `${text} ${about}` }, text);
  made.addEventListener("click", does);
  return made;
};

function row(entry) {
  const { fields, key, state } = entry;
  const about = person(fields.patient_name) || key;
  const below = element("td", { colSpan: 6 });
  const details = element("tr", { className: "below", hidden: true }, below);
  const open = button("Details", `of ${about}`, () => attempt(async () => {
    details.hidden = !details.hidden;
    open.setAttribute("aria-expanded", String(!details.hidden));
    if (!details.hidden) below.replaceChildren(...told(await ask(place(key))));
  }));
  open.setAttribute("aria-expanded", "false");
  const past = !entry.is_told && !["completed", "discontinued"].includes(state);
  return [element("tr", {}, element("td", { className: "when" }, day(fields.start_date), sub(hour(fields.start_time))),
    cell(element("strong", {}, about), sub([fields.patient_id, day(fields.patient_birth_date), fields.patient_sex].filter(Boolean).join(" · "))),
    cell(fields.step_description || fields.requested_procedure_description, sub(fields.accession_number)),
    cell(element("span", { className: "badge" }, fields.modality), fields.station_ae_titles.join(", "), sub(fields.station_name)),
    cell(state, past ? sub("past: not told any more") : null),
    element("td", { className: "go" }, element("span", { className: "deeds" }, open))), details];
}

function told({ entry, dataset }) {
  const { key, fields } = entry;
  const about = person(fields.patient_name) || key;
  const choice = element("select", {}, ...STATES.map((state) => element("option", { selected: state === entry.state }, state)));
  choice.addEventListener("change", () => attempt(async () => {
    await ask(`${place(key)}/state`, { method: "PUT", body: { state: choice.value } });
    notice(`${about} is ${choice.value} now.`);
    await show();
  }));
  const facts = [["Study Instance UID", fields.study_instance_uid], ["Requested procedure", `${fields.requested_procedure_id} ${fields.requested_procedure_description}`],
    ["Step", `${fields.step_id} ${fields.step_description}`], ["Referred by", person(fields.referring_physician)], ["Performed by", person(fields.performing_physician)],
    ["Came from", entry.source], ["Key", key]].filter(([, value]) => value.trim());
  const own = entry.source === "directory"
    ? [element("span", { className: "sub" }, "It stands in a file of the worklist's directory.")]
    : [button("Change", about, () => edit(entry)), button("Remove", about, () => remove(key, about), "danger")];
  return [
    element("dl", { className: "facts" }, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
    element("details", {}, element("summary", {}, "Data set"), element("pre", { tabIndex: 0 }, JSON.stringify(dataset, null, 1))),
    element("p", { className: "deeds" }, element("label", {}, "State ", choice), ...own),
  ];
}

async function remove(key, about) {
  if (!await sure(`Remove ${about}?`, "Modalities are then not told of it any more.", "Remove")) return;
  await attempt(async () => {
    await ask(place(key), { method: "DELETE" });
    await show();
  });
}

const input = (name, label, properties = {}) => element("label", { className: "field" }, `${label} `, element("input", { name, spellcheck: false, autocomplete: "off", ...properties }));
const time = (text) => hour(text) || "";

/** Have an entry made or changed. */
function edit(entry) {
  const { fields } = entry ?? { fields: { station_ae_titles: [] } };
  const problem = element("p", { className: "bad", role: "alert" });
  const close = element("button", { type: "button", className: "button" }, "Cancel");
  const { dialog: opened, form } = dialog(entry ? `Change ${person(fields.patient_name)}` : "Add an entry",
    input("patient_name", "Patient's name", { required: true, maxLength: 324, placeholder: "FAMILY^GIVEN", value: fields.patient_name ?? "" }),
    input("patient_id", "Patient ID", { required: true, maxLength: 64, value: fields.patient_id ?? "" }),
    input("patient_birth_date", "Birth date", { type: "date", value: day(fields.patient_birth_date ?? "") }),
    input("patient_sex", "Sex", { maxLength: 1, pattern: "[MFO]", title: "M, F or O", value: fields.patient_sex ?? "" }),
    input("accession_number", "Accession number", { maxLength: 16, value: fields.accession_number ?? "" }),
    input("step_description", "What is to be done", { required: true, maxLength: 64, value: fields.step_description ?? "" }),
    input("modality", "Modality", { required: true, maxLength: 16, value: fields.modality ?? "" }),
    input("station_ae_titles", "Stations' AE titles", { maxLength: 200, placeholder: "CT1, CT2", value: fields.station_ae_titles.join(", ") }),
    input("start_date", "Day", { type: "date", required: true, value: day(fields.start_date ?? "") }),
    input("start_time", "Time", { type: "time", required: true, value: time(fields.start_time ?? "") }),
    input("performing_physician", "To be performed by", { maxLength: 324, placeholder: "FAMILY^GIVEN", value: fields.performing_physician ?? "" }),
    problem, element("div", { className: "answers" }, close, element("button", { type: "submit", className: "button primary" }, "Save")));
  form.querySelector("[name=modality]").setAttribute("list", "modalities");
  close.addEventListener("click", () => opened.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await ask(entry ? place(entry.key) : "/worklist", { method: entry ? "PATCH" : "POST", body: body(form) });
      opened.close();
      await attempt(show);
    } catch (error) {
      problem.textContent = error.message;
    }
  });
}

function body(form) {
  const given = Object.fromEntries(new FormData(form));
  const plain = (text) => text.replaceAll(/[-:]/g, "");
  return {
    ...given, patient_birth_date: plain(given.patient_birth_date), start_date: plain(given.start_date), start_time: plain(given.start_time),
    station_ae_titles: given.station_ae_titles.split(",").map((title) => title.trim()).filter(Boolean),
  };
}

function asked(offset) {
  const { q, from, to, station, modality, state } = Object.fromEntries(new FormData(filters));
  const dates = from || to ? `${from.replaceAll("-", "")}-${to.replaceAll("-", "")}` : "";
  const wanted = { q, date: dates, station, modality: modality.toUpperCase(), state };
  const given = Object.entries(wanted).filter(([, value]) => value);
  return { query: new URLSearchParams([...given, ["limit", PAGE], ["offset", offset]]), narrowed: given.length > 0 };
}

async function show() {
  const { query, narrowed } = asked(0);
  const found = await ask(`/worklist?${query}`);
  rows.replaceChildren(...found.items.flatMap(row));
  rows.closest(".sheet").hidden = !found.total;
  document.getElementById("none").hidden = found.total > 0 || narrowed;
  document.getElementById("unmatched").hidden = found.total > 0 || !narrowed;
  more.hidden = found.items.length >= found.total;
}

more.addEventListener("click", () => attempt(async () => {
  const there = rows.querySelectorAll("tr:not(.below)").length;
  const found = await ask(`/worklist?${asked(there).query}`);
  rows.append(...found.items.flatMap(row));
  more.hidden = there + found.items.length >= found.total;
}));
document.getElementById("add").addEventListener("click", () => edit(null));
filters.addEventListener("input", later(() => attempt(show), 250));
filters.addEventListener("submit", (event) => event.preventDefault());
attempt(show);
