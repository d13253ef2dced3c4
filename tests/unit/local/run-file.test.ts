import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { processStart } from '#deploy/local/process-identity.js';
import { claimRun, readRun, runFilePath } from '#deploy/local/run-file.js';

function temporaryHome(t: { after(work: () => void): void }): string {
  const home = mkdtempSync(join(tmpdir(), 'zmesh-run-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

function writeState(home: string, state: { pid: number; started: string }): void {
  writeFileSync(
    runFilePath(home),
    JSON.stringify({ format: 1, since: '', phase: 'ready', processes: [], ...state }),
  );
}

describe('the run file', () => {
  it('tells what runs while the claim is held, and nothing after', (t) => {
    const home = temporaryHome(t);
    const claim = claimRun(home, assert.fail);
    assert.equal(readRun(home)?.phase, 'starting');
    const processes = [{ name: 'dispatcher', pid: process.pid, address: '127.0.0.1:1', log: 'x' }];
    claim.update({ phase: 'ready', processes });
    assert.equal(readRun(home)?.phase, 'ready');
    assert.deepEqual(readRun(home)?.processes, processes);
    claim.release();
    assert.equal(readRun(home), undefined);
    assert.deepEqual(readdirSync(home), []);
  });

  it('refuses a second mesh with one line that names the first', (t) => {
    const home = temporaryHome(t);
    claimRun(home, assert.fail);
    assert.throws(
      () => claimRun(home, assert.fail),
      new RegExp(`^Error: the mesh is already running \\(process ${process.pid}\\): see "zmesh status"`),
    );
    assert.deepEqual(readdirSync(home), ['run.json']);
  });

  it('takes over the file of a process that is gone', async (t) => {
    const home = temporaryHome(t);
    const child = spawn(process.execPath, ['-e', '']);
    const pid = child.pid!;
    const started = processStart(pid)!;
    await once(child, 'exit');
    writeState(home, { pid, started });
    assert.equal(readRun(home), undefined);
    const said: string[] = [];
    claimRun(home, (line) => said.push(line));
    assert.deepEqual(said, ['an earlier run ended without cleaning up; its run file is taken over']);
    assert.equal(readRun(home)?.pid, process.pid);
  });

  it('is not fooled by another process with the same id', (t) => {
    const home = temporaryHome(t);
    writeState(home, { pid: process.pid, started: 'at another time' });
    assert.equal(readRun(home), undefined);
    claimRun(home, () => {});
    assert.equal(readRun(home)?.started, processStart(process.pid));
  });

  it('takes over a file that was cut in the middle', (t) => {
    const home = temporaryHome(t);
    writeFileSync(runFilePath(home), '{"format":1,"pi');
    claimRun(home, () => {}).release();
    assert.equal(existsSync(runFilePath(home)), false);
  });
});
