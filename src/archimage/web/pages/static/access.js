// The rules of who may do what: shown, changed, and asked what somebody may do by them.
import { ask, attempt, element, notice } from "./api.js";

const part = (name) => document.getElementById(name);
const WHOM = { ae_titles: "AE title", addresses: "address", certificates: "certificate", users: "user", roles: "role", tokens: "token" };
const WHAT = { patients: "patient", studies: "study", labels: "label", modalities: "modality" };
const SOURCES = {
  nobody: "Nobody has made rules or users: everybody who reaches this archive may do everything.",
  users: "These rules came with the first user. Change them to have your own.",
  file: "These rules stand in the file of the access policy.",
};

function named(kinds, table) {
  return Object.entries(kinds).filter(([key]) => table[key]?.length).map(([key, kind]) => `${kind} ${table[key].join(", ")}`);
}

function whom(rule) {
  if (rule.everyone) return "everybody";
  return [...named(WHOM, rule), ...(rule.nodes ? ["a node that is entered here"] : [])].join("; ");
}

const what = (table) => named(WHAT, table).join("; ") || "all";

function row(rule) {
  const to = rule.destinations?.length ? `; sent to ${rule.destinations.join(", ")} alone` : "";
  return element("tr", {},
    element("th", { scope: "row" }, rule.name),
    element("td", {}, whom(rule)),
    element("td", {}, rule.allow.join(", ")),
    element("td", {}, what(rule) + to));
}

function show(policy) {
  part("source").textContent = SOURCES[policy.source];
  part("source").className = policy.source === "nobody" ? "verdict bad" : "verdict good";
  part("rules").replaceChildren(...policy.rules.map(row));
  part("none").hidden = policy.rules.length > 0;
  part("text").value = policy.text;
}

part("edit").addEventListener("submit", async (event) => {
  event.preventDefault();
  part("wrong").textContent = "";
  try {
    show(await ask("/access", { method: "PUT", body: { text: part("text").value } }));
    part("change").open = false;
    notice("These rules hold now.");
  } catch (error) {
    part("wrong").textContent = error.message;
  }
});

part("somebody").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const given = Object.fromEntries(new FormData(event.target));
    const roles = given.roles.split(",").map((role) => role.trim()).filter(Boolean);
    const allowed = await ask("/access/explain", { method: "POST", body: { ...given, roles } });
    part("allowed").replaceChildren(...allowed.map((one) => element("tr", {},
      element("th", { scope: "row" }, one.operation),
      element("td", {}, one.within.map(what).join(", or ") || "all"),
      element("td", {}, one.destinations === null ? "" : one.destinations.join(", ")))));
    part("told").hidden = allowed.length === 0;
    part("nothing").hidden = allowed.length > 0;
  });
});

attempt(async () => show(await ask("/access")));
