// Correcting, merging and moving: what somebody enters, what that would do, and how far it is.
import { ask, element } from "./api.js";
import { dashed, values } from "./changed.js";
import { show } from "./dialogs.js";
import { find } from "./patients.js";
import { follow, isGood, meter } from "./tasks.js";

const SEXES = [["", "not known"], ["F", "female"], ["M", "male"], ["O", "other"]];
const PATIENT = [
  ["PatientName", "Name", { placeholder: "Family^Given", maxLength: 200 }], ["PatientID", "Patient ID", { maxLength: 64 }],
  ["PatientBirthDate", "Birth date", { type: "date" }], ["PatientSex", "Sex", { choices: SEXES }],
];
const STUDY = [
  ["StudyDescription", "Description", { maxLength: 64 }], ["StudyDate", "Date", { type: "date" }], ["StudyTime", "Time", { placeholder: "HHMMSS", maxLength: 14 }],
  ["AccessionNumber", "Accession number", { maxLength: 16 }], ["StudyID", "Study ID", { maxLength: 16 }],
  ["ReferringPhysicianName", "Referring physician", { placeholder: "Family^Given", maxLength: 200 }],
];
const COLUMNS = {
  PatientName: "patient_name", PatientID: "patient_id", PatientBirthDate: "patient_birth_date", PatientSex: "patient_sex",
  StudyDescription: "study_description", StudyDate: "study_date", StudyTime: "study_time", AccessionNumber: "accession_number",
  StudyID: "study_id", ReferringPhysicianName: "referring_physician_name",
};

/** Make the field of an attribute; its input is named by the keyword, and knows what stood there. */
function field([keyword, name, { type, choices, ...rest }], before = "") {
  const shown = type === "date" ? dashed(before) : before;
  const input = choices
    ? element("select", { name: keyword }, ...choices.map(([value, text]) => element("option", { value }, text)))
    : element("input", { name: keyword, type: type ?? "text", autocomplete: "off", spellcheck: false, ...rest });
  if (choices && !choices.some(([value]) => value === shown)) input.append(element("option", { value: shown }, shown));
  input.value = shown;
  input.dataset.before = input.value; // a date that is none is not shown, and so not changed
  return element("label", { className: "field" }, `${name} `, input);
}

/** Return the attributes whose fields were changed, or all that have a value. */
function entered(form, fields, { all = false } = {}) {
  const found = {};
  for (const [keyword, , { type }] of fields) {
    const input = form.elements[keyword], text = input.value.trim();
    if (all ? text : input.value !== input.dataset.before) found[keyword] = type === "date" ? text.replaceAll("-", "") : text;
  }
  return found;
}

const KINDS = {
  "correct-patient": {
    title: "Correct patient", words: "In all studies of this patient, in every object.",
    make: (now) => PATIENT.map((one) => field(one, now[COLUMNS[one[0]]])),
    read: (form, study) => ({ patient: { study_instance_uid: study }, attributes: entered(form, PATIENT) }),
  },
  "correct-study": {
    title: "Correct study", words: "In every object of this study.",
    make: (now) => STUDY.map((one) => field(one, now[COLUMNS[one[0]]])),
    read: (form, study) => ({ study_instance_uid: study, attributes: entered(form, STUDY) }),
  },
  move: {
    title: "Move to another patient", words: "This study alone; what else is known of its patient stays where it is.",
    make: (now) => find(now, { fresh: PATIENT.map((one) => field(one)) }),
    read: (form, study) => ({ studies: [study], ...chosen(form) }),
  },
  merge: {
    title: "Merge into another patient", words: "All studies of this patient become those of the other, with what is known of that one.",
    make: (now) => find(now, {}),
    read: (form, study) => ({ patient: { study_instance_uid: study }, ...chosen(form) }),
  },
};

function chosen(form) {
  const to = form.querySelector("[name=to]:checked");
  if (!to) throw new Error("Choose the patient who is to have it.");
  if (to.value === "new") return { attributes: entered(form, PATIENT, { all: true }) };
  return { into: { patient_id: to.dataset.id, issuer_of_patient_id: to.dataset.issuer } };
}

/** Let somebody change a study or its patient; done is called when something was changed. */
export async function change(kind, study, done) {
  const now = await ask(`/studies/${study}`);
  const { title, words, make, read } = KINDS[kind];
  const told = element("p", { className: "bad", role: "alert" });
  const reason = element("input", { name: "reason", required: true, maxLength: 500, autocomplete: "off", placeholder: "stays in the trail" });
  const entry = element("div", {}, element("p", { className: "sub" }, words), ...make(now), element("label", { className: "field" }, "Why ", reason));
  const shown = element("div", { tabIndex: -1, className: "preview", hidden: true });
  const close = element("button", { type: "button", className: "button" }, "Cancel");
  const back = element("button", { type: "button", className: "button", hidden: true }, "Back");
  const go = element("button", { type: "submit", className: "button primary" }, "Preview");
  const { dialog, form } = show(title, entry, shown, told, element("div", { className: "answers" }, close, back, go));
  let wanted = null;

  const turn = (previewed) => {
    entry.hidden = previewed;
    back.hidden = shown.hidden = !previewed;
    go.textContent = previewed ? "Change" : "Preview";
    go.disabled = false;
    told.textContent = "";
    wanted = previewed ? wanted : null;
    (previewed ? shown : entry.querySelector("input, select")).focus();
  };
  close.addEventListener("click", () => dialog.close());
  back.addEventListener("click", () => turn(false));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      if (wanted) return await run(wanted, { dialog, shown, close, back, go }, done);
      const body = { kind, ...read(form, study), reason: reason.value };
      if (body.attributes && !Object.keys(body.attributes).length) throw new Error("Nothing is different yet.");
      const preview = await ask("/changes/preview", { method: "POST", body });
      wanted = body;
      turn(true);
      shown.replaceChildren(...described(preview));
      if (preview.obstacle) go.disabled = true;
      else go.textContent = `Change ${count(preview.objects, "object")}`;
    } catch (error) {
      told.textContent = error.message;
      go.disabled = false;
    }
    return undefined;
  });
}

const count = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;

function described(preview) {
  const warnings = preview.warnings.map((one) => element("li", {}, sentence(one)));
  return [
    element("p", {}, `${count(preview.objects, "object")} in ${count(preview.studies.length, "study").replace("studys", "studies")} will be written anew. Pixels, UIDs and all else stay; what the values were is noted in each object.`),
    preview.obstacle ? element("p", { className: "bad" }, sentence(preview.obstacle)) : null,
    warnings.length ? element("ul", { className: "problems" }, ...warnings) : null,
    values(preview.new_values, preview.studies),
  ].filter(Boolean);
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

async function run(wanted, { dialog, shown, close, back, go }, done) {
  const { place, tell } = meter("Progress of the change");
  const begun = await ask("/changes", { method: "POST", body: wanted });
  shown.replaceChildren(place);
  back.hidden = go.hidden = true;
  close.textContent = "Close";
  dialog.addEventListener("close", done);
  const task = await follow(begun.task, tell);
  if (isGood(task)) dialog.close();
  else shown.append(element("p", {}, "See ", element("a", { href: `/changes?number=${begun.change.number}` }, `change ${begun.change.number}`), "."));
}

