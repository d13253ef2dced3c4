import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { InferencePresence } from '#proto/zmesh/v1/events.js';
import { ZmeshError } from '#shared/errors.js';
import { createReplicas, type InferenceClient } from '#shared/fleet/replicas.js';
import { createLog } from '#shared/log.js';
import { eventually } from '../../support/mesh.js';

const presence = (address: string): InferencePresence => ({
  format: 1,
  address,
  startedAt: { seconds: 1n, nanos: 0 },
  models: [],
  experts: [],
});

/** A table whose replicas answer while they are in `alive`; `asked` counts the questions. */
function table(fixed: readonly string[] = []) {
  const alive = new Set<string>();
  const asked = new Map<string, number>();
  const replicas = createReplicas({
    addresses: fixed,
    probeMs: 10,
    log: createLog('test', { ZMESH_LOG_LEVEL: 'silent' }),
    connect: (address) => {
      const client: Pick<InferenceClient, 'listServedModels' | 'close'> = {
        async listServedModels() {
          asked.set(address, (asked.get(address) ?? 0) + 1);
          if (!alive.has(address)) throw new ZmeshError('INFERENCE_UNAVAILABLE', 'it is away');
          return { models: [] };
        },
        close() {},
      };
      return client as InferenceClient;
    },
  });
  after(() => replicas.close());
  const addresses = (): string[] => replicas.all().map(({ address }) => address);
  return { alive, asked, replicas, addresses };
}

describe('a replica whose announcement ran out', () => {
  it('stays for as long as it answers, and goes when it does not', async () => {
    const { alive, asked, replicas, addresses } = table();
    alive.add('one:1');
    replicas.present('key', presence('one:1'));
    replicas.gone('key', 'expired');
    await eventually('it is asked more than once', () => (asked.get('one:1') ?? 0) > 2, 5000);
    assert.deepEqual(addresses(), ['one:1']);
    alive.clear();
    await eventually('it is gone', () => addresses().length === 0, 5000);
  });

  it('is asked no more once it announces itself again', async () => {
    const { alive, asked, replicas } = table();
    alive.add('one:1');
    replicas.present('key', presence('one:1'));
    replicas.gone('key', 'expired');
    await eventually('it is asked', () => (asked.get('one:1') ?? 0) > 0, 5000);
    replicas.present('key', presence('one:1'));
    const before = asked.get('one:1')!;
    await new Promise((go) => setTimeout(go, 100));
    assert.ok(asked.get('one:1')! <= before + 1, 'one question may have been under way');
  });

  it('goes at once if it took the announcement back itself, also while it answers', () => {
    const { alive, replicas, addresses } = table();
    alive.add('one:1');
    replicas.present('key', presence('one:1'));
    replicas.gone('key', 'left');
    assert.deepEqual(addresses(), []);
  });

  it('that is in the settings is passed over until it answers again', async () => {
    const { alive, replicas, addresses } = table(['one:1']);
    replicas.present('key', presence('one:1'));
    replicas.gone('key', 'expired');
    await eventually('it is passed over', () => replicas.all()[0]!.down, 5000);
    assert.deepEqual(addresses(), ['one:1']);
    alive.add('one:1');
    await eventually('it is back', () => !replicas.all()[0]!.down, 5000);
  });
});
