/**
 * A module that `npm run soak` loads into every service (NODE_OPTIONS, threads included): collects all garbage every ten
 * seconds. Node leaves garbage lying while it has room; what is resident right after is what is held.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const EVERY_MS = 10_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
setInterval(collect, EVERY_MS).unref();
