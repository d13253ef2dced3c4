import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { writeJson } from '../render/json.js';
import { createProgress } from '../render/progress.js';
import { printable } from '../render/table.js';

/** `zmesh experts verify`: reads and hashes again all that is stored. */
export const expertsVerify = defineCommand({
  path: 'experts verify',
  summary: 'read and hash again all that the registry stores; fails if anything is wrong',
  options: { ...REGISTRY_OPTION },
  examples: ['experts verify', 'experts verify --json'],
  async run({ values, io }) {
    return withRegistry(values.registry, io, async ({ registry }) => {
      const progress = createProgress(io);
      const faults: { record: string; fault: string }[] = [];
      let checked = 0;
      for await (const message of registry.verifyRegistry({}, { signal: io.signal })) {
        checked = Number(message.checked);
        progress.update(checked, Number(message.total), message.record);
        if (message.fault !== '') faults.push({ record: message.record, fault: message.fault });
      }
      progress.end();
      if (values.json) writeJson(io.out, { checked, faults });
      else {
        for (const { record, fault } of faults) io.out.write(`${printable(`${record}: ${fault}`)}\n`);
        io.out.write(`${checked} records checked, ${faults.length} faults\n`);
      }
      return faults.length === 0 ? EXIT.ok : EXIT.failure;
    });
  },
});
