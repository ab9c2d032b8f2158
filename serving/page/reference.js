// The API's reference, drawn from its own /openapi.json. Nothing comes from another host, so it is there offline too.
const main = document.getElementById("reference");
const spec = await (await fetch("/openapi.json")).json();

function element(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children.filter((child) => child !== null));
  return made;
}

const named = (schema) => (schema.$ref ? spec.components.schemas[schema.$ref.split("/").pop()] : schema);
const said = (text = "") => text.replaceAll("`", "");

function kind(schema) {
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.const !== undefined || schema.enum) return (schema.enum ?? [schema.const]).join(" or ");
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return `list of ${kind(schema.items ?? {})}`;
  return schema.format === "date-time" ? "moment" : schema.type ?? "any";
}

const fallback = (schema) => (schema.default === undefined || schema.default === null ? "" : `, ${schema.default} if left out`);

function row(name, schema, needed, meaning) {
  const mark = needed ? element("span", { className: "needed", title: "may not be left out", textContent: " *" }) : null;
  return element("tr", {}, element("td", {}, name, mark), element("td", { textContent: kind(schema) + fallback(schema) }),
    element("td", { textContent: said(meaning ?? schema.description) }));
}

const table = (rows) => element("table", {}, element("tbody", {}, ...rows));

/** A schema's fields, then those of the schemas that it names, each once. */
function fields(title, schema, marks, seen = new Set()) {
  const { properties = {}, required = [], description } = named(schema);
  const entries = Object.entries(properties);
  if (!entries.length || seen.has(title)) return [];
  seen.add(title);
  const inner = entries.flatMap(([, field]) => [field, field.items ?? {}, ...(field.anyOf ?? [])]).filter((part) => part.$ref);
  return [element("h3", { textContent: title }), description ? element("p", { className: "meaning", textContent: said(description) }) : null,
    table(entries.map(([name, field]) => row(name, field, marks && required.includes(name)))),
    ...inner.flatMap((part) => fields(part.$ref.split("/").pop(), part, marks, seen))];
}

function call(path, method, body) {
  const key = path.startsWith("/v1/") ? ' -H "X-API-Key: $KEY"' : "";
  const example = body && named(body).examples?.[0];
  const sent = example ? ` \\\n  -H 'Content-Type: application/json' -d '${JSON.stringify(example)}'` : "";
  return `curl -s${method === "get" || example ? "" : ` -X ${method.toUpperCase()}`} ${location.origin}${path}${key}${sent}`;
}

function address(path, method, does) {
  const json = (part) => part?.content?.["application/json"]?.schema;
  const body = json(does.requestBody);
  const asked = (does.parameters ?? []).map((given) => row(given.name, given.schema, given.required, given.description));
  const answers = Object.entries(does.responses).map(([status, answer]) =>
    element("tr", {}, element("td", { textContent: status }), element("td", { textContent: kind(json(answer) ?? {}) }),
      element("td", { textContent: status === "200" ? "done" : answer.description })));
  const parts = [element("h2", {}, element("b", { textContent: method.toUpperCase() }), path),
    element("p", { textContent: said(does.summary) }), element("h3", { textContent: "Call" }),
    element("pre", { textContent: call(path, method, body) }),
    ...(body ? fields("Body", body, true) : []),
    ...(asked.length ? [element("h3", { textContent: "Query" }), table(asked)] : []),
    element("h3", { textContent: "Answers" }), table(answers), ...fields("Answer 200", json(does.responses["200"]) ?? {}, false)];
  return element("section", {}, ...parts.filter(Boolean));
}

main.replaceChildren(element("h1", { textContent: `${spec.info.title} API` }), element("p", { textContent: spec.info.summary }),
  element("p", { textContent: "Addresses under /v1 need the header X-API-Key. A * marks what may not be left out." }),
  ...Object.entries(spec.paths).flatMap(([path, ways]) => Object.entries(ways).map(([method, does]) => address(path, method, does))),
  element("section", {}, element("h2", { textContent: "Refusals" }), ...fields("Every refusal", { $ref: "#/components/schemas/Refused" }, false).filter(Boolean)));
