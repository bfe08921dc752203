// Remote nodes: entered, removed, and asked whether they answer.
import { ask, attempt, element, notice } from "./api.js";

const rows = document.getElementById("rows"), form = document.getElementById("new");
const place = (node) => `/nodes/${encodeURIComponent(node.ae_title)}`;

async function show() {
  const nodes = await ask("/nodes");
  rows.replaceChildren(...nodes.map(row));
  document.getElementById("none").hidden = nodes.length > 0;
  rows.closest(".sheet").hidden = !nodes.length;
}

function row(node) {
  const said = element("span", { role: "status" });
  const echo = element("button", { type: "button", className: "button small", ariaLabel: `Echo ${node.ae_title}` }, "Echo");
  echo.addEventListener("click", () => answer(node, echo, said));
  const remove = element("button", { type: "button", className: "button small danger", ariaLabel: `Remove ${node.ae_title}` }, "Remove");
  remove.addEventListener("click", () => attempt(async () => { await ask(place(node), { method: "DELETE" }); await show(); }));
  return element("tr", {}, element("td", { className: "mono" }, node.ae_title), element("td", { className: "mono" }, `${node.host}:${node.port}`),
    element("td", {}, node.description), element("td", { className: "said" }, echo, said),
    element("td", { className: "go" }, node.source === "stored" ? remove : element("span", { className: "sub" }, "from the settings")));
}

async function answer(node, button, said) {
  button.disabled = true;
  said.className = "";
  said.textContent = "asking …";
  try {
    const told = await ask(`${place(node)}/echo`, { method: "POST" });
    said.className = "good";
    said.textContent = `answers, ${Math.round(told.elapsed_s * 1000)} ms${told.implementation_version_name ? `, ${told.implementation_version_name}` : ""}`;
  } catch (error) {
    said.className = "bad";
    said.textContent = error.message;
  }
  button.disabled = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const body = Object.fromEntries(new FormData(form));
  attempt(async () => {
    await ask("/nodes", { method: "POST", body: { ...body, port: Number(body.port) } });
    form.reset();
    await show();
    notice(`${body.ae_title} is known now.`);
  });
});
attempt(show);
