// Remote nodes: entered, changed, removed, and asked whether they answer.
import { ask, attempt, element, notice } from "./api.js";
import { show as dialog, sure } from "./dialogs.js";
import { chosen, fields as options, project } from "./profile.js";

const rows = document.getElementById("rows"), form = document.getElementById("new");
const place = (node) => `/nodes/${encodeURIComponent(node.ae_title)}`;
const button = (text, name, does, kind = "") => {
  const made = element("button", { type: "button", className: `button small ${kind}`, ariaLabel: `${text} ${name}` }, text);
  made.addEventListener("click", does);
  return made;
};

async function show() {
  const nodes = await ask("/nodes");
  rows.replaceChildren(...nodes.map(row));
  document.getElementById("none").hidden = nodes.length > 0;
  rows.closest(".sheet").hidden = !nodes.length;
}

function row(node) {
  const said = element("div", { role: "status" });
  const echo = button("Echo", node.ae_title, () => answer(node, echo, said));
  const search = element("a", { className: "button small", href: `/query?node=${encodeURIComponent(node.ae_title)}`, ariaLabel: `Search ${node.ae_title}` }, "Search");
  const own = node.source === "stored"
    ? [button("Edit", node.ae_title, () => edit(node)), button("Remove", node.ae_title, () => remove(node), "danger")]
    : [element("span", { className: "sub" }, "from the settings")];
  return element("tr", {}, element("td", { className: "mono" }, node.ae_title), element("td", { className: "mono" }, `${node.host}:${node.port}${node.tls ? " with TLS" : ""}`),
    element("td", {}, node.description, node.deidentify ? element("div", { className: "sub" }, `de-identified for ${node.deidentify}`) : null), element("td", { className: "said" }, echo, search, said),
    element("td", { className: "go" }, element("span", { className: "deeds" }, ...own)));
}

async function remove(node) {
  if (!await sure(`Remove ${node.ae_title}?`, `${node.host}:${node.port} can then no longer be sent to, and is no destination of C-MOVE.`, "Remove")) return;
  await attempt(async () => {
    await ask(place(node), { method: "DELETE" });
    await show();
  });
}

const field = (name, properties) => element("label", { className: "field" }, `${name} `, element("input", { spellcheck: false, autocomplete: "off", ...properties }));

function edit(node) {
  const told = element("p", { className: "bad", role: "alert" });
  const close = element("button", { type: "button", className: "button" }, "Cancel");
  const { dialog: opened, form: fields } = dialog(`Change ${node.ae_title}`,
    field("AE title", { name: "ae_title", required: true, maxLength: 16, value: node.ae_title }),
    field("Host", { name: "host", required: true, maxLength: 253, value: node.host }),
    field("Port", { name: "port", type: "number", required: true, min: 1, max: 65535, value: node.port }),
    field("Description", { name: "description", maxLength: 200, value: node.description }),
    element("label", { className: "check" }, element("input", { name: "tls", type: "checkbox", checked: node.tls }), "TLS"),
    project("De-identify for", { value: node.deidentify, placeholder: "project; empty: as it is" }), kept(node), told,
    element("div", { className: "answers" }, close, element("button", { type: "submit", className: "button primary" }, "Save")));
  close.addEventListener("click", () => opened.close());
  fields.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await ask(place(node), { method: "PUT", body: body(fields) });
      opened.close();
      await attempt(show);
    } catch (error) {
      told.textContent = error.message;
    }
  });
}

/** The options of de-identification, folded unless some are chosen. */
const kept = (node) => element("details", { open: node.deidentify_options.length > 0 }, element("summary", {}, "What is kept then"), ...options(node.deidentify_options, { uids: true }));

function body(fields) {
  const { ae_title, host, port, description, tls, project: name } = Object.fromEntries(new FormData(fields));
  return { ae_title, host, port: Number(port), description, tls: tls === "on", deidentify: name, deidentify_options: name ? chosen(fields) : [] };
}

async function answer(node, echo, said) {
  echo.disabled = true;
  said.className = "";
  said.textContent = "asking …";
  try {
    const told = await ask(`${place(node)}/echo`, { method: "POST" });
    said.className = "good";
    said.textContent = `answers, ${Math.round(told.elapsed_s * 1000)} ms${told.implementation_version_name ? `, ${told.implementation_version_name}` : ""}`;
    const refused = told.offers.filter((offer) => !offer.accepted);
    if (refused.length) {
      said.append(element("details", {}, element("summary", {}, `It does not take ${refused.length} of ${told.offers.length} kinds of objects that were offered`),
        element("ul", {}, ...refused.map((offer) => element("li", {}, `${offer.name}${offer.why ? `: ${offer.why}` : ""}`)))));
    }
  } catch (error) {
    said.className = "bad";
    said.textContent = error.message;
  }
  echo.disabled = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const entry = body(form);
  attempt(async () => {
    await ask("/nodes", { method: "POST", body: entry });
    form.reset();
    await show();
    notice(`${entry.ae_title} is known now.`);
  });
});
attempt(show);
