// What a remote node keeps: looked for there, and brought here.
import { ask, attempt, element } from "./api.js";
import { follow, isGood, meter } from "./tasks.js";

const LIMIT = 200;
const form = document.getElementById("query"), rows = document.getElementById("rows"), told = document.getElementById("told");
const sheet = rows.closest(".sheet");
const text = (value) => [value ?? ""].flat().map((one) => (typeof one === "string" ? one : "")).join(" ");
const date = (value) => text(value).replace(/^(\d{4})(\d{2})(\d{2})$/, "$1-$2-$3");
const name = (value) => text(value).split("=")[0].split("^").map((one) => one.trim()).filter(Boolean).join(", ");
const node = () => `/nodes/${encodeURIComponent(form.elements.node.value)}`;
const images = (many) => (many ? `${many} ${many === "1" ? "image" : "images"}` : "");

/** The keys of the query; what is typed as a name is its beginning. */
function keys() {
  const { name: patient, id, accession, from, to, modality } = form.elements;
  const found = {};
  const put = (key, value) => { if (value) found[key] = value; };
  const typed = patient.value.trim();
  put("PatientName", typed && (/[*?^=]/.test(typed) ? typed : `${typed.replace(/,\s*|\s+/, "^")}*`));
  put("PatientID", id.value.trim());
  put("AccessionNumber", accession.value.trim());
  const dates = [from, to].map((field) => field.value.replaceAll("-", "")).join("-");
  put("StudyDate", dates === "-" ? "" : dates);
  put("ModalitiesInStudy", modality.value);
  return found;
}

async function search() {
  const button = form.querySelector("button");
  button.disabled = true;
  told.className = "count";
  told.textContent = "asking …";
  rows.replaceChildren();
  sheet.hidden = true;
  try {
    const found = await ask(`${node()}/query`, { method: "POST", body: { level: "STUDY", keys: keys(), limit: LIMIT } });
    rows.replaceChildren(...found.rows.flatMap(study));
    sheet.hidden = !found.rows.length;
    const many = `${found.rows.length} ${found.rows.length === 1 ? "study" : "studies"}`;
    told.textContent = found.complete ? many : `${many}, and more: narrow the search`;
  } catch (error) {
    told.className = "count bad";
    told.textContent = error.message;
  }
  button.disabled = false;
}

function bring(what, wanted) {
  const course = element("div", { className: "course" });
  const button = element("button", { type: "button", className: "button small", ariaLabel: `Retrieve ${what}` }, "Retrieve");
  const cancel = element("button", { type: "button", className: "button small danger", hidden: true }, "Cancel");
  button.addEventListener("click", async () => {
    const { place, tell } = meter(`Retrieving ${what}`);
    course.replaceChildren(place);
    button.disabled = true;
    try {
      const task = await ask(`${node()}/retrieve`, { method: "POST", body: wanted });
      cancel.hidden = false;
      cancel.onclick = () => attempt(() => ask(`/tasks/${task.id}/cancel`, { method: "POST" }));
      if (isGood(await follow(task, tell))) place.append(element("a", { href: `/studies/${wanted.study_instance_uid}` }, "Open the study"));
    } catch (error) {
      tell({ state: "failed", error: error.message });
    }
    cancel.hidden = true;
    button.disabled = false;
  });
  return [element("span", { className: "deeds" }, button, cancel), course];
}

function study(one) {
  const uid = text(one.StudyInstanceUID), who = name(one.PatientName) || "No name";
  const below = element("tr", { className: "below", hidden: true }, element("td", { colSpan: 6 }));
  const series = element("button", { type: "button", className: "button small", ariaExpanded: "false", ariaLabel: `Series of ${who}` }, "Series");
  series.addEventListener("click", () => attempt(async () => {
    below.hidden = !below.hidden;
    series.setAttribute("aria-expanded", String(!below.hidden));
    if (below.hidden || below.dataset.filled) return;
    below.dataset.filled = "yes";
    await fillSeries(uid, below.firstElementChild);
  }));
  const [deeds, course] = bring(who, { study_instance_uid: uid });
  deeds.prepend(series);
  return [element("tr", {}, element("td", {}, element("strong", {}, who), element("span", { className: "sub" }, text(one.PatientID))),
    element("td", { className: "when" }, date(one.StudyDate)), element("td", {}, text(one.ModalitiesInStudy)),
    element("td", {}, text(one.StudyDescription), element("span", { className: "sub" }, text(one.AccessionNumber))),
    element("td", { className: "amount" }, images(text(one.NumberOfStudyRelatedInstances))),
    element("td", { className: "said" }, deeds, course)), below];
}

async function fillSeries(uid, cell) {
  cell.textContent = "asking …";
  try {
    const found = await ask(`${node()}/query`, { method: "POST", body: { level: "SERIES", keys: { StudyInstanceUID: uid }, limit: LIMIT } });
    cell.replaceChildren(element("ul", { className: "brought" }, ...found.rows.map((one) => {
      const title = [text(one.Modality), text(one.SeriesNumber), text(one.SeriesDescription)].filter(Boolean).join(" · ");
      return element("li", {}, element("span", {}, title), element("span", { className: "sub" }, images(text(one.NumberOfSeriesRelatedInstances))),
        ...bring(title, { study_instance_uid: uid, series_instance_uid: text(one.SeriesInstanceUID) }));
    })));
  } catch (error) {
    cell.className = "bad";
    cell.textContent = error.message;
  }
}

attempt(async () => {
  const nodes = await ask("/nodes"), wished = new URLSearchParams(location.search).get("node");
  form.elements.node.replaceChildren(...nodes.map((one) => element("option", { value: one.ae_title }, [one.ae_title, one.description].filter(Boolean).join(" · "))));
  if (nodes.some((one) => one.ae_title === wished)) form.elements.node.value = wished;
  document.getElementById("none").hidden = nodes.length > 0;
  form.hidden = !nodes.length;
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
