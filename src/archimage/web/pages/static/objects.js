// Objects without a patient: what they are, from whom they came; they are deleted here.
import { ask, attempt, element, notice } from "./api.js";
import { newest } from "./newest.js";
import { sure } from "./dialogs.js";

const PAGE = 50;
const part = (name) => document.getElementById(name);
const rows = part("rows"), more = part("more");
const cell = (...inside) => element("td", {}, ...inside);
const sub = (...inside) => element("span", { className: "sub" }, ...inside);

function row(one) {
  const remove = element("button", { type: "button", className: "button small", ariaLabel: `Delete ${one.title || one.sop_instance_uid}` }, "Delete");
  remove.addEventListener("click", () => attempt(async () => {
    if (!await sure("Delete the object?", "It is gone for good.", "Delete")) return;
    await ask(`/objects/${one.sop_instance_uid}`, { method: "DELETE" });
    notice("It is deleted.");
    await show();
  }));
  return element("tr", {}, cell(element("strong", {}, one.title || one.name), sub(one.name)),
    element("td", { className: "uid" }, one.sop_instance_uid),
    cell(`${Math.ceil(one.size_bytes / 1024).toLocaleString("en")} KiB`),
    cell(one.source_ae_title, sub(new Date(one.received_at * 1000).toLocaleString())),
    element("td", { className: "go" }, remove));
}

const page = (before) => ask(`/objects?limit=${PAGE}${before ? `&before=${before}` : ""}`);
const show = newest({ rows, more, none: part("none"), size: PAGE, page, key: (one) => one.id, row });

attempt(show);
