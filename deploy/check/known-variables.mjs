import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './places.mjs';

/** Standard ones, and those of the `zmesh` command and of the downward API. */
const OTHERS = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_METRICS_EXPORTER',
  'OTEL_TRACES_EXPORTER',
  'POD_IP',
  'ZMESH_DISPATCHER_ADDRESS',
];

/** Every variable that some service reads: what the settings tables of the build say. */
export async function knownVariables() {
  const load = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
  const services = readdirSync(join(root, 'dist/services')).filter((name) =>
    existsSync(join(root, 'dist/services', name, 'config.js')),
  );
  const tables = await Promise.all(
    services.map(async (name) => (await load(`services/${name}/config.js`)).SETTINGS),
  );
  const { PROCESS_SETTINGS } = await load('shared/process-settings.js');
  const entries = [PROCESS_SETTINGS, ...tables].filter(Boolean).flatMap(Object.values);
  return new Set([...OTHERS, ...entries.map(({ env }) => env)]);
}
