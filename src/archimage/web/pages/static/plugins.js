// Plugins: how they fare, and whether they are called.
import { ask, attempt, element, notice } from "./api.js";
import { sure } from "./dialogs.js";

const rows = document.getElementById("rows");
const cell = (...inside) => element("td", {}, ...inside);
const sub = (text) => element("span", { className: "sub" }, text);
const when = (seconds) => new Date(seconds * 1000).toLocaleString();
const STATES = { ready: "good", broken: "bad", disabled: "bad" };

function button(text, one, work) {
  const made = element("button", { type: "button", className: "button small", ariaLabel: `${text} ${one.name}` }, text);
  made.addEventListener("click", () => attempt(async () => { if (await work()) await show(); }));
  return made;
}

async function enable(one) {
  await ask(`/plugins/${one.name}/enable`, { method: "POST" });
  notice(`${one.name} is loaded anew`);
  return true;
}

async function disable(one) {
  if (!await sure("Disable the plugin?", `${one.name} will not be called until somebody enables it again.`, "Disable")) return false;
  await ask(`/plugins/${one.name}/disable`, { method: "POST" });
  return true;
}

function row(one) {
  const told = [`${one.failures} failed`, one.failures_in_a_row ? `${one.failures_in_a_row} in a row` : "", one.dropped ? `${one.dropped} not told` : ""];
  const error = one.last_error ? [one.last_error, sub(when(one.last_error_at))] : [];
  return element("tr", {}, cell(element("strong", {}, one.name), sub(one.source)),
    cell(element("span", { className: STATES[one.state] ?? "" }, one.state), one.required ? sub("required") : null, one.reason ? sub(one.reason) : null),
    cell(one.hooks.join(", ")), cell(String(one.calls), sub(told.filter(Boolean).join(", "))), cell(...error),
    element("td", { className: "go" }, element("span", { className: "deeds" },
      button(one.state === "disabled" ? "Enable" : "Reload", one, () => enable(one)),
      one.state === "disabled" ? null : button("Disable", one, () => disable(one)))));
}

async function show() {
  const found = await ask("/plugins");
  rows.replaceChildren(...found.map(row));
  document.getElementById("none").hidden = found.length > 0;
  rows.closest(".sheet").hidden = !found.length;
}

attempt(show);
