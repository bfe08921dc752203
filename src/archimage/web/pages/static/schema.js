// JSON schemas as people read them, and examples of what fits them.
const DEPTH = 4;
/** Follow a reference to a schema that has a name. */
export const resolved = (schema, description) => (schema.$ref ? description.components.schemas[schema.$ref.split("/").pop()] : schema);

/** Write a schema as text: one property a line, with what it means. */
export function shape(given, description, indent = "", depth = DEPTH) {
  const schema = resolved(given, description);
  const either = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (either) return either.map((one) => shape(one, description, indent, depth)).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.type === "array") return `[${depth ? shape(schema.items ?? {}, description, indent, depth - 1) : "..."}]`;
  if (schema.properties && !depth) return "{...}";
  if (schema.properties) {
    const deeper = `${indent}  `;
    const lines = Object.entries(schema.properties).map(([name, one]) => {
      const meaning = one.description ?? resolved(one, description).description;
      return `${deeper}${name}${schema.required?.includes(name) ? "" : "?"}: ${shape(one, description, deeper, depth - 1)}${meaning ? `  // ${meaning.split("\n")[0]}` : ""}`;
    });
    return `{\n${lines.join("\n")}\n${indent}}`;
  }
  if (schema.type === "object") return typeof schema.additionalProperties === "object" ? `{name: ${shape(schema.additionalProperties, description, indent, depth - 1)}}` : "object";
  return [schema.type ?? "anything", schema.format].filter(Boolean).join(", ");
}

/** Make a value that fits a schema: what it gives as example or default, else something of its type. */
export function example(given, description, depth = DEPTH) {
  const schema = resolved(given, description);
  if (schema.examples?.length) return schema.examples[0];
  if ("default" in schema) return schema.default;
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  const either = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (either) return example(either[0], description, depth);
  if (schema.properties && depth) return Object.fromEntries(Object.entries(schema.properties).map(([name, one]) => [name, example(one, description, depth - 1)]));
  return { string: "", integer: schema.minimum ?? 1, number: schema.minimum ?? 1, boolean: false, array: [], object: {} }[schema.type] ?? null;
}
