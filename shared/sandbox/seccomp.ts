/** What a system call that is not allowed gives. */
const [EPERM, ENOSYS] = [1, 38];

/**
 * System calls that programs in the sandbox do not get, each with its numbers on x86-64 and arm64 (0 = there is none).
 * New processes, others' memory, sockets, memory that no limit counts, mounts and name spaces, and the kernel's own levers:
 * what is left can compute, read the runtime's files and answer. Numbers: the kernel's `unistd.h`.
 */
const DENIED: Readonly<Record<string, readonly [x64: number, arm64: number]>> = {
  fork: [57, 0],
  vfork: [58, 0],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  kcmp: [312, 272],
  pidfd_send_signal: [424, 424],
  pidfd_open: [434, 434],
  pidfd_getfd: [438, 438],
  process_madvise: [440, 440],
  socket: [41, 198],
  socketpair: [53, 199],
  memfd_create: [319, 279],
  memfd_secret: [447, 447],
  shmget: [29, 194],
  shmat: [30, 196],
  msgget: [68, 186],
  semget: [64, 190],
  mq_open: [240, 180],
  unshare: [272, 97],
  setns: [308, 268],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  statmount: [457, 457],
  listmount: [458, 458],
  open_tree_attr: [467, 467],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  quotactl: [179, 60],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  iopl: [172, 0],
  ioperm: [173, 0],
  modify_ldt: [154, 0],
  syslog: [103, 116],
  personality: [135, 92],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  fanotify_init: [300, 262],
};

/** The architectures that the sandbox knows: the kernel's name for each, its index in the table, `clone`. */
const MACHINES = {
  x64: { audit: 0xc000003e, column: 0, clone: 56 },
  arm64: { audit: 0xc00000b7, column: 1, clone: 220 },
} as const;

/** An architecture of which the sandbox knows the system calls. */
export type Machine = keyof typeof MACHINES;

/** True if the sandbox knows this architecture (`process.arch`). */
export function isMachine(arch: string): arch is Machine {
  return Object.hasOwn(MACHINES, arch);
}

const [LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN] = [0x20, 0x15, 0x35, 0x45, 0x06];
const [ALLOW, ERRNO, KILL] = [0x7fff0000, 0x00050000, 0x80000000];
const [NUMBER_AT, ARCH_AT, FIRST_ARGUMENT_AT] = [0, 4, 16];
const [CLONE3, CLONE_THREAD, X32_BIT] = [435, 0x10000, 0x40000000];

/**
 * The filter as classic BPF (seccomp(2)), 8 bytes an instruction, little-endian: what bubblewrap's `--seccomp` reads.
 * Threads are allowed, processes are not: `clone` must carry CLONE_THREAD, and `clone3`, whose flags a filter cannot
 * see, does not exist, so that the C library falls back to `clone`.
 */
export function seccompFilter(machine: Machine): Buffer {
  const { audit, column, clone } = MACHINES[machine];
  const program: number[][] = [
    [LOAD, 0, 0, ARCH_AT],
    [EQUAL, 1, 0, audit],
    [RETURN, 0, 0, KILL],
    [LOAD, 0, 0, NUMBER_AT],
    // x86-64 knows every call by a second number, with this bit.
    [AT_LEAST, 0, 1, X32_BIT],
    [RETURN, 0, 0, ERRNO | EPERM],
    [EQUAL, 0, 1, CLONE3],
    [RETURN, 0, 0, ERRNO | ENOSYS],
  ];
  for (const numbers of Object.values(DENIED)) {
    if (numbers[column] !== 0) program.push([EQUAL, 0, 1, numbers[column]], [RETURN, 0, 0, ERRNO | EPERM]);
  }
  program.push(
    [EQUAL, 1, 0, clone],
    [RETURN, 0, 0, ALLOW],
    [LOAD, 0, 0, FIRST_ARGUMENT_AT],
    [ANY_BIT, 0, 1, CLONE_THREAD],
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, ERRNO | EPERM],
  );
  const bytes = Buffer.alloc(8 * program.length);
  for (const [i, [code, jumpTrue, jumpFalse, k]] of program.entries()) {
    bytes.writeUInt16LE(code!, 8 * i);
    bytes.writeUInt8(jumpTrue!, 8 * i + 2);
    bytes.writeUInt8(jumpFalse!, 8 * i + 3);
    bytes.writeUInt32LE(k!, 8 * i + 4);
  }
  return bytes;
}
