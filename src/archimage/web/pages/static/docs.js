// Every operation that the OpenAPI descriptions tell of: what it takes and answers, its curl, and a try where it only reads.
import { attempt, element, later, notice } from "./api.js";
import { example, resolved, shape } from "./schema.js";
import { tryOut } from "./tryout.js";

const DOCUMENTS = [["/api/v1/openapi.json", null], ["/openapi.json", "DICOMweb"]];
const part = (name) => document.getElementById(name);
const cell = (...inside) => element("td", {}, ...inside);
const headed = (title, ...inside) => element("section", {}, element("h3", {}, title), ...inside);
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

async function load() {
  const found = await Promise.all(DOCUMENTS.map(async ([address, tag]) => {
    const description = await (await fetch(address)).json();
    return Object.entries(description.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, told]) => (
      { method: method.toUpperCase(), path, told, tag: tag ?? told.tags[0], description })));
  }));
  const groups = new Map();
  for (const one of found.flat()) groups.set(one.tag, [...(groups.get(one.tag) ?? []), one]);
  part("operations").replaceChildren(...[...groups].map(([tag, operations]) => element("section", { className: "group", ariaLabel: tag },
    element("h2", {}, tag), ...operations.map(folded))));
  narrow();
}

function folded(one) {
  const { method, path, told } = one;
  const summary = element("summary", {}, element("span", { className: "verb", dataset: { method } }, method), element("code", {}, path),
    element("span", { className: "sub" }, told.description?.split("\n")[0] ?? told.summary));
  const made = element("details", { className: "operation", id: `${method}${path}`, dataset: { text: `${method} ${path} ${one.tag} ${summary.lastChild.textContent}`.toLowerCase() } }, summary);
  made.addEventListener("toggle", () => made.children.length === 1 && made.append(opened(one)));
  return made;
}

function opened(one) {
  const { told } = one;
  const fields = (told.parameters ?? []).map((given) => parameter(given, one.description));
  const accept = choice("Answer as", kinds(told));
  const body = choice("Body as", Object.keys(told.requestBody?.content ?? {}));
  const command = element("pre", { className: "curl", tabIndex: 0, ariaLabel: "curl" });
  const request = () => ({ ...asked(one, fields), accept: accept?.input.value ?? "", kind: body?.input.value ?? "" });
  const write = () => { command.textContent = curl(one, request()); };
  const form = element("form", { className: "try" }, fields.length ? headed("Parameters", table(fields)) : null, ...[body, accept].map((found) => found?.label), requestBody(one, body));
  form.addEventListener("input", write);
  const copy = element("button", { type: "button", className: "button small" }, "Copy");
  copy.addEventListener("click", () => copied(command));
  form.append(headed("curl", command, element("div", { className: "actions" }, copy, one.method === "GET" ? tryOut(form, request) : null)));
  form.addEventListener("submit", (event) => event.preventDefault());
  write();
  return element("div", { className: "inside" }, form, answers(one));
}

function parameter(told, description) {
  const schema = resolved(told.schema ?? {}, description), open = schema.type === "object";
  const properties = { required: told.required ?? false, spellcheck: false, placeholder: open ? "name=value&name=value" : String(schema.default ?? ""), ariaLabel: told.name };
  const input = schema.enum ? element("select", { ariaLabel: told.name }, ...["", ...schema.enum].map((value) => element("option", {}, value))) : element("input", properties);
  return { told, input, open, description };
}

const kind = ({ schema = {} }, description) => shape(schema, description).split("\n")[0];
const table = (fields) => element("div", { className: "sheet" }, element("table", { className: "plain" }, element("thead", {}, element("tr", {}, ...["Name", "Value", "Meaning"].map((name) => element("th", { scope: "col" }, name)))),
  element("tbody", {}, ...fields.map(({ told, input, description }) => element("tr", {}, cell(element("code", {}, told.name), element("span", { className: "sub" }, `${told.in}, ${kind(told, description)}${told.required ? ", required" : ""}`)), cell(input), cell(told.description ?? ""))))));

function choice(title, values) {
  if (!values.length) return null;
  const input = element("select", {}, ...values.map((value) => element("option", {}, value)));
  return { input, label: element("label", {}, title, " ", input) };
}

function kinds(told) {
  const good = Object.entries(told.responses).filter(([status]) => status.startsWith("2"));
  return [...new Set(good.flatMap(([, answer]) => Object.keys(answer.content ?? {})))];
}

function requestBody({ told, description }, body) {
  const schema = body && told.requestBody.content[body.input.value].schema;
  return schema ? headed("Body", element("pre", { tabIndex: 0, ariaLabel: "Body" }, shape(schema, description))) : null;
}

function answers({ told, description }) {
  return headed("Answers", ...Object.entries(told.responses).map(([status, answer]) => {
    const schema = Object.values(answer.content ?? {}).map((one) => one.schema).find(Boolean);
    return element("div", {}, element("p", {}, element("strong", {}, status), ` ${answer.description}`),
      schema && status.startsWith("2") ? element("pre", { tabIndex: 0, ariaLabel: `Answer ${status}` }, shape(schema, description)) : null);
  }));
}

/** Return the address that the fields give; what is missing of the path stays in braces. */
function asked({ method, path }, fields) {
  const query = [], headers = {};
  let address = path;
  for (const { told, input, open } of fields) {
    const value = input.value;
    if (told.in === "path") address = address.replace(`{${told.name}}`, value ? value.split(",").map(encodeURIComponent).join(",") : `{${told.name}}`);
    else if (value && told.in === "header") headers[told.name] = value;
    else if (value) query.push(open ? new URLSearchParams(value).toString() : `${encodeURIComponent(told.name)}=${encodeURIComponent(value)}`);
  }
  return { method, address: address + (query.length ? `?${query.join("&")}` : ""), headers };
}

function curl({ method, told, description }, { address, headers, accept, kind: type }) {
  const words = ["curl", ...(method === "GET" ? [] : ["-X", method])];
  for (const [name, value] of Object.entries(headers)) words.push("-H", quoted(`${name}: ${value}`));
  if (accept) words.push("-H", quoted(`Accept: ${accept}`));
  if (type === "multipart/form-data") words.push("-F", "file=@image.dcm");
  else if (type) {
    const schema = told.requestBody.content[type].schema ?? {};
    words.push("-H", quoted(`Content-Type: ${type}`), ...(type.includes("json") && Object.keys(schema).length ? ["-d", quoted(JSON.stringify(example(schema, description)))] : ["--data-binary", "@body"]));
  }
  return [...words, quoted(location.origin + address)].join(" ");
}

async function copied(command) {
  try {
    await navigator.clipboard.writeText(command.textContent);
    notice("Copied.");
  } catch {  // only pages that came over TLS or from this machine may
    getSelection().selectAllChildren(command);
    notice("It is selected: copy it with the keyboard.");
  }
}

function narrow() {
  const words = part("word").value.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [...document.querySelectorAll(".operation")];
  for (const one of all) one.hidden = !words.every((word) => one.dataset.text.includes(word));
  for (const group of document.querySelectorAll(".group")) group.hidden = !group.querySelector(".operation:not([hidden])");
  part("count").textContent = `${all.filter((one) => !one.hidden).length} of ${all.length} operations`;
}

part("narrow").addEventListener("submit", (event) => event.preventDefault());
part("word").addEventListener("input", later(narrow, 80));
attempt(load);
