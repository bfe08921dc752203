// Digital signatures of a study: checked when somebody asks, some images at a time, because each is read whole.
import { ask, element } from "./api.js";

const STEP = 20;
const words = { valid: "Valid", changed: "Changed", untrusted: "Not trusted", unknown: "Not checkable" };
const styles = { valid: "good", changed: "bad" };
const profiles = { "base-rsa": "Base RSA profile", "creator-rsa": "Creator RSA profile" };
const told = document.getElementById("signed");
const table = document.getElementById("signature-rows");
const first = document.getElementById("check");
const more = document.getElementById("check-more");
let checked = 0;

/** Check the next images of a study that are signed, and show what came of it below the others. */
export async function checkSignatures(study) {
  told.textContent = "Checking …";
  first.disabled = more.disabled = true;
  try {
    const page = await ask(`/studies/${study}/signatures?limit=${STEP}&offset=${checked}`);
    checked += page.items.length;
    table.append(...page.items.flatMap(rows));
    told.textContent = page.total ? `${checked} of ${page.total} signed images checked` : "No image of this study is signed";
    more.hidden = checked >= page.total;
    first.hidden = true;
    const section = document.getElementById("signatures");
    if (!page.total || !section.hidden) return;
    section.hidden = false;
    document.getElementById("signatures-title").focus();
  } catch (error) {
    told.textContent = "";
    throw error;
  } finally {
    first.disabled = more.disabled = false;
  }
}

function rows(image) {
  if (image.problem) return [row({ result: "unknown", reason: image.problem }, image)];
  return image.signatures.map((one) => row(one, image));
}

function row(one, image) {
  const what = [`${one.elements ?? 0} elements`, one.purpose, profiles[one.profile], one.algorithm].filter(Boolean).join(" · ");
  return element("tr", {},
    element("td", {}, element("strong", { className: styles[one.result] ?? "" }, words[one.result])),
    element("td", {}, one.signer || "unknown", element("div", { className: "sub" }, one.reason)),
    element("td", {}, moment(one.signed_at ?? "")),
    element("td", {}, what, element("div", { className: "sub mono" }, image.sop_instance_uid)));
}

/** Write a DICOM date and time so that people can read it, with its offset from UTC where it tells one. */
function moment(text) {
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:\.\d+)?)?([+-]\d{4})?$/.exec(text);
  if (!found) return text;
  const [, year, month, day, hour, minute, second, offset] = found;
  return `${year}-${month}-${day} ${hour}:${minute}:${second ?? "00"}${offset ? ` ${offset}` : ""}`;
}
