/**
 * Loaded into a service with `--import`: looks at what it publishes to NATS, by subject. `ZMESH_TEST_WRITES` names a file that
 * gets one subject a line; `ZMESH_TEST_KILL_WRITE` is a pattern, and the process kills itself with SIGKILL before or after
 * (`ZMESH_TEST_KILL_MOMENT`) the publication number `ZMESH_TEST_KILL_NUMBER` whose subject matches. The product is as it is.
 */
import { appendFileSync } from 'node:fs';
import { Socket } from 'node:net';

const {
  ZMESH_TEST_WRITES: file,
  ZMESH_TEST_KILL_WRITE: pattern,
  ZMESH_TEST_KILL_NUMBER: number = '1',
  ZMESH_TEST_KILL_MOMENT: moment,
} = process.env;
const mine = pattern === undefined ? undefined : new RegExp(pattern);
const { write } = Socket.prototype;
let seen = 0;

const die = (): void => void process.kill(process.pid, 'SIGKILL');

/** True if this chunk has the publication that is waited for. */
function isTheOne(chunk: unknown): boolean {
  if (!(chunk instanceof Uint8Array)) return false;
  const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
  let found = false;
  for (const [, subject] of text.matchAll(/(?:^|\r\n)H?PUB (\S+) /g)) {
    if (file) appendFileSync(file, `${subject}\n`);
    if (!mine?.test(subject!)) continue;
    seen += 1;
    found ||= seen === Number(number);
  }
  return found;
}

Socket.prototype.write = function (this: Socket, chunk: unknown, ...rest: unknown[]): boolean {
  const found = isTheOne(chunk);
  if (found && moment === 'before') die();
  const written = write.call(this, chunk as string, ...(rest as []));
  // On loopback it is with the server as soon as it is written; the answer is not read any more.
  if (found && moment === 'after') die();
  return written;
} as typeof write;
