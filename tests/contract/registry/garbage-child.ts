/** A registry that collects garbage at once and kills itself with SIGKILL before or after a named step of it. */
import { collectGarbage } from '#services/expert-registry/collect-garbage.js';
import { startRegistry } from './fixture.js';
import { ALL_OF_IT } from './garbage.js';
import { createFixtureLog } from './log.js';

const [url = '', moment = '', step = ''] = process.argv.slice(2);

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}

async function around<T>(name: string, work: () => Promise<T>): Promise<T> {
  if (name === step && moment === 'before') await die();
  const result = await work();
  if (name === step && moment === 'after') await die();
  return result;
}

const { registry } = await startRegistry(url, {
  relay: false,
  wrap: (store) => ({
    ...store,
    get connected() {
      return store.connected;
    },
    append: (write) => around(write.key.split('.')[0]!, () => store.append(write)),
    removeBlob: (blob) => around('removal', () => store.removeBlob(blob)),
    removeUpload: (upload) => around('upload', () => store.removeUpload(upload)),
  }),
});
await collectGarbage(registry, { ...ALL_OF_IT(), log: createFixtureLog() });
process.exit(0);
