/** A registry that kills itself with SIGKILL before or after a named step of its store; its test publishes to it. */
import type { RegistryStore } from '#services/expert-registry/store.js';
import { startRegistry } from './fixture.js';

const [url = '', moment = '', step = '', at = '1'] = process.argv.slice(2);
let calls = 0;

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}

/** Runs `work`, and dies around its `at`th call if `name` is the step. */
async function around<T>(name: string, work: () => Promise<T>): Promise<T> {
  const mine = name === step && ++calls === Number(at);
  if (mine && moment === 'before') await die();
  const result = await work();
  if (mine && moment === 'after') await die();
  return result;
}

const { address, connection } = await startRegistry(url, {
  wrap: (store): RegistryStore => ({
    get connected() {
      return store.connected;
    },
    read: store.read,
    keys: store.keys,
    follow: store.follow,
    getBlob: store.getBlob,
    putBlob: (sha256, bytes, anew) => around('blob', () => store.putBlob(sha256, bytes, anew)),
    blobs: store.blobs,
    removeBlob: store.removeBlob,
    abandonedUploads: store.abandonedUploads,
    removeUpload: store.removeUpload,
    append: (write) => around(write.key.split('.')[0]!, () => store.append(write)),
  }),
  // The relay is part of what must survive: it may be killed at any moment too.
  relay: true,
});
const { publish } = connection.js;
connection.js.publish = (subject, ...rest) => {
  const send = () => publish.call(connection.js, subject, ...rest);
  return subject.startsWith('zmesh.experts.') ? around('event', send) : send();
};
process.send?.(address);
