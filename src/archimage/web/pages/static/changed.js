// What a change makes of values, as a table: before and after.
import { element } from "./api.js";

/** Write a keyword as the standard writes the name: PatientBirthDate is Patient Birth Date. */
export const spelled = (keyword) => keyword.replace(/([a-z])([A-Z])/g, "$1 $2");

/** Write a date as 2024-12-31; what is no date stays as it stands. */
export const dashed = (date) => (/^\d{8}$/.test(date) ? `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}` : date);

const written = (keyword, text) => (keyword.endsWith("Date") ? dashed(text) : text);
const nothing = () => element("span", { className: "sub" }, "none");
const MOST = 3;

/** Show new values beside those that the studies had. */
export function values(after, studies) {
  const rows = Object.entries(after).map(([keyword, text]) => {
    const before = [...new Set(studies.map((one) => one.old_values[keyword] ?? ""))];
    if (before.every((one) => one === text)) return null;
    const had = before.slice(0, MOST).map((one) => element("div", {}, written(keyword, one) || nothing()));
    if (before.length > MOST) had.push(element("div", { className: "sub" }, `and ${before.length - MOST} others`));
    return element("tr", {}, element("th", { scope: "row" }, spelled(keyword)), element("td", {}, ...had), element("td", {}, written(keyword, text) || nothing()));
  }).filter(Boolean);
  if (!rows.length) return element("p", { className: "sub" }, "The values are these already.");
  const head = ["Attribute", "Before", "After"].map((name) => element("th", { scope: "col" }, name));
  return element("div", { className: "sheet" }, element("table", { className: "before-after" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)));
}
