import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import { WatchExpertsResponse } from '#proto/zmesh/v1/expert_registry.js';
import { REGISTRY_OPTION, withRegistry } from '../clients.js';
import { defineCommand, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { writeJsonLine } from '../render/json.js';
import { printable } from '../render/table.js';
import { shortHash } from '../render/units.js';

/** `zmesh experts watch`: changes of the registry, as they come. */
export const expertsWatch = defineCommand({
  path: 'experts watch',
  summary: 'the present state, then every change, until Ctrl-C',
  options: {
    model: { type: 'string', value: 'NAME', help: 'only this model' },
    after: { type: 'string', value: 'REVISION', help: 'only changes after this revision' },
    once: { type: 'boolean', help: 'end after the present state' },
    ...REGISTRY_OPTION,
  },
  examples: ['experts watch', 'experts watch --after 42 --json', 'experts watch --once'],
  async run({ values, io }) {
    const after = values.after ?? '0';
    if (!/^\d{1,20}$/.test(after)) throw new UsageError(`--after must be a revision, not "${after}"`);
    return withRegistry(values.registry, io, async ({ experts }) => {
      const from = { model: values.model, afterRevision: BigInt(after) };
      try {
        for await (const message of experts.watch(from, { signal: io.signal })) {
          const { event, current, revision } = message;
          if (values.json) {
            if (event || current) writeJsonLine(io.out, WatchExpertsResponse.toJSON(message));
          } else if (event) io.out.write(`${String(event.revision).padStart(6)}  ${describe(event)}\n`);
          if (values.once && current) {
            if (!values.json) io.err.write(`current at revision ${revision}\n`);
            break;
          }
        }
      } catch (error) {
        // Ctrl-C is how a watch ends.
        if (!io.signal.aborted) throw error;
      }
      return EXIT.ok;
    });
  },
});

function describe({ change }: RegistryEvent): string {
  switch (change?.$case) {
    case 'modelPublished':
      return printable(`model     ${change.value.model} (${shortHash(change.value.fingerprint)})`);
    case 'expertPublished': {
      const { model, expert, version, label, classifier, retired } = change.value;
      const role = classifier ? ', classifier' : label ? `, label ${label}` : '';
      return printable(
        `published ${model}/${expert}@${shortHash(version)}${role}${retired ? ', retired' : ''}`,
      );
    }
    case 'aliasMoved': {
      const { model, expert, alias, version } = change.value;
      return printable(`alias     ${model}/${expert}@${alias} → ${shortHash(version) || 'deleted'}`);
    }
    case 'expertRetired':
      return printable(
        `retired   ${change.value.model}/${change.value.expert}@${shortHash(change.value.version)}`,
      );
    case undefined:
      return 'a change that this version of zmesh does not know';
  }
}
