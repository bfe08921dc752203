// Choosing a patient: one who is there, looked for while somebody types, or a new one.
import { ask, element, later } from "./api.js";
import { dashed } from "./changed.js";

const MOST = 8;

/** Make what chooses another patient than that of a study; fresh are the fields of a new one, if there may be one. */
export function find(study, { fresh = null }) {
  const search = element("input", { type: "search", autofocus: true, autocomplete: "off", spellcheck: false, placeholder: "Name or patient ID" });
  const found = element("div", { className: "choices", role: "radiogroup", ariaLabel: "Patients" });
  const said = element("p", { className: "sub", role: "status" });
  const look = async () => {
    const page = await ask(`/patients?q=${encodeURIComponent(search.value)}&limit=${MOST + 1}`);
    const named = page.items.filter((one) => one.patient_id), same = named.filter((one) => one.patient_id === study.patient_id);
    // Of several with one ID, by different issuers, any may be the other; of one alone it is the patient himself.
    const others = named.filter((one) => same.length > 1 || !same.includes(one)).slice(0, MOST);
    found.replaceChildren(...others.map(choice));
    said.textContent = others.length ? "" : "Nobody else is found.";
    if (page.total > MOST + 1) said.textContent = `The first ${others.length} of ${page.total}: type more of the name.`;
  };
  const shown = () => look().catch((error) => { said.textContent = error.message; });
  search.addEventListener("input", later(shown, 150));
  search.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  shown();
  return [element("label", { className: "field" }, "Search ", search), found, said, ...(fresh ? [newcomer(fresh)] : [])];
}

function choice(one) {
  const more = [one.issuer_of_patient_id, one.patient_birth_date && `born ${dashed(one.patient_birth_date)}`, `${one.studies} ${one.studies === 1 ? "study" : "studies"}`];
  return element("label", { className: "choice" },
    element("input", { type: "radio", name: "to", value: "there", dataset: { id: one.patient_id, issuer: one.issuer_of_patient_id } }),
    element("span", {}, element("strong", {}, one.patient_name || "No name"), ` ${one.patient_id}`, element("span", { className: "sub" }, more.filter(Boolean).join(" · "))));
}

function newcomer(fields) {
  const radio = element("input", { type: "radio", name: "to", value: "new" });
  const more = element("div", { hidden: true }, ...fields);
  const turn = () => { more.hidden = !radio.checked; };
  const whole = element("div", { className: "choices" }, element("label", { className: "choice" }, radio, element("span", {}, element("strong", {}, "A patient who is not here yet"))), more);
  radio.addEventListener("change", turn);
  document.addEventListener("change", (event) => event.target.name === "to" && turn());
  return whole;
}
