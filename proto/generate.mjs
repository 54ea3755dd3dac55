#!/usr/bin/env node
// Generates TypeScript types and codecs from the .proto files of this folder; README.md has the rules of the mapping.
// usage: generate.mjs [--check]   --check writes nothing and fails when a generated file is missing or stale
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const here = dirname(fileURLToPath(import.meta.url));
const sources = join(here, "..", "src");
/** Files whose types belong to the model layer; everything else is only known to wire. */
const MODEL_FILES = new Set(["objects"]);
const FILES = ["objects", "raft", "ca", "dispatcher", "control"];
const BANNER = "// Generated from proto/ by proto/generate.mjs. Do not edit.\n";

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => join(here, target);
root.loadSync(
  FILES.map((name) => `${name}.proto`),
  { keepCase: false, alternateCommentMode: true },
);
root.resolveAll();

const fileOf = (object) => object.filename.replace(/^.*\//, "").replace(/\.proto$/, "");
const definitions = [];
(function visit(namespace) {
  for (const object of namespace.nestedArray) {
    if (object instanceof protobuf.Type || object instanceof protobuf.Enum || object instanceof protobuf.Service) definitions.push(object);
    else if (object instanceof protobuf.Namespace) visit(object);
  }
})(root);

const doc = (comment, indent = "") => (comment ? `${indent}/** ${comment.trim().replace(/\s*\n\s*/g, `\n${indent} * `)} */\n` : "");
const snake = (name) => name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();
const label = (enumeration, value) => value.replace(`${snake(enumeration.name)}_`, "").toLowerCase();
const isMessage = (field) => field.resolvedType instanceof protobuf.Type;
const isEnum = (field) => field.resolvedType instanceof protobuf.Enum;
const isTagged = (field) => field.partOf !== null && field.partOf !== undefined && !field.partOf.isProto3Optional && !field.options?.proto3_optional;
const isOptional = (field) => field.options?.proto3_optional === true;

function scalarType(field) {
  if (field.resolvedType) return field.resolvedType.name;
  if (["int64", "sint64", "sfixed64"].includes(field.type)) return "bigint";
  return { string: "string", bool: "boolean", bytes: "Uint8Array" }[field.type] ?? "number";
}

function fieldType(field) {
  if (field.map) return `Readonly<Record<string, ${scalarType(field)}>>`;
  if (field.repeated) return `readonly ${scalarType(field)}[]`;
  return isMessage(field) ? `${scalarType(field)} | null` : scalarType(field);
}

function typeOfMessage(type) {
  const plain = type.fieldsArray.filter((field) => !isTagged(field));
  const tagged = type.fieldsArray.filter(isTagged);
  for (const field of tagged) if (field.partOf.name !== "type") throw new Error(`${type.fullName}: a oneof is named "type", not "${field.partOf.name}"`);
  const lines = plain.map((field) => `${doc(field.comment, "  ")}  readonly ${field.name}${isOptional(field) ? "?" : ""}: ${fieldType(field)};\n`).join("");
  const name = `${doc(type.comment)}export `;
  if (tagged.length === 0)
    return plain.length === 0 ? `${name}type ${type.name} = Readonly<Record<never, never>>;\n` : `${name}interface ${type.name} {\n${lines}}\n`;
  const cases = tagged.map((field) => `  | { readonly type: "${field.name}"; readonly ${field.name}: ${scalarType(field)} }`).join("\n");
  const common = plain.length === 0 ? "" : `{\n${lines}} & `;
  return `${name}type ${type.name} = ${common}(\n${cases}\n);\n`;
}

function typeOfEnum(enumeration) {
  const labels = Object.keys(enumeration.values).map((value) => `"${label(enumeration, value)}"`);
  return `${doc(enumeration.comment)}export type ${enumeration.name} = ${labels.join(" | ")};\n`;
}

const wireType = (field) => (field.resolvedType instanceof protobuf.Enum ? 0 : (protobuf.types.basic[field.type] ?? 2));
const tag = (field, type = wireType(field)) => ((field.id << 3) | type) >>> 0;

function writeValue(field, value) {
  if (isEnum(field)) return `int32(${field.resolvedType.name}Codec.numberOf(${value}))`;
  if (field.type === "int64" || field.type === "sint64" || field.type === "sfixed64") return `${field.type}(longOf(${value}))`;
  if (field.type === "uint64") return `uint64(safe(${value}))`;
  return `${field.type}(${value})`;
}

function readValue(field) {
  if (isMessage(field)) return `${field.resolvedType.name}Codec.read(r, r.uint32())`;
  if (isEnum(field)) return `${field.resolvedType.name}Codec.labelOf(r.int32())`;
  if (field.type === "int64" || field.type === "sint64" || field.type === "sfixed64") return `bigintOf(r.${field.type}())`;
  if (field.type === "uint64") return "numberOf(r.uint64())";
  return `r.${field.type}()`;
}

const writeOne = (field, value, number = tag(field)) =>
  isMessage(field)
    ? `${field.resolvedType.name}Codec.write(${value}, w.uint32(${number}).fork()).ldelim();`
    : `w.uint32(${number}).${writeValue(field, value)};`;

function isPresent(field, value) {
  if (isOptional(field)) return `${value} !== undefined`;
  if (isMessage(field)) return `${value} !== null`;
  if (isEnum(field)) return `${value} !== "${label(field.resolvedType, field.resolvedType.valuesById[0])}"`;
  return { bigint: `${value} !== 0n`, string: `${value} !== ""`, boolean: value, Uint8Array: `${value}.length > 0` }[scalarType(field)] ?? `${value} !== 0`;
}

function defaultOf(field) {
  if (field.map) return "NO_ENTRIES";
  if (field.repeated) return "NO_ITEMS";
  if (isOptional(field)) return "undefined";
  if (isMessage(field)) return "null";
  if (isEnum(field)) return `"${label(field.resolvedType, field.resolvedType.valuesById[0])}"`;
  return { bigint: "0n", string: '""', boolean: "false", Uint8Array: "EMPTY" }[scalarType(field)] ?? "0";
}

function codecOfMessage(type) {
  const writes = type.fieldsArray.map((field) => {
    const value = `m.${field.name}`;
    if (field.map)
      return `    for (const key of Object.keys(${value})) { w.uint32(${tag(field, 2)}).fork().uint32(10).string(key); const value = ${value}[key] as ${scalarType(field)}; ${writeOne(field, "value", tag({ id: 2, resolvedType: field.resolvedType, type: field.type }))} w.ldelim(); }`;
    if (field.repeated) return `    for (const value of ${value}) ${writeOne(field, "value")}`;
    if (isTagged(field)) return `    if (m.type === "${field.name}") ${writeOne(field, value)}`;
    return `    if (${isPresent(field, value)}) ${writeOne(field, value)}`;
  });
  const locals = type.fieldsArray
    .filter((field) => !isTagged(field))
    .map((field) => {
      const mutable = field.map
        ? `Record<string, ${scalarType(field)}>`
        : field.repeated
          ? `${scalarType(field)}[]`
          : isOptional(field)
            ? `${scalarType(field)} | undefined`
            : fieldType(field);
      return `    let ${field.name}_: ${mutable} = ${defaultOf(field)};`;
    });
  const tagged = type.fieldsArray.filter(isTagged);
  if (tagged.length > 0) {
    locals.push(
      `    let tagged: ${tagged.map((field) => `{ readonly type: "${field.name}"; readonly ${field.name}: ${scalarType(field)} }`).join(" | ")} | undefined;`,
    );
  }
  const cases = type.fieldsArray.map((field) => {
    const own = (none, made) => `(${field.name}_ === ${none} ? (${field.name}_ = ${made}) : ${field.name}_)`;
    if (field.map) return `        case ${tag(field, 2)}: readMapEntry(r, ${own("NO_ENTRIES", "{}")}, () => ${readValue(field)}); break;`;
    if (field.repeated) return `        case ${tag(field)}: ${own("NO_ITEMS", "[]")}.push(${readValue(field)}); break;`;
    if (isTagged(field)) return `        case ${tag(field)}: tagged = { type: "${field.name}", ${field.name}: ${readValue(field)} }; break;`;
    return `        case ${tag(field)}: ${field.name}_ = ${readValue(field)}; break;`;
  });
  const fields = type.fieldsArray.filter((field) => !isTagged(field) && !isOptional(field)).map((field) => `${field.name}: ${field.name}_`);
  if (tagged.length > 0) fields.push("...tagged");
  // Assigned where they are there: to spread them costs more than all other fields together.
  const optional = type.fieldsArray.filter(isOptional).map((field) => `    if (${field.name}_ !== undefined) message.${field.name} = ${field.name}_;\n`);
  const result =
    optional.length === 0
      ? `    return { ${fields.join(", ")} };\n`
      : `    const message: Mutable<${type.name}> = { ${fields.join(", ")} };\n${optional.join("")}    return message;\n`;
  const check = tagged.length > 0 ? `    if (tagged === undefined) throw malformed("${type.name}");\n` : "";
  const unused = type.fieldsArray.length === 0;
  return `export const ${type.name}Codec: Codec<${type.name}> = codec<${type.name}>("${type.name}",
  (${unused ? "_m" : "m"}, w) => {
${writes.join("\n")}
    return w;
  },
  (r, length) => {
    const end = r.pos + length;
${locals.join("\n")}
    while (r.pos < end) {
      const tag = r.uint32();
      switch (tag) {
${cases.join("\n")}
        default: r.skipType(tag & 7);
      }
    }
${check}${result}  });
`;
}

function codecOfEnum(enumeration) {
  const pairs = Object.entries(enumeration.values).map(([value, id]) => `["${label(enumeration, value)}", ${id}]`);
  return `export const ${enumeration.name}Codec = enumeration<${enumeration.name}>("${enumeration.name}", [${pairs.join(", ")}]);\n`;
}

function serviceTable(service) {
  const methods = service.methodsArray.map((method) => {
    method.resolve();
    const streams = `requestStream: ${method.requestStream === true}, responseStream: ${method.responseStream === true}`;
    return `${doc(method.comment, "  ")}  ${method.name[0].toLowerCase()}${method.name.slice(1)}: { path: "/${service.fullName.slice(1)}/${method.name}", ${streams}, request: ${method.resolvedRequestType.name}Codec, response: ${method.resolvedResponseType.name}Codec },`;
  });
  return `${doc(service.comment)}export const ${service.name}Service = {\n${methods.join("\n")}\n} as const;\n`;
}

const outputs = new Map();
const imports = (names, from, keyword = "import type") =>
  names.length === 0 ? "" : `${keyword} { ${[...new Set(names)].sort().join(", ")} } from "${from}";\n`;
for (const file of FILES) {
  const own = definitions.filter((object) => fileOf(object) === file);
  const types = own.filter((object) => !(object instanceof protobuf.Service));
  const used = new Set();
  for (const object of own) {
    if (object instanceof protobuf.Type) for (const field of object.fieldsArray) if (field.resolvedType) used.add(field.resolvedType);
    if (object instanceof protobuf.Service)
      for (const method of object.methodsArray) {
        method.resolve();
        used.add(method.resolvedRequestType);
        used.add(method.resolvedResponseType);
      }
  }
  const foreign = new Map();
  for (const object of used) if (fileOf(object) !== file) foreign.set(fileOf(object), [...(foreign.get(fileOf(object)) ?? []), object.name]);
  const typeText = types.map((object) => (object instanceof protobuf.Enum ? typeOfEnum(object) : typeOfMessage(object))).join("\n");
  const foreignTypes = (modelPath) =>
    [...foreign].map(([from, names]) => imports(names, MODEL_FILES.has(from) ? `${modelPath}${from}.js` : `./${from}.js`)).join("");
  const codecs = own
    .map((object) =>
      object instanceof protobuf.Enum ? codecOfEnum(object) : object instanceof protobuf.Service ? serviceTable(object) : codecOfMessage(object),
    )
    .join("\n");
  const runtime = ["codec", "enumeration", "readMapEntry", "bigintOf", "longOf", "numberOf", "safe", "malformed", "EMPTY", "NO_ITEMS", "NO_ENTRIES"].filter(
    (name) => new RegExp(`\\b${name}\\b`).test(codecs),
  );
  const foreignCodecs = [...foreign]
    .map(([from, names]) =>
      imports(
        names.map((name) => `${name}Codec`),
        `./${from}.js`,
        "import",
      ),
    )
    .join("");
  const header = `${BANNER}${imports(/\bMutable\b/.test(codecs) ? ["Codec", "Mutable"] : ["Codec"], "../codec.js")}${imports(runtime, "../codec.js", "import")}${foreignCodecs}`;
  if (MODEL_FILES.has(file)) {
    outputs.set(`model/generated/${file}.ts`, `${BANNER}${foreignTypes("./")}\n${typeText}`);
    outputs.set(
      `wire/generated/${file}.ts`,
      `${header}${imports(
        types.map((object) => object.name),
        `../../model/generated/${file}.js`,
      )}\n${codecs}`,
    );
  } else {
    outputs.set(`wire/generated/${file}.ts`, `${header}${foreignTypes("../../model/generated/")}\n${typeText}\n${codecs}`);
  }
}

let stale = 0;
for (const [name, text] of outputs) {
  const path = join(sources, name);
  let current = null;
  try {
    current = readFileSync(path, "utf8");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  if (current === text) continue;
  if (process.argv.includes("--check")) {
    console.error(`src/${name} is ${current === null ? "missing" : "stale"}: run npm run build`);
    stale++;
    continue;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
process.exitCode = stale > 0 ? 1 : 0;
