/**
 * Holds a nats-server and dies with its starter: `node tether.js <nats-server> <args…>` over an IPC channel.
 * When the channel closes, however that came about, the server is stopped. Its own process group keeps a Ctrl-C in the
 * terminal from reaching the server before the services have drained.
 */
import { spawn } from 'node:child_process';
import type { TetherMessage } from './tether-message.js';

const STOP_LIMIT_MS = 5_000;
const TAIL_BYTES = 4_096;

const [path, ...args] = process.argv.slice(2);
if (!path || !process.send) throw new Error('the tether is started by startNatsServer');

const server = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
let tail = '';
server.stderr.setEncoding('utf8');
server.stderr.on('data', (text: string) => {
  tail = (tail + text).slice(-TAIL_BYTES);
});
server.on('spawn', () => tell({ type: 'started', pid: server.pid! }));
server.on('error', (error) => end({ type: 'exited', code: null, signal: null, tail: error.message }));
server.on('close', (code, signal) => end({ type: 'exited', code, signal, tail: tail.trim() }));

let stopping = false;
function stop(): void {
  if (stopping) return;
  stopping = true;
  server.kill('SIGTERM');
  setTimeout(() => server.kill('SIGKILL'), STOP_LIMIT_MS).unref();
}
process.on('message', stop);
process.on('disconnect', stop);
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

function tell(message: TetherMessage, then: () => void = () => {}): void {
  if (process.connected) process.send!(message, undefined, undefined, then);
  else then();
}

function end(message: TetherMessage): void {
  tell(message, () => process.exit(0));
}
