// What goes where by itself: the rules, and what they did with which studies.
import { ask, attempt, element } from "./api.js";

const PAGE = 200;
const STATES = { done: "good", failed: "bad", failing: "bad" };
const rules = document.getElementById("rules"), rows = document.getElementById("rows"), filter = document.getElementById("filter");
const cell = (...inside) => element("td", {}, ...inside);
const sub = (text) => element("span", { className: "sub" }, text);
const when = (seconds) => element("time", { dateTime: new Date(seconds * 1000).toISOString() }, new Date(seconds * 1000).toLocaleString());

function ruleRow(one) {
  const studies = Object.entries(one.studies).map(([state, count]) => element("span", { className: `sub ${STATES[state] ?? ""}` }, `${count} ${state}`));
  return element("tr", {}, cell(element("strong", {}, one.name), sub(one.conditions.join("; ") || "everything")),
    cell(one.on === "study" ? "whole studies" : "each object"), cell(...one.actions.map((action) => sub(action))),
    cell(...(studies.length ? studies : ["none yet"])), cell(String(one.instances)));
}

function row(one) {
  const study = element("a", { href: `/studies/${encodeURIComponent(one.study_instance_uid)}`, className: "uid" }, one.study_instance_uid);
  return element("tr", {}, element("td", { className: "when" }, when(one.changed_at), sub(`job no. ${one.job}`)), cell(one.rule), cell(study),
    cell(element("span", { className: STATES[one.state] ?? "" }, one.state), one.error ? sub(one.error) : null), cell(String(one.instances)));
}

function list(made, table, none) {
  table.replaceChildren(...made);
  document.getElementById(none).hidden = made.length > 0;
  table.closest(".sheet").hidden = !made.length;
}

async function show() {
  const asked = new URLSearchParams({ limit: PAGE });
  for (const [name, value] of new FormData(filter)) if (value) asked.set(name, value);
  const [known, found] = await Promise.all([ask("/routing/rules"), ask(`/routing/studies?${asked}`)]);
  const names = document.getElementById("names");
  const there = new Set([...names.options].map((one) => one.value));
  names.append(...known.filter((one) => !there.has(one.name)).map((one) => element("option", { value: one.name }, one.name)));
  list(known.map(ruleRow), rules, "no-rules");
  list(found.map(row), rows, "none");
}

filter.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(show);
});
attempt(show);
