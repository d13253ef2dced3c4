import { readFileSync } from 'node:fs';
import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { decodeRecords } from '../record-file.js';
import { writeJson } from '../render/json.js';

/** `zmesh experts restore`: brings an export into a registry. */
export const expertsRestore = defineCommand({
  path: 'experts restore',
  summary: 'bring an export into a registry; nothing is overwritten',
  usage: '<file>',
  positionals: { min: 1, max: 1 },
  options: { ...REGISTRY_OPTION },
  examples: ['experts restore registry.zmesh --registry 127.0.0.1:7002'],
  async run({ values, positionals, io }) {
    const records = [...decodeRecords(readFileSync(positionals[0]!))];
    return withRegistry(values.registry, io, async ({ registry }) => {
      const { created, kept } = await registry.restoreRegistry(
        records.map((record) => ({ record })),
        { signal: io.signal },
      );
      if (values.json) writeJson(io.out, { created, kept });
      else io.out.write(`${created} records written, ${kept} were there already\n`);
      return EXIT.ok;
    });
  },
});
