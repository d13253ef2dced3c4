/** Loaded into a service with `--import`: at each SIGUSR2 its wall clock jumps, an hour forward, two back, then to the right time. */
import { isMainThread } from 'node:worker_threads';
import { jumpClock } from './jump-clock.js';

const HOUR_MS = 3_600_000;
const JUMPS = [HOUR_MS, -HOUR_MS, 0];
let next = 0;
if (isMainThread) process.on('SIGUSR2', () => jumpClock(JUMPS[next++ % JUMPS.length]!));
