import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const WAIT_LIMIT_MS = 15 * 60_000;
const POLL_MS = 100;

/** Runs `work` while this process alone holds the lock `file`. A lock whose process is gone is broken. */
export async function withLock(file, say, work) {
  mkdirSync(dirname(file), { recursive: true });
  const giveUp = performance.now() + WAIT_LIMIT_MS;
  let said = false;
  while (!take(file)) {
    const holder = read(file);
    if (holder !== undefined && !alive(Number(holder))) {
      breakLock(file, holder);
      continue;
    }
    if (performance.now() > giveUp) throw new Error(`set-up: process ${holder} holds ${file} for too long`);
    if (!said && holder) say(`set-up: waiting for the one that process ${holder} runs`);
    said = true;
    await sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function take(file) {
  // Written aside and linked: the lock never exists without its pid.
  const own = `${file}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Two processes may find the same dead holder: the one whose rename caught a younger lock puts it back. */
function breakLock(file, holder) {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (read(aside) !== holder) linkSync(aside, file);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
