import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parse } from 'yaml';
import { goModule } from './go-tool.mjs';

const GROUP = 'monitoring.coreos.com/v1';
const OPERATOR = ['github.com/prometheus-operator/prometheus-operator', 'v0.85.0'];
const require = createRequire(import.meta.url);

/** Checks what the Prometheus operator reads against the schemas of its own definitions, which are in its Go module. */
export async function checkCustomResources(manifests) {
  const ours = manifests.filter(({ apiVersion }) => apiVersion === GROUP);
  if (ours.length === 0) return;
  const folder = join(goModule(...OPERATOR), 'example/prometheus-operator-crd');
  const definitions = readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => parse(readFileSync(join(folder, name), 'utf8')));
  const Ajv = require('ajv').default;
  for (const manifest of ours) {
    const definition = definitions.find(({ spec }) => spec?.names.kind === manifest.kind);
    if (!definition) throw new Error(`the Prometheus operator knows no ${manifest.kind}`);
    const { openAPIV3Schema } = definition.spec.versions.find(({ name }) => name === 'v1').schema;
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(strict(openAPIV3Schema));
    if (!validate(manifest))
      throw new Error(`${manifest.kind} ${manifest.metadata.name}: ${JSON.stringify(validate.errors)}`);
  }
}

/** The schema with unknown fields refused, as the server's field validation does; `metadata` is the server's own. */
function strict(schema) {
  if (Array.isArray(schema)) return schema.map(strict);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]));
  // Go's flags inside of a pattern are none in JavaScript.
  if (typeof copy.pattern === 'string' && copy.pattern.includes('(?i)')) delete copy.pattern;
  const open = schema['x-kubernetes-preserve-unknown-fields'] || schema.additionalProperties !== undefined;
  if (schema.type === 'object' && schema.properties && !open) copy.additionalProperties = false;
  return copy;
}
