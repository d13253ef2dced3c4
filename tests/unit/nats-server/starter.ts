/** Starts a nats-server and tells its process id; its test kills it. */
import { startNatsServer } from '#deploy/local/nats-server/start.js';

const [path = '', storeDir = ''] = process.argv.slice(2);
const server = await startNatsServer({ path, storeDir });
process.send?.(server.pid);
