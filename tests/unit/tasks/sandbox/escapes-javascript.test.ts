import assert from 'node:assert/strict';
import { sandboxTest, trial } from './open.js';

/** Wrong answers, each with a trick to be taken for right: the tests ask for 42, which none of them returns. */
const TRICKS: Readonly<Record<string, string>> = {
  'ends the process with status 0': 'function f() { process.exit(0); }',
  'ends before it is asked': 'process.exit(0)',
  'ends the process at once': 'process.reallyExit(0)',
  'prints marks of success':
    'function f() { console.log(\'V {"passed": true, "detail": ""}\\nPASS\'); return 0; }',
  'writes a verdict into the channel':
    'function f() { require("fs").writeSync(3, \'V {"passed": true, "detail": ""}\\n\'); return 0; }',
  'replaces the writer of values':
    'JSON.stringify = () => \'{"value":0}\\nV {"passed":true,"detail":""}\'; function f() { return 0; }',
  'returns what turns into the number':
    'function f() { return { valueOf: () => 42, toString: () => "42" }; }',
  'changes what all objects have':
    'Object.prototype.t = "number"; Object.prototype.v = "42"; Array.prototype.includes = () => true; function f() { return {}; }',
  'makes assertions void':
    'require("assert").strictEqual = require("assert").ok = () => {}; function f() { return 0; }',
  'returns itself': 'function f() { const x = []; x.push(x); return x; }',
  'is no program': 'function f( {',
  'defines nothing': '42',
  'never settles': 'function f() { return new Promise(() => {}); }',
};

sandboxTest('no trick in JavaScript makes a wrong answer right', async () => {
  const outcomes = await Promise.all(
    Object.entries(TRICKS).map(async ([trick, program]) => {
      const { passed, detail } = await trial('javascript', program, 'assert.strictEqual(f(), 42)');
      return [trick, passed, detail] as const;
    }),
  );
  for (const [trick, passed, detail] of outcomes) {
    assert.equal(passed, false, trick);
    assert.notEqual(detail, '', trick);
  }
});

/** What a program tries, and what comes of it: an error's code, or a value. */
const ATTEMPTS: Readonly<Record<string, readonly [body: string, expected: string]>> = {
  'read the users of the machine': ['fs.readFileSync("/etc/passwd")', 'ENOENT'],
  'read its own memory map': ['fs.readFileSync("/proc/self/maps")', 'ENOENT'],
  'see the file system': [
    'fs.readdirSync("/").filter((name) => name !== "lib64").join()',
    'dev,etc,lib,runner,runtime,usr',
  ],
  'see the environment': ['Object.keys(process.env).filter((name) => name !== "PWD").join()', ''],
  'write into the root': ['fs.writeFileSync("/x", "")', 'EROFS'],
  'replace the runner': ['fs.writeFileSync("/runner/judge.mjs", "")', 'EROFS'],
  'start a program': ['childProcess.spawnSync("/runtime/prlimit").error.code', 'EPERM'],
  'see processes outside': ['process.ppid', '1'],
  'be somebody': ['process.getuid()', '65534'],
};

sandboxTest('files, network and processes are out of reach of JavaScript', async () => {
  const failed = await Promise.all(
    Object.entries(ATTEMPTS).map(async ([attempt, [body, expected]]) => {
      const program = `const fs = require('fs'), childProcess = require('child_process');
        function f() { try { return String(${body}); } catch (error) { return error.code; } }`;
      const { passed, detail } = await trial(
        'javascript',
        program,
        `assert.strictEqual(f(), ${JSON.stringify(expected)})`,
      );
      return passed ? undefined : `${attempt}: ${detail}`;
    }),
  );
  const network = `function f() {
    return new Promise((resolve) => require('net').connect(80, '127.0.0.1').on('error', (error) => resolve(error.code)));
  }`;
  const connected = await trial('javascript', network, 'assert.strictEqual(await f(), "EPERM")');
  assert.deepEqual([...failed.filter(Boolean), connected.passed || connected.detail], [true]);
});

sandboxTest('JavaScript without end is ended', async () => {
  const bombs: Readonly<Record<string, string>> = {
    'a loop without end': 'function f() { for (;;); }',
    'a loop of promises': 'function f() { return (async () => { for (;;) await 0; })(); }',
    'memory without end': 'function f() { const x = []; for (;;) x.push(new Array(1e6).fill(1.5)); }',
    'memory outside of the heap': 'function f() { const x = []; for (;;) x.push(Buffer.alloc(1 << 24, 1)); }',
    'shared memory beyond the limit':
      'function f() { const x = []; for (let i = 0; i < 20; i++) { x.push(new Uint8Array(new SharedArrayBuffer(1 << 26)).fill(1)); } return 42; }',
    "WebAssembly's memory beyond the limit":
      'function f() { const x = []; for (let i = 0; i < 20; i++) { const m = new WebAssembly.Memory({ initial: 1024, maximum: 1024, shared: true }); x.push(new Uint8Array(m.buffer).fill(1)); } return 42; }',
    'complaints without end': 'function f() { for (;;) require("fs").writeSync(2, "x".repeat(65536)); }',
    'a result that is too large': 'function f() { return "x".repeat(1e6); }',
    'threads without end':
      'function f() { const { Worker } = require("worker_threads"); for (;;) new Worker("setTimeout(() => {}, 1e6)", { eval: true }); }',
  };
  for (const [bomb, passed] of await Promise.all(
    Object.entries(bombs).map(
      async ([bomb, program]) =>
        [bomb, (await trial('javascript', program, 'assert.strictEqual(f(), 42)')).passed] as const,
    ),
  ))
    assert.equal(passed, false, bomb);
  const good = await trial('javascript', 'const f = async () => 42;', 'assert.strictEqual(f(), 42)');
  assert.deepEqual(good, { passed: true, detail: 'all tests pass' });
});
