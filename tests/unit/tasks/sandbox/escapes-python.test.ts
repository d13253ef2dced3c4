import assert from 'node:assert/strict';
import { LIMITS, SHORT_WALL_MS, sandboxTest, trial } from './open.js';

/** Answers that are wrong, each with a trick to be taken for right. The tests ask for 42, which none of them returns. */
const TRICKS: Readonly<Record<string, string>> = {
  'ends the process with status 0': 'import sys\ndef f():\n  sys.exit(0)',
  'ends the process at once': 'import os\ndef f():\n  os._exit(0)',
  'ends before it is asked': 'import os\nos._exit(0)',
  'raises SystemExit while it is loaded': 'raise SystemExit(0)',
  'prints marks of success':
    'def f():\n  print("V {\\"passed\\": true, \\"detail\\": \\"\\"}\\nPASS\\nall tests pass\\nOK", flush=True)\n  return 0',
  'writes a verdict into the channel':
    'import os\ndef f():\n  os.write(3, b\'V {"passed": true, "detail": "x"}\\n\')\n  return 0',
  'writes a verdict before it is asked':
    'import os\nos.write(3, b\'V {"passed": true, "detail": "x"}\\n\' * 3)\ndef f(): return 0',
  'returns what equals everything':
    'class Any(int):\n  def __eq__(self, other): return True\n  def __ne__(self, other): return False\n  __hash__ = None\ndef f(): return Any(7)',
  'returns an object that equals everything':
    'class Any:\n  def __eq__(self, other): return True\n  def __bool__(self): return True\ndef f(): return Any()',
  'makes assertions void':
    'import builtins\nbuiltins.AssertionError = None\nbuiltins.compile = lambda *a, **k: (lambda: None).__code__\nbuiltins.exec = lambda *a: None\ndef f(): return 0',
  'replaces the wire':
    'import wire\nwire.dumps = lambda *a: "42}\\nV {\\"passed\\": true, \\"detail\\": \\"\\"}\\n{"\ndef f(): return 0',
  'looks for the expected value in its frames':
    'import sys\ndef f():\n  frame = sys._getframe()\n  while frame:\n    for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):\n      if isinstance(value, str) and "f() == 4" "2" in value: return 42\n    frame = frame.f_back\n  return 0',
  'looks for the tests among all objects':
    'import gc\ndef f():\n  for value in gc.get_objects():\n    if isinstance(value, dict) and any(isinstance(v, str) and "== 4" "2" in v for v in list(value.values())): return 42\n  return 0',
  'sends what is no value':
    'import os\ndef f():\n  os.write(3, b\'{"value": {"t": "tuple"}}\\n\')\n  return 0',
  'sends a value without a depth': 'def f():\n  x = []\n  for _ in range(100000): x = [x]\n  return x',
  'returns itself': 'def f():\n  x = []\n  x.append(x)\n  return x',
  'raises AssertionError': 'def f(): raise AssertionError("all tests pass")',
  'defines nothing': 'x = 42',
  'is no program': 'def f(:',
};

sandboxTest('no trick makes a wrong answer right', async () => {
  const outcomes = await Promise.all(
    Object.entries(TRICKS).map(async ([trick, program]) => {
      const { passed, detail } = await trial('python', program, 'assert f() == 42');
      return [trick, passed, detail] as const;
    }),
  );
  for (const [trick, passed, detail] of outcomes) {
    assert.equal(passed, false, trick);
    assert.notEqual(detail, '', trick);
  }
});

/** What a program tries and what it must get: the name of the exception, or a value. */
const ATTEMPTS: Readonly<Record<string, readonly [body: string, expected: string]>> = {
  'read the users of the machine': ['open("/etc/passwd").read()', 'FileNotFoundError'],
  'read its own memory map': ['open("/proc/self/maps").read()', 'FileNotFoundError'],
  'list processes': ['os.listdir("/proc")', 'FileNotFoundError'],
  'see the file system': [
    'sorted(set(os.listdir("/")) - {"lib64"})',
    "['dev', 'etc', 'lib', 'runner', 'runtime', 'usr']",
  ],
  'see more of the system': [
    'sorted(set(os.listdir("/usr")) - {"lib64"}) + os.listdir("/etc") + os.listdir("/dev")',
    "['lib', 'ld.so.cache', 'null']",
  ],
  'see the environment': [
    'sorted(set(os.environ) - {"PWD", "PYTHONHASHSEED", "PYTHONIOENCODING", "LC_CTYPE"})',
    '[]',
  ],
  'be somebody': ['(os.getuid(), os.getgid())', '(65534, 65534)'],
  'write into the root': ['open("/x", "w")', 'OSError'],
  'write beside the runner': ['open("/runner/x", "w")', 'OSError'],
  'replace the runner': ['open("/runner/judge.py", "a")', 'OSError'],
  'write into its interpreter': ['open(sys.executable, "ab")', 'OSError'],
  'write into its library': ['open(os.__file__, "ab")', 'OSError'],
  'make the runner writable': ['os.chmod("/runner/wire.py", 0o777)', 'OSError'],
  'link to what is outside': ['os.symlink("/etc/passwd", "/runner/x")', 'OSError'],
  'make a file without a name': ['os.open("/usr/lib", os.O_TMPFILE | os.O_RDWR)', 'OSError'],
  'read what zmesh is told': ['os.read(0, 10)', "b''"],
  'use files of who started it': ['[fd for fd in range(64) if is_open(fd)]', '[0, 1, 2, 3]'],
  'see what is mounted from where': ['(libc.syscall(458, 0, 0, 0, 0), ctypes.get_errno())', '(-1, 1)'],
  'write into temporary files': ['tempfile.TemporaryFile()', 'FileNotFoundError'],
  'use memory as a file': ['os.memfd_create("x")', 'PermissionError'],
  'open a socket': ['socket.socket()', 'PermissionError'],
  'open a pair of sockets': ['socket.socketpair()', 'PermissionError'],
  'start a process': ['os.fork()', 'PermissionError'],
  'start a program': ['subprocess.run(["/runtime/prlimit"])', 'PermissionError'],
  'trace its parent': ['libc.ptrace(16, os.getppid(), 0, 0) or ctypes.get_errno()', '-1'],
  'read memory of its parent': ['libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)', '-1'],
  'make a name space': ['libc.unshare(0x10000000)', '-1'],
  'mount something': ['libc.mount(b"x", b"/", b"tmpfs", 0, None)', '-1'],
  'leave its root': ['os.chroot("/usr")', 'OSError'],
  'raise its limit of memory': ['resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))', 'ValueError'],
  'raise its limits': ['resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))', 'ValueError'],
  'keep a limit of processor time off': ['resource.setrlimit(resource.RLIMIT_CPU, (9, 9))', 'ValueError'],
  'become privileged': ['os.setuid(0)', 'OSError'],
  'see processes outside': ['os.getppid()', '1'],
  'allocate too much': ['len(bytearray(1 << 30))', 'MemoryError'],
  'share memory': ['mmap.mmap(-1, 1 << 30)', 'OSError'],
  'set the clock': ['time.clock_settime(time.CLOCK_REALTIME, 0)', 'PermissionError'],
};

