import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { encodeRecord, exportHeader } from '../record-file.js';
import { writeJson } from '../render/json.js';
import { formatBytes } from '../render/units.js';

/** `zmesh experts export`: all records of a registry in one file. */
export const expertsExport = defineCommand({
  path: 'experts export',
  summary: 'write all models, experts and aliases to a file',
  usage: '<file>',
  positionals: { min: 1, max: 1 },
  options: { ...REGISTRY_OPTION },
  examples: ['experts export registry.zmesh'],
  async run({ values, positionals, io }) {
    const [path = ''] = positionals;
    return withRegistry(values.registry, io, async ({ registry }) => {
      const partial = `${path}.partial`;
      const file = openSync(partial, 'w');
      let records = 0;
      let bytes = 0;
      try {
        bytes += writeAll(file, exportHeader());
        for await (const { record } of registry.exportRegistry({}, { signal: io.signal })) {
          if (!record) continue;
          bytes += writeAll(file, encodeRecord(record));
          records += 1;
        }
        fsyncSync(file);
        renameSync(partial, path);
      } finally {
        closeSync(file);
        rmSync(partial, { force: true });
      }
      if (values.json) writeJson(io.out, { file: path, records, bytes });
      else io.out.write(`${records} records (${formatBytes(bytes)}) written to ${path}\n`);
      return EXIT.ok;
    });
  },
});

function writeAll(file: number, bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
  return bytes.length;
}