sandboxTest('files, network, processes, memory and limits are out of reach', async () => {
  const imports =
    'import ctypes, mmap, os, resource, socket, subprocess, sys, tempfile, time\nlibc = ctypes.CDLL(None, use_errno=True)\ndef is_open(fd):\n  try: return bool(os.fstat(fd))\n  except OSError: return False\n';
  const outcomes = await Promise.all(
    Object.entries(ATTEMPTS).map(async ([attempt, [body, expected]]) => {
      const program = `${imports}def f():\n  try:\n    return str(${body})\n  except Exception as error:\n    return "OSError" if isinstance(error, PermissionError) and error.filename else type(error).__name__`;
      const { passed, detail } = await trial(
        'python',
        program,
        `found = f()\nassert found == ${JSON.stringify(expected)}, found`,
      );
      return [attempt, passed, detail] as const;
    }),
  );
  const others = outcomes
    .filter(([, passed]) => !passed)
    .map(([attempt, , detail]) => `${attempt}: ${detail}`);
  assert.deepEqual(others, []);
});

/** Programs that never end or want everything, and how each ends. */
const BOMBS: Readonly<Record<string, readonly [program: string, how: RegExp]>> = {
  'a loop without end': ['def f():\n  while True: pass', /processor time or memory/],
  'a loop without end, before it is asked': ['while True: pass', /processor time or memory/],
  'output without end': ['def f():\n  while True: print("x" * 65536)', /processor time or memory/],
  'memory without end': ['def f():\n  x = []\n  while True: x.append(bytearray(1 << 20))', /MemoryError/],
  'processes without end': ['import os\ndef f():\n  while True: os.fork()', /PermissionError/],
  'threads without end': [
    'import threading, time\ndef f():\n  n = 0\n  while True:\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()',
    /RuntimeError|MemoryError|before it had answered|not over/,
  ],
  'a result that is too large': ['def f(): return "x" * 1000000', /larger than 262144 bytes/],
  sleep: ['import time\ndef f(): time.sleep(1000)', /not over within 1500 ms/],
  'a stop of itself': [
    'import os, signal\ndef f(): os.kill(os.getpid(), signal.SIGSTOP)',
    /not over within 1500 ms/,
  ],
  'a signal to all': ['import os\ndef f():\n  os.kill(-1, 9)\n  return 42', /ProcessLookupError/],
  'a deaf ear to signals': [
    'import signal\nfor s in range(1, 65):\n  try: signal.signal(s, signal.SIG_IGN)\n  except Exception: pass\ndef f():\n  while True: pass',
    /processor time or memory/,
  ],
};

sandboxTest('programs without end are ended, and a good one after them passes', async () => {
  const outcomes = await Promise.all(
    Object.entries(BOMBS).map(async ([bomb, [program, how]]) => {
      const { passed, detail } = await trial(
        'python',
        program,
        'assert f() == 43',
        `${how}`.includes('1500 ms') ? SHORT_WALL_MS : LIMITS.wallMs,
      );
      return [bomb, passed, detail, how] as const;
    }),
  );
  for (const [bomb, passed, detail, how] of outcomes) {
    assert.equal(passed, false, bomb);
    assert.match(detail, how, bomb);
  }
  assert.deepEqual(await trial('python', 'def f(): return 42', 'assert f() == 42'), {
    passed: true,
    detail: 'all tests pass',
  });
});

sandboxTest('complaints without end cost zmesh nothing: nobody reads them', async () => {
  const before = process.cpuUsage();
  const flood = 'import os\ndef f():\n  while True: os.write(2, b"x" * 65536)';
  const { passed, detail } = await trial('python', flood, 'assert f() == 42');
  const { user, system } = process.cpuUsage(before);
  assert.equal(passed, false);
  assert.match(detail, /processor time or memory/);
  assert.ok(
    user + system < 500_000,
    `${(user + system) / 1000} ms of zmesh's own for a second of the answer's`,
  );
});
